package nn

import "fmt"

// DiT describes the transformer of images of Peebles and Xie (2022), which SiT (Ma et
// al. 2024) trains by flow matching. The zero value of every field but Image is
// usable, and is their DiT-S/2.
type DiT struct {
	// Image is the shape of a point: height, width, channels. Its product is
	// Config.Dim; it comes from the data.
	Image []int `yaml:"image,omitempty,flow" json:"image"`
	// Patch is the side of the squares that the image is cut into, one token each; it
	// divides height and width. Default 2.
	Patch int `yaml:"patch" json:"patch"`
	// Width is the width of a token, a multiple of 4; default 384.
	Width int `yaml:"width" json:"width"`
	// Depth is the number of blocks; default 12.
	Depth int `yaml:"depth" json:"depth"`
	// Heads is the number of heads of attention, which divides Width; default 6.
	Heads int `yaml:"heads" json:"heads"`
	// MLPRatio is the width of the hidden layer of a block, in Width; default 4.
	MLPRatio float64 `yaml:"mlp_ratio" json:"mlp_ratio"`
	// MLPNormEps is what is added to the variance in the norm before that layer; default 1e-6,
	// as in all other norms.
	MLPNormEps float64 `yaml:"mlp_norm_eps,omitempty" json:"mlp_norm_eps,omitempty"`
	// Time is how the network sees the time; default features of 1000 t.
	Time *TimeFeatures `yaml:"time,omitempty" json:"time,omitempty"`
}

// Defaults returns d with every unset field filled in.
func (d DiT) Defaults() DiT {
	for _, f := range []struct {
		v   *int
		def int
	}{{&d.Patch, 2}, {&d.Width, 384}, {&d.Depth, 12}, {&d.Heads, 6}} {
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	if d.MLPRatio == 0 {
		d.MLPRatio = 4
	}
	return d
}

func (d DiT) validate() error {
	d = d.Defaults()
	if d.Patch < 1 || d.Depth < 1 || d.Heads < 1 {
		return fmt.Errorf("nn: dit.patch %d, dit.depth %d and dit.heads %d must be at least 1", d.Patch,
			d.Depth, d.Heads)
	}
	if d.Width < 4 || d.Width%4 != 0 || d.Width%d.Heads != 0 {
		return fmt.Errorf("nn: dit.width is %d; it must be a multiple of 4, and of dit.heads %d", d.Width, d.Heads)
	}
	if !(d.MLPRatio*float64(d.Width) >= 1) {
		return fmt.Errorf("nn: dit.mlp_ratio is %g; the hidden layer of a block needs at least 1 unit", d.MLPRatio)
	}
	if !(d.MLPNormEps >= 0 && d.MLPNormEps < 1) {
		return fmt.Errorf("nn: dit.mlp_norm_eps is %g; it must be in [0, 1)", d.MLPNormEps)
	}
	if err := d.Time.validate("dit", ditFrequencies); err != nil {
		return err
	}
	if im := d.Image; len(im) > 0 && (im[0]%d.Patch != 0 || im[1]%d.Patch != 0) {
		return fmt.Errorf("nn: dit.patch %d does not divide images of %d by %d; it must divide height and width",
			d.Patch, im[0], im[1])
	}
	return nil
}

// hidden is the width of the hidden layer of a block.
func (d DiT) hidden() int { return int(d.MLPRatio * float64(d.Width)) }

// grid is the number of patches from top to bottom and from left to right.
func (d DiT) grid() (rows, columns int) { return d.Image[0] / d.Patch, d.Image[1] / d.Patch }

// Tokens returns the number of patches that an image is cut into; 0 where the size of images is not known.
func (d DiT) Tokens() int {
	if len(d.Image) < 2 || d.Patch < 1 {
		return 0
	}
	rows, columns := d.grid()
	return rows * columns
}
