package plot

import "image/color"

// colormap is a list of colours at equal distances, interpolated linearly.
type colormap []uint32

// Perceptually uniform maps of Stéfan van der Walt and Nathaniel Smith (released
// to the public domain, CC0), every 15th of their 256 colours. Linear
// interpolation stays within 5 of 255 of the full table in every channel.
var (
	viridis = colormap{0x440154, 0x481769, 0x472a7a, 0x433d84, 0x3d4e8a, 0x355e8d, 0x2e6d8e, 0x297b8e, 0x23898e,
		0x1f978b, 0x21a585, 0x2eb37c, 0x46c06f, 0x65cb5e, 0x89d548, 0xb0dd2f, 0xd8e219, 0xfde725}
	magma = colormap{0x000004, 0x090720, 0x1a1042, 0x311165, 0x4a1079, 0x621980, 0x792282, 0x912b81, 0xaa337d,
		0xc23b75, 0xd9466b, 0xec5860, 0xf7725c, 0xfc8e64, 0xfeaa74, 0xfec68a, 0xfde2a3, 0xfcfdbf}
	// hours colours times and speeds on white: the dark two thirds of plasma, by the same
	// authors, so that its end too has a contrast of 3:1.
	hours = colormap{0x0d0887, 0x41049d, 0x6a00a8, 0x8f0da4, 0xb12a90, 0xcc4778, 0xdf5f62}
	// balance is for differences: blue below 0, white at it, red above.
	balance = colormap{0x0a3a75, 0x2f78b7, 0x8fbfdd, 0xffffff, 0xf0a582, 0xc8473d, 0x7b0a24}
	// haze is the ground of a picture whose arrows or lines lie on a density.
	haze = colormap{0xffffff, 0xe3ebf2, 0xc5d5e4, 0xa6bed5}
)

// at returns the colour at u in [0,1]; u outside is clamped.
func (m colormap) at(u float64) color.RGBA {
	h := min(max(u, 0), 1) * float64(len(m)-1)
	i := min(int(h), len(m)-2)
	return mix(rgb(m[i]), rgb(m[i+1]), h-float64(i))
}

// rgb turns 0xrrggbb into an opaque colour.
func rgb(v uint32) color.RGBA {
	return color.RGBA{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 255}
}

// mix returns (1-u)·a + u·b for opaque colours and u in [0,1].
func mix(a, b color.RGBA, u float64) color.RGBA {
	ch := func(p, q uint8) uint8 { return uint8(float64(p) + u*(float64(q)-float64(p)) + 0.5) }
	return color.RGBA{R: ch(a.R, b.R), G: ch(a.G, b.G), B: ch(a.B, b.B), A: 255}
}

// The colours of ink.
var (
	white    = rgb(0xffffff)
	inkText  = rgb(0x262626)
	inkAxis  = rgb(0x595959)
	inkFaint = rgb(0x767676)
	inkGrid  = rgb(0xe6e6e6)
)
