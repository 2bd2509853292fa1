package ode

import (
	"context"
	"fmt"
	"math"
)

// SolvePointsAt is [Solver.SolvePoints] from ts[0] to ts[len-1] that calls out(i, x) with the states
// [N, d] of all points at ts[i], for every i in order, ts[0] included. Steps, and where the points
// arrive, are those of SolvePoints, to the bit; states between the ends of steps are those of
// [Solver.SolveAt]. ts must be strictly monotone. The slice given to out is the callee's to keep. An
// error from out ends the solve. The states of a point that cannot go on are NaN from then on.
func (s Solver) SolvePointsAt(ctx context.Context, f PointsFunc, x []float64, d int, ts []float64,
	out func(i int, x []float64) error) (Stats, error) {
	never := Func(func([]float64, float64, []float64) error { return nil })
	if st, err := s.checkTimes(never, ts); err != nil {
		return st, err
	}
	p, err := s.points(ctx, f, x, d, ts[0], ts[len(ts)-1])
	if err != nil {
		return Stats{LastT: ts[0]}, err
	}
	p.seen = newFrames(ts, x, d, out)
	if err := p.solve(); err != nil {
		return p.dearest(), err
	}
	return p.dearest(), p.failed.Err()
}

// frames are the states at some times of points under way.
type frames struct {
	ts     []float64
	states [][]float64 // at ts, [N, d] each; NaN of points that are not there yet
	next   []int       // of each point the first time that it has not passed
	told   int         // how many states were given out
	out    func(i int, x []float64) error
}

func newFrames(ts, x []float64, d int, out func(i int, x []float64) error) *frames {
	f := &frames{ts: ts, next: make([]int, len(x)/d), out: out}
	for range ts {
		state := make([]float64, len(x))
		for i := range state {
			state[i] = math.NaN()
		}
		f.states = append(f.states, state)
	}
	copy(f.states[0], x)
	for i := range f.next {
		f.next[i] = 1
	}
	return f
}

// passes says whether point i comes by a time with a step to tNext.
func (f *frames) passes(i int, dir, tNext float64) bool {
	return f != nil && f.next[i] < len(f.ts) && dir*(tNext-f.ts[f.next[i]]) >= 0
}

// ends computes f at the ends of steps that pass a time, where the method does not know it.
func (p *points) ends() error {
	if p.seen == nil || p.r.fsal {
		return nil
	}
	p.r.haveEnd = true // of all those that interpolate looks at
	return p.evaluate(p.r.m.Stages(), func(i int) (float64, []float64, bool) {
		return p.at[i].tNext, p.r.y, p.seen.passes(i, p.r.dir, p.at[i].tNext)
	})
}

// keep writes the states of point i, which is loaded, at the times that its step to tNext passes.
func (p *points) keep(i int, tNext float64) error {
	for ; p.seen.passes(i, p.r.dir, tNext); p.seen.next[i]++ {
		k := p.seen.next[i]
		to := p.row(p.seen.states[k], i)
		if p.seen.ts[k] == tNext {
			copy(to, p.r.y)
		} else if err := p.r.interpolate(to, p.seen.ts[k], tNext); err != nil {
			return err
		}
	}
	return nil
}

// tell gives out the states of times that every point under way has passed.
func (p *points) tell() error {
	if p.seen == nil {
		return nil
	}
	passed := len(p.seen.ts)
	for j, i := range p.rows {
		if p.on[j] {
			passed = min(passed, p.seen.next[i])
		}
	}
	for ; p.seen.told < passed; p.seen.told++ {
		k := p.seen.told
		if err := p.seen.out(k, p.seen.states[k]); err != nil {
			return fmt.Errorf("ode: out failed at t=%g: %w", p.seen.ts[k], err)
		}
		p.seen.states[k] = nil
	}
	return nil
}
