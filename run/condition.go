package run

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/metrics"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/plot"
	"flowmatch/train"
)

// validateCondition reports settings that a condition of images cannot go with.
func (c Config) validateCondition() error {
	images := []string{data.KindImages, data.KindCIFAR10, data.KindCIFAR100, data.KindFolder, data.KindShards}
	switch kind := c.Data.ResolvedKind(); {
	case c.Condition.Kind == "":
		return nil
	case !slices.Contains(images, kind):
		return fmt.Errorf("run: condition is for images, and the data are of kind %s; remove the section", kind)
	case !slices.Contains([]string{"cfm", "meanflow", "shortcut"}, c.Train.Objective):
		return fmt.Errorf("run: a condition goes with train.objective cfm, meanflow and shortcut, not with %s", c.Train.Objective)
	case c.Coupling.Name != "independent":
		return train.ErrConditionCoupled
	}
	return nil
}

// makeCondition makes what makes the conditions of the images of a set, and tells the
// network how many values it makes; nil without a condition.
func makeCondition(c data.ConditionConfig, net *nn.Config, set *data.Set) (*data.Condition, error) {
	net.Condition = 0
	if c.Kind == "" {
		return nil, nil
	}
	image := set.Image()
	if image == nil {
		return nil, fmt.Errorf("run: condition is for images; the data (%s) are of kind %s", set.Name, set.Kind)
	}
	made, err := c.New(image, set.Standardizer)
	if err == nil {
		net.Condition = made.Dim()
	}
	return made, err
}

// Told is what a model is told of the points that it draws.
type Told struct {
	Label []int32    // nil: an unconditional model
	Cond  flow.Batch // [N, Dc]; the zero Batch: a model without a condition
	// Original are the images that the conditions were made of, in data units; the zero
	// Batch where they are not known.
	Original flow.Batch
	// Hold is what a model without a condition is held to; nil: nothing.
	Hold *model.Hold
}

// OfImages says whether images are made from images.
func (t Told) OfImages() bool { return t.Cond.N > 0 || t.Hold != nil }

// Told returns what the model is told of n points: every class in turn or, of a run
// with a condition, the labels and conditions of held-out images, in turn.
func (r *Run) Told(n int) (Told, error) {
	if r.Model.Conditioner() == nil {
		return Told{Label: r.Labels(n)}, nil
	}
	t, err := r.heldOut(n)
	if err == nil {
		t.Cond = r.ConditionOf(t.Original)
	}
	return t, err
}

// heldOut returns n held-out images, in turn, with their labels.
func (r *Run) heldOut(n int) (t Told, err error) {
	test, label := r.TestPoints(n)
	if test.N == 0 {
		return t, errors.New("run: no images are held out to make conditions of; set data.test, or give images")
	}
	t.Original = inTurn(test, n)
	for i := 0; i < n && label != nil; i++ {
		t.Label = append(t.Label, label[i%test.N])
	}
	return t, nil
}

// ToldParts returns what a model without a condition is told of n images that it
// completes, those of a file or folder in turn, or held-out ones (file ""), behind a
// mask, one of [data.Masks].
func (r *Run) ToldParts(file string, n int, mask string) (t Told, err error) {
	if r.Data.Image() == nil {
		return t, fmt.Errorf("run: a mask is for images; the data (%s) are of kind %s", r.Data.Name, r.Data.Kind)
	}
	c, err := data.ConditionConfig{Kind: data.Inpaint, Mask: mask}.New(r.Data.Image(), nil)
	if err != nil {
		return t, err
	}
	if file == "" {
		t, err = r.heldOut(n)
	} else if t.Original, _, err = data.ReadImages(file, n, r.Data.Image()); err == nil {
		t.Original = inTurn(t.Original, n)
	}
	if err != nil {
		return t, err
	}
	cond := flow.NewBatch(n, c.Dim())
	c.Fill(cond, t.Original, seed.Rand(r.Config.Seed, "run/mask", 0))
	t.Hold = &model.Hold{X: c.Shown(cond)}
	for i := range n {
		t.Hold.Known = append(t.Hold.Known, c.Known(cond.Row(i))...)
	}
	return t, nil
}

// inTurn returns n points, those of x again and again.
func inTurn(x flow.Batch, n int) flow.Batch {
	out := flow.NewBatch(n, x.D)
	for i := range n {
		copy(out.Row(i), x.Row(i%x.N))
	}
	return out
}

// ConditionOf returns the conditions of images in data units, with the masks of the
// run's seed; the zero Batch for a run without.
func (r *Run) ConditionOf(x flow.Batch) flow.Batch { return r.Model.ConditionOf(x, r.Config.Seed) }

// ToldBy returns what the model is told of n points by the images of a file or folder,
// in turn: of super-resolution images at low resolution, or at full size, which are
// then made small; else images at full size. Labels it cannot tell.
func (r *Run) ToldBy(file string, n int) (t Told, err error) {
	c := r.Model.Conditioner()
	if c == nil {
		return t, ErrNoCondition
	}
	shapes := [][]int{r.Data.Image()}
	if low := c.LowShape(); low != nil {
		shapes = [][]int{low, r.Data.Image()}
	}
	x, which, err := data.ReadImages(file, n, shapes...)
	if err != nil {
		return t, err
	}
	x = inTurn(x, n)
	if which == len(shapes)-1 {
		return Told{Cond: r.ConditionOf(x), Original: x}, nil
	}
	t.Cond = flow.NewBatch(x.N, c.Dim())
	c.Enlarge(t.Cond, x)
	return t, nil
}

// ErrNoCondition is returned when a condition is given to a run without one.
var ErrNoCondition = errors.New("run: this run was trained without a condition")

// Keep puts the pixels that are known into samples x, images in data units; only
// inpainting knows some.
func (r *Run) Keep(x flow.Batch, t Told) {
	if c := r.Model.Conditioner(); c != nil {
		c.Keep(x, t.Cond)
	}
	if h := t.Hold; h != nil {
		for i, known := range h.Known {
			if known {
				x.X[i] = h.X.X[i]
			}
		}
	}
}

// DrawTold draws images beside what the model was told: the condition, the sample and,
// where it is known, the original, one after the other.
func (r *Run) DrawTold(w io.Writer, x flow.Batch, t Told) error {
	parts := []flow.Batch{{}, x}
	if t.Hold != nil {
		parts[0] = t.Hold.X
	} else {
		parts[0] = r.Model.Conditioner().Shown(t.Cond)
	}
	if t.Original.N > 0 {
		parts = append(parts, t.Original)
	}
	all := flow.NewBatch(x.N*len(parts), x.D)
	for i := range all.N {
		copy(all.Row(i), parts[i%len(parts)].Row(i/len(parts)))
	}
	across := math.Ceil(math.Sqrt(float64(all.N)) / float64(len(parts)))
	return plot.ImageGrid(w, all, r.Data.Shape, plot.ImageOptions{Cols: int(across) * len(parts)})
}

// Restoration compares samples with the very images that their conditions were made
// of, pixel by pixel, and so the condition itself: of superres the image enlarged by
// cubic convolution, of inpaint the image with the value 0 of model units where it is
// missing. Of inpaint only what is missing counts in PSNR.
//
// A sample is one of the images that go with a condition, where a regression gives
// their mean. Drawn from the very distribution of them it has twice the mean square
// error of that mean, 3 dB less.
type Restoration struct {
	Images    int      `json:"images"`
	PSNR      float64  `json:"psnr"`           // in decibels, of pixels in [-1, 1]
	InputPSNR float64  `json:"input_psnr"`     // of the condition
	SSIM      *float64 `json:"ssim,omitempty"` // of images of at least 11x11
	InputSSIM *float64 `json:"input_ssim,omitempty"`
	// Consistency, of superres, is the PSNR of the samples made small again beside the
	// small images that they were made of: high where a sample keeps to what it was told.
	Consistency *float64 `json:"consistency,omitempty"`
}

// equalPSNR stands for the infinite PSNR of equal images, and bounds all others.
const equalPSNR = 100

// ssimSide is the least side of an image that has a structural similarity.
const ssimSide = 11

// restoration compares samples x of the images given their conditions; all but the
// conditions in data units.
func (r *Run) restoration(x, original, cond flow.Batch) (*Restoration, error) {
	c := r.Model.Conditioner()
	res := &Restoration{Images: x.N}
	image := r.Data.Image()
	if c.LowShape() != nil {
		v, err := meanPSNR(c.Shrink(clipped(x)), c.Shrink(original), nil)
		if err != nil {
			return nil, err
		}
		res.Consistency = &v
	}
	known := make([][]bool, x.N)
	for i := range known {
		known[i] = c.Known(cond.Row(i))
	}
	for _, m := range []struct {
		x    flow.Batch
		psnr *float64
		ssim **float64
	}{{x, &res.PSNR, &res.SSIM}, {c.Shown(cond), &res.InputPSNR, &res.InputSSIM}} {
		got := clipped(m.x)
		v, err := meanPSNR(got, original, known)
		if err != nil {
			return nil, err
		}
		*m.psnr = v
		if min(image[0], image[1]) < ssimSide {
			continue
		}
		similar, err := metrics.SSIM(got, original, metrics.ImageShape{Height: image[0], Width: image[1], Channels: image[2]}, 2)
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
