package model

import (
	"context"
	"fmt"
	"slices"

	"flowmatch/flow"
	"flowmatch/ode"
)

// SampleStates is [Model.SampleFrom] by an [ODE] that calls out(k, x) with the states [N, D] of all points,
// in data units, at share shares[k] of the time from noise (0) to data (1), for every k in order. shares
// must rise from 0 to 1. The samples are those of SampleFrom to the bit, where Solver.Control is
// [ode.Fixed] or [ode.Spaced] or has Each; they are solved in one batch. x is the callee's to keep, and
// an error from out ends the solve. What is held cannot be seen on its way.
func (m *Model) SampleStates(ctx context.Context, x0 flow.Batch, o SampleOptions, shares []float64,
	out func(k int, x flow.Batch) error) (Samples, error) {
	var s Samples
	how, err := m.statesOf(x0, o, shares)
	if err != nil {
		return s, err
	}
	x := x0.Clone()
	f, solver, err := how.guided(m, &batch{x: x, given: o.Given})
	if err != nil {
		return s, err
	}
	step := o.Progress
	if step == nil {
		step = func(float64, int) {}
	}
	lo, hi := m.Span()
	ts := make([]float64, len(shares))
	for k, share := range shares {
		ts[k] = lo + share*(hi-lo)
	}
	ts[len(ts)-1] = hi
	s.Stats, err = solveAt(ctx, m.watched(solver, lo, hi, step), f, x, ts, func(k int, state []float64) error {
		return out(k, m.shownState(state, o.Given.Shown))
	})
	s.X0, s.X = x0, m.shownState(x.X, o.Given.Shown)
	return s, err
}

// statesOf returns how the states are solved for, or what keeps them from it.
func (m *Model) statesOf(x0 flow.Batch, o SampleOptions, shares []float64) (how ODE, err error) {
	if err := m.made(); err != nil {
		return how, err
	}
	if err := m.fits("source points", x0); err != nil {
		return how, err
	}
	how, ok := o.Sampler.(ODE)
	switch {
	case !ok || how.Hold != nil:
		return how, fmt.Errorf("%w: states on the way are those of an ODE that holds nothing", ErrSampler)
	case o.N != 0 && o.N != x0.N:
		return how, fmt.Errorf("model: %d samples asked for from %d source points", o.N, x0.N)
	case !RisesToOne(shares):
		return how, fmt.Errorf("model: states at shares %v of the time; they must rise from 0 to 1", shares)
	}
	if err := m.spec.Net.CheckGiven(o.Given, x0.N); err != nil {
		return how, fmt.Errorf("model: %w", err)
	}
	return how, how.check(m, x0.N)
}

// RisesToOne says whether shares of the time are ones that [Model.SampleStates] takes: rising from 0 to 1.
func RisesToOne(shares []float64) bool {
	n := len(shares)
	return n >= 2 && shares[0] == 0 && shares[n-1] == 1 && slices.IsSorted(shares) &&
		len(slices.Compact(slices.Clone(shares))) == n
}

// shownState returns a state in data units, with what is shown of its points.
func (m *Model) shownState(state []float64, shown flow.Batch) flow.Batch {
	x := flow.Batch{N: len(state) / m.Dim(), D: m.Dim(), X: slices.Clone(state)}
	m.fromModelUnits(x, shown)
	return x
}

// solveAt is solve by way of the states at ts, the first and the last of which it begins and ends at.
func solveAt(ctx context.Context, s ode.Solver, f flow.Field, x flow.Batch, ts []float64,
	out func(k int, x []float64) error) (ode.Stats, error) {
	if a, ok := s.Control.(ode.Adaptive); ok && a.Each {
		return s.SolvePointsAt(ctx, pointsOf(f, ts[0]), x.X, x.D, ts, out)
	}
	return s.SolveAt(ctx, f.Velocity, x.X, ts, out)
}
