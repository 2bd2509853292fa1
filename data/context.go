package data

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"flowmatch/flow"
	"flowmatch/internal/absent"
	"flowmatch/internal/seed"
)

// Contexter makes the contexts of points from the points themselves, as an image at
// low resolution is made from the image.
type Contexter interface {
	// Dim returns Dc, the number of values of a context.
	Dim() int
	// Fill writes the contexts of points x [N, D] into context [N, Dc], both in model
	// units. rng drives what is random about them; that of point i is a function of
	// rng and i. A shape that does not fit is an error.
	Fill(context, x flow.Batch, rng *rand.Rand) error
}

// WithContext returns a copy of s whose Train, TrainSet, Val and Test give contexts
// made by c, in the place of contexts that s gives. Train draws what is random about
// those of a batch from (seed, "train/condition", step), the finite parts about that
// of point i from (seed, "data/context", i). Parts that s lacks stay nil.
func (s *Set) WithContext(c Contexter, seed uint64) (*Set, error) {
	switch {
	case s == nil:
		return nil, errors.New("data: WithContext: the set is nil")
	case absent.Is(c):
		return nil, errors.New("data: WithContext: what makes the contexts is nil")
	case c.Dim() < 1:
		return nil, fmt.Errorf("data: WithContext: a context of %d numbers; it must have 1 at least", c.Dim())
	}
	with := *s
	with.Context = c.Dim()
	if with.Train != nil {
		with.Train = contextStream{s.Train, c, seed}
	}
	for _, part := range []*Finite{&with.TrainSet, &with.Val, &with.Test} {
		if *part != nil {
			*part = contextFinite{*part, c, seed}
		}
	}
	return &with, nil
}

// contextStream gives the points of a stream contexts.
type contextStream struct {
	Stream
	c    Contexter
	seed uint64
}

func (s contextStream) Fill(x1 flow.Batch, given flow.Given, step uint64) error {
	// Points and labels are checked by the stream itself.
	if err := checkFill(x1, flow.Given{Context: given.Context}, s.Dim(), false, s.c.Dim()); err != nil {
		return err
	}
	if err := s.Stream.Fill(x1, flow.Given{Label: given.Label}, step); err != nil {
		return err
	}
	if given.Context.N == 0 {
		return nil
	}
	return s.c.Fill(given.Context, x1, seed.Rand(s.seed, "train/condition", step))
}

// contextFinite gives the points of a finite set contexts.
type contextFinite struct {
	Finite
	c    Contexter
	seed uint64
}

func (f contextFinite) Context() int { return f.c.Dim() }

func (f contextFinite) Read(x flow.Batch, given flow.Given, index []int, rng *rand.Rand) error {
	// Points, labels and index are checked by the set itself.
	if err := checkFill(x, flow.Given{Context: given.Context}, f.Dim(), false, f.c.Dim()); err != nil {
		return err
	}
	if err := f.Finite.Read(x, flow.Given{Label: given.Label}, index, rng); err != nil {
		return err
	}
	for k := range given.Context.N {
		at := seed.Rand(f.seed, "data/context", uint64(index[k]))
		if err := f.c.Fill(given.Context.Slice(k, k+1), x.Slice(k, k+1), at); err != nil {
			return err
		}
	}
	return nil
}
