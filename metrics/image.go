package metrics

import (
	"fmt"
	"math"

	"flowmatch/flow"
	"flowmatch/internal/assign"
	"flowmatch/internal/stat"
)

// ImageShape is the shape of images whose pixels are the coordinates of points: row
// after row, the channels of a pixel side by side, D = Height·Width·Channels.
type ImageShape struct{ Height, Width, Channels int }

// PSNR returns the peak signal to noise ratio in decibels of the images a against b,
// both [N, D], pixel by pixel:
//
//	PSNR = 10 log10( dataRange² / MSE )
//
// where dataRange is the largest value less the least: 2 for pixels in [-1, 1]. It is the mean
// over the images of that of each, as skimage.metrics gives for one; for that of all
// pixels together pass batches with N = 1. Of equal images it is +Inf.
func PSNR(a, b flow.Batch, dataRange float64) (float64, error) {
	if err := fitImages("PSNR", a, b, dataRange); err != nil {
		return 0, err
	}
	each := make([]float64, a.N)
	for i := range each {
		square := 0.0
		for k, v := range a.Row(i) {
			square += (v - b.Row(i)[k]) * (v - b.Row(i)[k])
		}
		each[i] = 10 * math.Log10(dataRange*dataRange*float64(a.D)/square)
	}
	return stat.Mean(each), nil
}

// fitImages reports images that cannot be compared pixel by pixel.
func fitImages(name string, a, b flow.Batch, dataRange float64) error {
	if err := fit(name, a, b, 1); err != nil {
		return err
	}
	if a.N != b.N {
		return fmt.Errorf("metrics: %s of %d and %d images: %w: it compares image with image", name, a.N, b.N, ErrSize)
	}
	if !(dataRange > 0) || math.IsInf(dataRange, 1) {
		return fmt.Errorf("metrics: %s with a data range of %g: it wants the largest value less the least, 2 for "+
			"pixels in [-1, 1]", name, dataRange)
	}
	return nil
}

// ssimWindow is the width of the window of [SSIM] in pixels.
const ssimWindow = 11

// SSIM returns the structural similarity of the images a and b, both [N, D] of the
// given shape, at least 11x11 (Wang et al. 2004, eq. 13):
//
//	SSIM = (2 μ_x μ_y + C_1)(2 σ_xy + C_2) / ((μ_x² + μ_y² + C_1)(σ_x² + σ_y² + C_2))
//	C_1 = (0.01 dataRange)², C_2 = (0.03 dataRange)²
//
// with means and (population) covariances under a Gaussian window of 11x11 pixels
// and standard deviation 1.5. The mean is over the windows that lie within the image,
// the channels and the images. It is 1 of equal images, and never more. This is the
// convention of skimage.metrics.structural_similarity with gaussian_weights=True,
// sigma=1.5, use_sample_covariance=False and data_range. dataRange is as in [PSNR].
func SSIM(a, b flow.Batch, shape ImageShape, dataRange float64) (float64, error) {
	if err := fitImages("SSIM", a, b, dataRange); err != nil {
		return 0, err
	}
	if shape.Height < ssimWindow || shape.Width < ssimWindow || shape.Channels < 1 {
		return 0, fmt.Errorf("metrics: SSIM of images of %dx%d pixels and %d channels: %w: it wants at least %dx%d, "+
			"the window, and 1", shape.Height, shape.Width, shape.Channels, ErrSize, ssimWindow, ssimWindow)
	}
	if d := shape.Height * shape.Width * shape.Channels; d != a.D {
		return 0, fmt.Errorf("metrics: SSIM of points in dimension %d as images of %dx%dx%d: %w: these have %d values",
			a.D, shape.Height, shape.Width, shape.Channels, ErrSize, d)
	}
	window := gaussianWindow()
	each := make([]float64, a.N*shape.Channels)
	assign.Parallel(len(each), 1, func(lo, hi int) {
		for k := lo; k < hi; k++ {
			i, c := k/shape.Channels, k%shape.Channels
			each[k] = ssim(channel(a.Row(i), shape, c), channel(b.Row(i), shape, c), shape, window, dataRange)
		}
	})
	return stat.Mean(each), nil
}

// gaussianWindow returns the weights of one row of the window, of sum 1.
func gaussianWindow() (w [ssimWindow]float64) {
	const sigma = 1.5
	sum := 0.0
	for i := range w {
		x := float64(i - ssimWindow/2)
		w[i] = math.Exp(-x * x / (2 * sigma * sigma))
		sum += w[i]
	}
	for i := range w {
		w[i] /= sum
	}
	return w
}

// channel returns one channel of an image.
func channel(x []float64, shape ImageShape, c int) []float64 {
	plane := make([]float64, 0, shape.Height*shape.Width)
	for k := c; k < len(x); k += shape.Channels {
		plane = append(plane, x[k])
	}
	return plane
}

// ssim is SSIM of one channel of one image.
func ssim(x, y []float64, shape ImageShape, window [ssimWindow]float64, dataRange float64) float64 {
	xx, yy, xy := make([]float64, len(x)), make([]float64, len(x)), make([]float64, len(x))
	for i, v := range x {
		xx[i], yy[i], xy[i] = v*v, y[i]*y[i], v*y[i]
	}
	maps := [][]float64{x, y, xx, yy, xy}
	for k := range maps {
		maps[k] = blur(maps[k], shape, window)
	}
	c1, c2 := 0.01*dataRange*0.01*dataRange, 0.03*dataRange*0.03*dataRange
	sum := 0.0
	for i, mx := range maps[0] {
		my := maps[1][i]
		varX, varY, cov := maps[2][i]-mx*mx, maps[3][i]-my*my, maps[4][i]-mx*my
		sum += (2*mx*my + c1) * (2*cov + c2) / ((mx*mx + my*my + c1) * (varX + varY + c2))
	}
	return sum / float64(len(maps[0]))
}

// blur returns the means of x under the windows within the image. The window is a
// product, so rows are done first and columns then.
func blur(x []float64, shape ImageShape, window [ssimWindow]float64) []float64 {
	h, w := shape.Height-ssimWindow+1, shape.Width-ssimWindow+1
	rows, out := make([]float64, shape.Height*w), make([]float64, h*w)
	for i := range shape.Height {
		for j := range w {
			for k, g := range window {
				rows[i*w+j] += g * x[i*shape.Width+j+k]
			}
		}
	}
	for i := range h {
		for k, g := range window {
			for j := range w {
				out[i*w+j] += g * rows[(i+k)*w+j]
			}
		}
	}
	return out
}
