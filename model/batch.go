package model

import (
	"fmt"

	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/ode"
)

// Progress is told how far a sampling or a likelihood is: done is the share of the
// work behind it, rising from 0 to 1, and nfe the evaluations of the network so far,
// of all batches. It is called at the start and after each step of the solver, from
// the goroutine that solves. To stop from there, cancel the context: no further
// evaluation begins.
type Progress func(done float64, nfe int)

// batchNumbers bounds the numbers of a batch of no given size: a state of 8 MB, of
// which a solver of seven stages keeps ten. It is half a million points of the plane
// and a thousand small images, which most solves stay below.
const batchNumbers = 1 << 20

// given is what the network is told of points: nil and one for all, or one a point.
type given struct {
	label []int32
	cond  flow.Batch
}

// of returns what is told of points from to to.
func (g given) of(from, to int) given {
	if len(g.label) > 1 {
		g.label = g.label[from:to]
	}
	if g.cond.N > 1 {
		g.cond = g.cond.Slice(from, to)
	}
	return g
}

// inBatches solves n points in equal parts of at most size, or of batchNumbers, each
// told its own part of g; step is to be told the share of a part's time that is
// solved. It returns the Stats of the part that took the most evaluations, and the
// error of the one that failed.
func (m *Model) inBatches(n, size int, g given, tell Progress, solve func(from, to int, told given, step Progress) (ode.Stats, error)) (ode.Stats, error) {
	if size < 0 {
		return ode.Stats{}, fmt.Errorf("model: batches of %d points; it must be at least 1, or 0 to choose", size)
	}
	if len(g.label) > 1 && len(g.label) != n {
		return ode.Stats{}, fmt.Errorf("model: %w: %d labels for %d points", nn.ErrLabels, len(g.label), n)
	}
	if g.cond.N > 1 && g.cond.N != n {
		return ode.Stats{}, fmt.Errorf("model: %w: %d conditions for %d points", nn.ErrCondition, g.cond.N, n)
	}
	if size == 0 {
		size = max(1, batchNumbers/m.Dim())
	}
	if parts := (n + size - 1) / size; parts > 0 {
		size = (n + parts - 1) / parts // equal, for an engine compiles for every size
	}
	var most ode.Stats
	spent := 0
	for from := 0; from < n; from += size {
		to := min(from+size, n)
		st, err := solve(from, to, g.of(from, to), func(share float64, nfe int) {
			if tell != nil {
				tell((float64(from)+share*float64(to-from))/float64(n), spent+nfe)
			}
		})
		if spent += st.NFE; st.NFE >= most.NFE {
			most = st
		}
		if err != nil {
			return most, err
		}
	}
	return most, nil
}

// watched returns the solver with step told the share of the time from t0 to t1 that
// is behind it; every evaluation of the solver is cost evaluations of the network.
func watched(s ode.Solver, t0, t1 float64, cost int, step Progress) ode.Solver {
	observe := s.Observe
	s.Observe = func(q ode.Step) {
		if observe != nil {
			observe(q)
		}
		step((q.T-t0)/(t1-t0), cost*q.Stats.NFE)
	}
	return s
}
