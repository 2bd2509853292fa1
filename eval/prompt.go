package eval

import (
	"errors"
	"fmt"

	"flowmatch/data/image"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/model"
)

// Prompt is what samples are drawn for: what they are given, and where that is images,
// these. Give Given to model.SampleOptions and Hold to model.ODE.
type Prompt struct {
	Given flow.Given // in model units
	// Original are the points that the contexts were made of (or, with Hold, the images
	// to complete), in data units; the zero Batch where they are not known.
	Original flow.Batch
	// Hold are the known pixels of images that a model completes without having been
	// trained to; nil: none.
	Hold *model.Hold
	// Condition is what made the contexts of images; nil: they are none of images.
	Condition *image.Condition
}

// ErrNoCondition is returned when images are given to a model that takes no contexts made
// of images.
var ErrNoCondition = errors.New("eval: the model was trained without a condition: it takes no images")

// Prompt returns what n samples are given: every class in turn or, of a model that takes
// contexts, the labels and contexts of held-out points, in turn, which needs a Set.
func (s Subject) Prompt(n int) (p Prompt, err error) {
	if s, err = s.forPrompt(n); err != nil {
		return p, err
	}
	if cfg := s.Model.Net().Config(); cfg.Context == 0 {
		return Prompt{Given: flow.Given{Label: flow.LabelsInTurn(n, cfg.Classes)}}, nil
	}
	p, err = s.heldOut(n)
	p.Condition = s.Model.Conditioner()
	return p, err
}

// HeldOutPrompt is the Prompt of n samples that are compared with held-out points: the classes,
// too, are those of held-out points in turn, where these have some, and so in their proportions. A
// distance between samples and points of other proportions would be one of these.
func (s Subject) HeldOutPrompt(n int) (p Prompt, err error) {
	if p, err = s.Prompt(n); err != nil || p.Given.Label == nil || p.Given.Context.N > 0 {
		return p, err
	}
	held, err := s.heldOut(n)
	if held.Given.Label != nil {
		p.Given.Label = held.Given.Label
	}
	if errors.Is(err, ErrNoPoints) {
		err = nil
	}
	return p, err
}

// ImagePrompt returns what n samples are given by the images of a file or folder, in turn:
// of super-resolution images at low resolution, or at full size, which are then made
// small; else images at full size. Labels are not among it. It needs no Set, and the error
// is [ErrNoCondition] for a model that takes no images.
func (s Subject) ImagePrompt(file string, n int) (p Prompt, err error) {
	if s, err = s.forPrompt(n); err != nil {
		return p, err
	}
	c := s.Model.Conditioner()
	if c == nil {
		return p, ErrNoCondition
	}
	full := s.Model.Spec().Image()
	shapes := [][]int{full}
	if low := c.LowShape(); low != nil {
		shapes = [][]int{low, full}
	}
	x, which, err := image.ReadFiles(file, n, shapes...)
	if err != nil {
		return p, err
	}
	x = inTurn(x, n)
	if which == len(shapes)-1 {
		context, err := s.Model.ContextOf(x, s.Seed)
		return Prompt{Given: flow.Given{Context: context}, Original: x, Condition: c}, err
	}
	context := flow.NewBatch(x.N, c.Dim())
	if err := c.Enlarge(context, x); err != nil {
		return p, err
	}
	return Prompt{Given: flow.Given{Context: context}, Condition: c}, nil
}

// MaskedPrompt returns what a model that takes no contexts needs to complete n images
// behind a mask, one of image.Masks: those of a file or folder, in turn, without labels,
// or (file "") held-out ones with their labels, which needs a Set.
func (s Subject) MaskedPrompt(file string, n int, mask string) (p Prompt, err error) {
	if s, err = s.forPrompt(n); err != nil {
		return p, err
	}
	shape := s.Model.Spec().Image()
	if shape == nil {
		return p, fmt.Errorf("eval: a mask is for images; the model's points are of shape %v", s.Model.Spec().Shape)
	}
	c, err := image.ConditionConfig{Kind: image.Inpaint, Mask: mask}.New(shape, nil)
	if err != nil {
		return p, err
	}
	if file == "" {
		p, err = s.heldOut(n)
	} else if p.Original, _, err = image.ReadFiles(file, n, shape); err == nil {
		p.Original = inTurn(p.Original, n)
	}
	if err != nil {
		return p, err
	}
	context := flow.NewBatch(n, c.Dim())
	if err := c.Fill(context, p.Original, seed.Rand(s.Seed, "run/mask", 0)); err != nil {
		return p, err
	}
	shown, err := c.Shown(context)
	if err != nil {
		return p, err
	}
	p.Hold = &model.Hold{X: shown}
	for i := range n {
		p.Hold.Known = append(p.Hold.Known, c.Known(context.Row(i))...)
	}
	return p, nil
}

// forPrompt is checked, also of the number of samples.
func (s Subject) forPrompt(n int) (Subject, error) {
	if n < 1 {
		return s, fmt.Errorf("eval: %d samples asked for; it must be at least 1", n)
	}
	return s.checked()
}

// heldOut returns n held-out points and what they are given, in turn.
func (s Subject) heldOut(n int) (p Prompt, err error) {
	test, given, err := s.TestPoints(n)
	if errors.Is(err, ErrNoPoints) {
		return p, fmt.Errorf("%w, to make samples of; give images, or a set with held-out points", err)
	}
	if err != nil {
		return p, err
	}
	p.Original = inTurn(test, n)
	if given.Context.N > 0 {
		p.Given.Context = inTurn(given.Context, n)
	}
	for i := 0; i < n && given.Label != nil; i++ {
		p.Given.Label = append(p.Given.Label, given.Label[i%test.N])
	}
	return p, nil
}

// inTurn returns n points, those of x again and again.
func inTurn(x flow.Batch, n int) flow.Batch {
	out := flow.NewBatch(n, x.D)
	for i := range n {
		copy(out.Row(i), x.Row(i%x.N))
	}
	return out
}

// OfImages says whether images are made from images.
func (p Prompt) OfImages() bool { return p.Condition != nil || p.Hold != nil }

// Shown returns the images that samples are made from, as the prompt shows them, in data
// units: at low resolution enlarged, or with 0 of model units where they are missing. It
// is the zero Batch unless the prompt is OfImages.
func (p Prompt) Shown() flow.Batch {
	switch {
	case p.Hold != nil:
		return p.Hold.X
	case p.Condition != nil:
		if x, err := p.Condition.Shown(p.Given.Context); err == nil {
			return x
		}
	}
	return flow.Batch{}
}

// Keep puts the pixels that the prompt knows into samples x, images in data units: those
// behind no mask. Samples that are not as many as the prompt's stay as they are; of another
// size they are an error.
func (p Prompt) Keep(x flow.Batch) error {
	if p.Condition != nil && p.Given.Context.N == x.N {
		if err := p.Condition.Keep(x, p.Given.Context); err != nil {
			return err
		}
	}
	if p.Hold == nil || len(p.Hold.Known) != len(x.X) {
		return nil
	}
	for i, known := range p.Hold.Known {
		if known {
			x.X[i] = p.Hold.X.X[i]
		}
	}
	return nil
}
