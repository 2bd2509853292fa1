package sde

import (
	"context"
	"math"

	"flowmatch/flow"
	"flowmatch/path"
)

// Width returns how wide the steps make Gaussian data about 0 of the Scale, as a share of what
// they are: 1 of exact steps. It is far from 1 where the steps are too few; one step of [DDIM]
// comes to the mean of all data, which is 0. Other data need more steps than these. The error is
// that of Sample.
func (s Sampler) Width(sched path.Scheduler, p path.Prediction) (float64, error) {
	data := path.Precondition{Data: s.Scale}
	f := data.Gaussian(sched, p, 1)
	if err := s.check(f, sched, p, flow.Batch{D: 1}); err != nil {
		return 0, err
	}
	// A step is affine, x' = a x + b z: it takes x = 1 without noise to a, and 0 with z = 1 to b.
	r := &run{Sampler: s, ctx: context.Background(), field: f, path: sched, pred: p,
		noise: func(z []float64, _ int) { z[0], z[1] = 0, 1 },
		x:     make([]float64, 2), f: make([]float64, 2), y: make([]float64, 2), z: make([]float64, 2)}
	wide := func(t float64) float64 { return 1 / data.At(sched.At(t), p).In }
	lo, hi := s.Span(sched, p)
	times := s.times(sched, lo, hi)
	variance := square(wide(times[0]))
	for k, t := range times[:len(times)-1] {
		r.x[0], r.x[1] = 1, 0
		if err := r.step(t, times[k+1]); err != nil {
			return 0, err
		}
		variance = square(r.x[0])*variance + square(r.x[1])
		r.st.Accepted++
	}
	return math.Sqrt(variance) / wide(hi), nil
}
