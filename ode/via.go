package ode

import (
	"context"
	"fmt"
	"slices"
)

// SolveVia is [Solver.SolveAt] that lands on every time instead of interpolating:
// the steps end there, so the values are as exact as the method, and a gradient can
// go back from them ([Solver.Adjoint], [Tape.BackpropVia]). Times that are close
// together make short steps.
//
// [Adaptive] goes on from one time to the next with the length that it has found.
// [Fixed] is the number of steps between each two neighbours, not of all. A [Grid]
// must hold every time.
func (s Solver) SolveVia(ctx context.Context, f Func, x []float64, ts []float64,
	out func(i int, x []float64) error) (Stats, error) {
	return s.via(ctx, f, x, len(x), ts, nil, func(r *run, i int) error { return out(i, r.x) })
}

// checkTimes reports what keeps s from solving from the first of ts by way of the others
// to the last, with the Stats of a solve that has not begun.
func (s Solver) checkTimes(f Func, ts []float64) (Stats, error) {
	if len(ts) == 0 {
		return Stats{}, fmt.Errorf("ode: %w: a solve via times needs at least one", ErrInvalid)
	}
	st := Stats{LastT: ts[0]}
	if i := notMonotone(ts); i > 0 {
		return st, fmt.Errorf("ode: %w: the times must be strictly monotone, but ts[%d]=%g comes after %g",
			ErrInvalid, i, ts[i], ts[i-1])
	}
	return st, s.check(f, ts[0], ts[len(ts)-1])
}

// via solves from each time to the next, calls arrive at each, the first included,
// and hook before each accepted step. f must not read x beyond x[:lead].
func (s Solver) via(ctx context.Context, f Func, x []float64, lead int, ts []float64, hook func(*run, float64) error,
	arrive func(r *run, i int) error) (Stats, error) {
	if st, err := s.checkTimes(f, ts); err != nil {
		return st, err
	}
	r := newRun(s, f, x, ts[0], ts[len(ts)-1])
	r.lead = lead
	if !finite(x) {
		return r.st, r.fail(ErrNonFinite, 0, "the initial state holds a NaN or an Inf")
	}
	r.observe(0)
	var ctl stepper
	for i, t := range ts {
		if i > 0 {
			var err error
			r.t0, r.t1 = ts[i-1], t
			if ctl, err = leg(s.Control, r, ctl); err != nil {
				return r.st, err
			}
			if err := r.finish(ctx, ctl, hook); err != nil {
				return r.st, err
			}
		}
		if err := arrive(r, i); err != nil {
			return r.st, fmt.Errorf("ode: out failed at t=%g: %w", t, err)
		}
	}
	return r.st, nil
}

// leg returns the stepper from r.t0 to r.t1, a part of a solve; before is that of
// the part before, nil for the first.
func leg(c Control, r *run, before stepper) (stepper, error) {
	switch c := c.(type) {
	case Adaptive:
		if before != nil {
			return before, nil
		}
	case Grid:
		i, j := slices.Index(c, r.t0), slices.Index(c, r.t1)
		if i < 0 || j < 0 {
			return nil, fmt.Errorf("ode: %w: the Grid %s must hold every time of the solve, also t=%g and t=%g",
				ErrInvalid, ends(c), r.t0, r.t1)
		}
		part := c[min(i, j) : max(i, j)+1]
		if i > j { // back through the grid of the forward solve
			part = slices.Clone(part)
			slices.Reverse(part)
		}
		return part.start(r)
	}
	return c.start(r)
}
