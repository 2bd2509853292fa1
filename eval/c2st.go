package eval

import (
	"context"
	"errors"
	"fmt"

	"flowmatch/classify"
	"flowmatch/flow"
)

// C2ST is how well a classifier tells samples from held-out points, with what they are given
// beside them where the model takes that; see [classify.TwoSample].
type C2ST struct {
	classify.C2ST
	NFE    int      `json:"nfe"`              // of the samples
	Doubts []string `json:"doubts,omitempty"` // why the figure is not to be trusted; empty: it is
}

// The test is made unasked up to so many numbers a point, those that are given included, and
// points: it then takes seconds. Below so few points it cannot be made.
const (
	c2stDim, c2stPoints = 16, 10000
	c2stLeast           = 5
)

// hasC2ST says whether the test is made unasked: of points, not images, as far as it is quick.
func (s Subject) hasC2ST() bool {
	cfg := s.Model.Net().Config()
	n := min(s.Settings.Samples, s.Set.Test.Len())
	if cfg.Context > 0 {
		n = min(n, s.Set.Test.Len()/2)
	}
	return s.isPoints() == nil && s.Model.Dim()+cfg.Classes+cfg.Context <= c2stDim && n >= c2stLeast && n <= c2stPoints
}

// isPoints reports images.
func (s Subject) isPoints() error {
	if s.Model.Spec().Image() != nil || s.Set.Image() != nil {
		return errors.New("eval: a classifier two-sample test is of points, and these are images; compare images by " +
			"features")
	}
	return nil
}

// TwoSample is the classifier two-sample test of Settings.Samples samples against as many
// held-out points, which are its reference. Where the model takes labels or contexts, the
// classifier sees them: a model that pays no heed to them is found out. Samples have the labels of
// the points, and the contexts of as many other points: of a sample and a point with the same
// context one would tell the classifier that the other is not of its kind. Images are an error.
func (s Subject) TwoSample(ctx context.Context) (*C2ST, error) {
	s, err := s.checked()
	if err != nil {
		return nil, err
	}
	sampler, err := s.Settings.Sampler()
	if err != nil {
		return nil, err
	}
	if err := s.isPoints(); err != nil {
		return nil, err
	}
	test, given, prompt, err := s.apart()
	if err != nil {
		return nil, err
	}
	drawn, err := s.draw(ctx, sampler, test.N, prompt)
	if err != nil {
		return nil, fmt.Errorf("samples: %w", err)
	}
	o := classify.C2STOptions{Seed: s.Seed}
	if progress := s.watch("points told apart from samples", test.N); progress != nil {
		o.Progress = func(done float64) { progress(done, drawn.Stats.NFE) }
	}
	classes := s.Model.Net().Config().Classes
	r, err := classify.TwoSample(ctx, s.Model.Net().Engine(), beside(test, given, classes),
		beside(drawn.X, prompt, classes), o)
	return &C2ST{r, drawn.Stats.NFE, few(test.N, "held-out points")}, err
}

// apart returns held-out points, what they are given, and what as many samples are given.
func (s Subject) apart() (test flow.Batch, given, prompt flow.Given, err error) {
	n, contexts := s.Settings.Samples, s.Model.Net().Config().Context > 0
	if contexts {
		n *= 2
	}
	test, given, err = s.TestPoints(n)
	if err != nil || !contexts {
		return test, given, given, err
	}
	if test.N < 2*c2stLeast {
		return test, given, given, fmt.Errorf("eval: a classifier two-sample test of a model with contexts needs %d "+
			"held-out points, and there are %d", 2*c2stLeast, test.N)
	}
	half := test.N / 2
	return test.Slice(0, half), given.Slice(0, half), given.Slice(half, 2*half), nil
}

// beside returns points x with what is given of them in further coordinates: 1 for the class
// of each, else 0, and its context.
func beside(x flow.Batch, given flow.Given, classes int) flow.Batch {
	if given.Label == nil {
		classes = 0
	}
	all := flow.NewBatch(x.N, x.D+classes+given.Context.D)
	for i := range x.N {
		row := all.Row(i)
		copy(row, x.Row(i))
		if classes > 0 && given.Label[i] >= 0 {
			row[x.D+int(given.Label[i])] = 1
		}
		if given.Context.D > 0 {
			copy(row[x.D+classes:], given.Context.Row(i))
		}
	}
	return all
}

// reportC2ST makes the test.
func (s Subject) reportC2ST(ctx context.Context, rep *Report) error {
	c, err := s.TwoSample(ctx)
	if err == nil {
		rep.C2ST = c
	}
	return err
}
