package eval

import (
	"errors"

	"flowmatch/flow"
	"flowmatch/metrics"
)

// Restoration compares samples with the very images that their contexts were made of,
// pixel by pixel, and so the context itself: of superres the image enlarged by cubic
// convolution, of inpaint the image with the value 0 of model units where it is missing.
// Of inpaint only what is missing counts in PSNR.
//
// A sample is one of the images that have a context, where a regression gives
// their mean. Drawn from the very distribution of them it has twice the mean square
// error of that mean, 3 dB less.
type Restoration struct {
	Images    int      `json:"images"`
	PSNR      float64  `json:"psnr"`           // in decibels, of pixels in [-1, 1]
	InputPSNR float64  `json:"input_psnr"`     // of the context
	SSIM      *float64 `json:"ssim,omitempty"` // of images of at least 11x11
	InputSSIM *float64 `json:"input_ssim,omitempty"`
	// Consistency, of superres, is the PSNR of the samples made small again beside the
	// small images that they were made of: high where a sample agrees with its context.
	Consistency *float64 `json:"consistency,omitempty"`
}

// equalPSNR stands for the infinite PSNR of equal images, and bounds all others.
const equalPSNR = 100

// ssimSide is the least side of an image that has a structural similarity.
const ssimSide = 11

// restoration compares samples x of the images given their contexts; all but the
// contexts in data units.
func (s Subject) restoration(x, original, context flow.Batch) (*Restoration, error) {
	c, side := s.Model.Conditioner(), s.Model.Spec().Image()
	if side == nil {
		return nil, errors.New("the model's points are no images")
	}
	res := &Restoration{Images: x.N}
	if c.LowShape() != nil {
		small, err := c.Shrink(clipped(x))
		if err != nil {
			return nil, err
		}
		want, err := c.Shrink(original)
		if err != nil {
			return nil, err
		}
		v, err := meanPSNR(small, want, nil)
		if err != nil {
			return nil, err
		}
		res.Consistency = &v
	}
	shown, err := c.Shown(context)
	if err != nil {
		return nil, err
	}
	known := make([][]bool, x.N)
	for i := range known {
		known[i] = c.Known(context.Row(i))
	}
	for _, m := range []struct {
		x    flow.Batch
		psnr *float64
		ssim **float64
	}{{x, &res.PSNR, &res.SSIM}, {shown, &res.InputPSNR, &res.InputSSIM}} {
		got := clipped(m.x)
		v, err := meanPSNR(got, original, known)
		if err != nil {
			return nil, err
		}
		*m.psnr = v
		if min(side[0], side[1]) < ssimSide {
			continue
		}
		shape := metrics.ImageShape{Height: side[0], Width: side[1], Channels: side[2]}
		similar, err := metrics.SSIM(got, original, shape, 2)
		if err != nil {
			return nil, err
		}
		*m.ssim = &similar
	}
	return res, nil
}

// meanPSNR returns the mean PSNR of images in [-1, 1], of the values that are not
// known; nil: all.
func meanPSNR(x, original flow.Batch, known [][]bool) (mean float64, err error) {
	for i := range x.N {
		a, b := x.Slice(i, i+1), original.Slice(i, i+1)
		if known != nil {
			a, b = missing(a, known[i]), missing(b, known[i])
		}
		v, err := metrics.PSNR(a, b, 2)
		if err != nil {
			return 0, err
		}
		mean += min(v, equalPSNR) / float64(x.N)
	}
	return mean, nil
}

// missing returns the values of one image that are not known.
func missing(x flow.Batch, known []bool) flow.Batch {
	out := flow.Batch{N: 1}
	for d, k := range known {
		if !k {
			out.X = append(out.X, x.X[d])
		}
	}
	out.D = len(out.X)
	return out
}

// clipped returns images within [-1, 1]: a file of images holds no more.
func clipped(x flow.Batch) flow.Batch {
	x = x.Clone()
	for i, v := range x.X {
		x.X[i] = min(max(v, -1), 1)
	}
	return x
}
