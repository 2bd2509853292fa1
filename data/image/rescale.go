package image

import (
	"fmt"
	"math"
)

// Downscale writes an image of [h, w, c] pixels, smaller by factor along both
// sides, into dst: each pixel of dst, [h/factor, w/factor, c], is the mean of the
// factor x factor pixels that it covers. Units are those of src. It panics when
// factor does not divide h and w, or a length does not fit.
func Downscale(dst, src []float64, h, w, c, factor int) {
	checkScale("Downscale", src, h, w, c, factor)
	if h%factor != 0 || w%factor != 0 {
		panic(fmt.Sprintf("data: Downscale of %d x %d pixels by %d, which does not divide them", h, w, factor))
	}
	if len(dst)*factor*factor != len(src) {
		panic(fmt.Sprintf("data: Downscale of %d numbers by %d into %d", len(src), factor, len(dst)))
	}
	clear(dst)
	area, row := float64(factor*factor), w/factor*c
	for y := range h {
		to := dst[y/factor*row:]
		for x := range w {
			for k := range c {
				to[x/factor*c+k] += src[(y*w+x)*c+k]
			}
		}
	}
	for i := range dst {
		dst[i] /= area
	}
}

// Upscale writes an image of [h, w, c] pixels, larger by factor along both sides,
// into dst, [h*factor, w*factor, c], by cubic convolution with a = -1/2 (Keys
// 1981; the Catmull-Rom spline), first along rows and then along columns. Pixels
// are areas: the centre of pixel i of dst lies at (i+1/2)/factor - 1/2 of src.
// Beyond the border the border's pixels go on. Quadratics are reproduced where
// no such pixel is used. The result may overshoot the range of src by a little.
// It panics when a length does not fit.
func Upscale(dst, src []float64, h, w, c, factor int) {
	checkScale("Upscale", src, h, w, c, factor)
	if len(dst) != len(src)*factor*factor {
		panic(fmt.Sprintf("data: Upscale of %d numbers by %d into %d", len(src), factor, len(dst)))
	}
	wide := make([]float64, len(src)*factor)
	for y := range h { // along a row: w points of c numbers
		upscale(wide[y*w*factor*c:(y+1)*w*factor*c], src[y*w*c:(y+1)*w*c], w, c, factor)
	}
	upscale(dst, wide, h, w*factor*c, factor) // along columns: h points of a row each
}

// upscale interpolates n points of c numbers to n*factor points.
func upscale(dst, src []float64, n, c, factor int) {
	for i := range n * factor {
		at := (float64(i)+0.5)/float64(factor) - 0.5
		first := math.Floor(at)
		weights := catmullRom(at - first)
		to := dst[i*c : (i+1)*c]
		clear(to)
		for tap, weight := range weights {
			from := src[min(max(int(first)-1+tap, 0), n-1)*c:]
			for k := range to {
				to[k] += weight * from[k]
			}
		}
	}
}

// catmullRom returns the weights of the points at -1, 0, 1 and 2 for t
// in [0, 1): Keys' kernel (1981, equation 15) with a = -1/2. They sum to 1.
func catmullRom(t float64) [4]float64 {
	return [4]float64{
		t * (-0.5 + t*(1-0.5*t)),
		1 + t*t*(-2.5+1.5*t),
		t * (0.5 + t*(2-1.5*t)),
		t * t * (-0.5 + 0.5*t),
	}
}

func checkScale(what string, src []float64, h, w, c, factor int) {
	if h < 1 || w < 1 || c < 1 || factor < 1 || len(src) != h*w*c {
		panic(fmt.Sprintf("data: %s of %d numbers as [%d %d %d] by %d", what, len(src), h, w, c, factor))
	}
}
