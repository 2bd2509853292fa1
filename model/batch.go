package model

import (
	"context"
	"errors"
	"fmt"

	"flowmatch/flow"
	"flowmatch/ode"
)

// Progress is called as a sampling or a likelihood goes on: done is the share of the
// work behind it, rising from 0 to 1, and nfe the evaluations of the network so far,
// of all batches. It is called at the start and after each step of the solver, from
// the goroutine that solves. To stop from there, cancel the context: no further
// evaluation begins.
type Progress func(done float64, nfe int)

// batchNumbers bounds the numbers of a batch of no given size: a state of 8 MB, of
// which a solver of seven stages keeps ten. It is half a million points of the plane
// and a thousand small images, which most solves stay below.
const batchNumbers = 1 << 20

// solved is what came out of a solve, beside the points, which it moved.
type solved struct {
	logp   []float64 // nil: none was asked for
	stats  ode.Stats // of the part that took the most evaluations
	failed ode.PointsError
}

// add adds what came out of the part that begins at point number first.
func (s *solved) add(part solved, first int) {
	s.logp = append(s.logp, part.logp...)
	s.stats = s.stats.Max(part.stats)
	s.failed.Append(part.failed, first)
}

// keep makes the error of a part that it keeps, that of some points, none.
func (s *solved) keep(err error) error {
	some, ok := errors.AsType[*ode.PointsError](err)
	if !ok {
		return err
	}
	s.failed = *some
	return nil
}

// inBatches solves points x in equal parts of at most size, or of batchNumbers, each
// with its own part of given; of a model whose solves are shared each rank solves some of them.
// solve moves the points of its part in place and calls step with the share of the part's time
// that is behind it. The error is that of the part that failed.
func (m *Model) inBatches(
	x flow.Batch, size int, given flow.Given, progress Progress, solve func(b *batch) (solved, error),
) (all solved, err error) {
	if size < 0 {
		return all, fmt.Errorf("model: batches of %d points; it must be at least 1, or 0 to choose", size)
	}
	if err := m.spec.Net.CheckGiven(given, x.N); err != nil {
		return all, fmt.Errorf("model: %w", err)
	}
	if err := m.sameCall(x, given); err != nil {
		return all, err
	}
	size = m.batchOf(x.N, size)
	spent := 0
	var parts []solved
	for from := 0; from < x.N; from += size {
		to := min(from+size, x.N)
		step := func(share float64, nfe int) {
			if progress != nil {
				progress((float64(from)+share*float64(to-from))/float64(x.N), spent+nfe)
			}
		}
		var part solved
		if err == nil && len(parts)%m.ranks.Size() == m.ranks.Rank() {
			part, err = solve(&batch{first: from, x: x.Slice(from, to), given: given.Slice(from, to), step: step})
		}
		spent += part.stats.NFE
		if parts = append(parts, part); err != nil && m.ranks.Size() == 1 {
			break
		}
	}
	err = m.exchange(x, size, parts, err)
	for k, part := range parts {
		all.add(part, k*size)
	}
	return all, err
}

// batchOf returns how many of n points are solved together, of at most size or, where that is 0, of
// batchNumbers.
func (m *Model) batchOf(n, size int) int {
	if size == 0 {
		size = max(1, batchNumbers/m.Dim())
	}
	if parts := (n + size - 1) / size; parts > 0 {
		size = (n + parts - 1) / parts // equal, for an engine compiles for every size
	}
	return size
}

// solve moves points x along f, each with steps of its own where the solver says so.
func solve(ctx context.Context, s ode.Solver, f flow.Field, x flow.Batch, lo, hi float64) (ode.Stats, error) {
	if a, ok := s.Control.(ode.Adaptive); !ok || !a.Each {
		return s.Solve(ctx, f.Velocity, x.X, lo, hi)
	}
	return s.SolvePoints(ctx, pointsOf(f, lo), x.X, x.D, lo, hi)
}

// pointsOf returns f of points at times of their own, in a solve from time lo.
func pointsOf(f flow.Field, lo float64) ode.PointsFunc {
	return func(rows []int, ts []float64) (func(dx, x []float64) error, error) {
		g, err := flow.AtTimes(f, rows, ts)
		return func(dx, x []float64) error { return g.Velocity(dx, lo, x) }, err
	}
}

// watched returns the solver with step called with the share of the time from t0 to t1
// that is behind it. It keeps to the manifold of the model.
func (m *Model) watched(s ode.Solver, t0, t1 float64, step Progress) ode.Solver {
	s = m.onSpace(s)
	observe := s.Observe
	s.Observe = func(q ode.Step) {
		if observe != nil {
			observe(q)
		}
		step((q.T-t0)/(t1-t0), q.Stats.NFE)
	}
	return s
}
