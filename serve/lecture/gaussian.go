package lecture

import (
	"context"
	"math"

	"flowmatch/flow"
	"flowmatch/path"
)

// gaussianAnswer is one Gaussian path: p_t(x|x_1) = N(x; μ_t, σ_t² I), the flow ψ_t that makes it, and the
// field that moves it.
type gaussianAnswer struct {
	Mu      [2]float64 `json:"mu"` // α_t x_1
	Sigma   float64    `json:"sigma"`
	DSigma  float64    `json:"dsigma"`
	Density picture    `json:"density"`
	Field   arrows     `json:"field"` // u_t(x|x_1) of equation 12
	N       int        `json:"n"`     // points of noise
	Times   numbers    `json:"times"`
	States  numbers    `json:"states"` // ψ_t(x_0) at all times, of which t is the last
	// Gap is the largest difference between d/dt ψ_t(x_0) and u_t at ψ_t(x_0).
	Gap float64 `json:"gap"`
}

// gaussianPane shows equations 10 to 13.
func gaussianPane(_ context.Context, q *query) (any, error) {
	name, least := q.name("path", pathNames...), q.number("sigma_min", leftNoise, 0.02, 0.8)
	if name == "vp" && q.values.Has("sigma_min") {
		q.fail("sigma_min has no effect on vp, whose width ends at 0; leave it out")
	}
	s := schedule(name, least)
	t := clamped(s, q.number("t", 0.5, 0, 1))
	x, y := q.number("x", 2, -window, window), q.number("y", 1, -window, window)
	from := q.seed()
	if err := q.ok(); err != nil {
		return nil, err
	}
	c := s.At(t)
	a := gaussianAnswer{Mu: [2]float64{c.Alpha * x, c.Alpha * y}, Sigma: c.Sigma, DSigma: c.DSigma, N: 22}
	var err error
	a.Density, err = drawDensity(func(logp, at []float64) error {
		off := flow.Batch{N: len(logp), D: 2, X: at}.Clone()
		for k := range off.X {
			off.X[k] -= a.Mu[k%2]
		}
		flow.Gaussian{Std: c.Sigma}.LogProb(logp, off)
		return nil
	})
	if err != nil {
		return nil, err
	}
	a.Field, err = drawArrows(11, func(v, at []float64) error {
		u, points := flow.Batch{N: len(v) / 2, D: 2, X: v}, flow.Batch{N: len(at) / 2, D: 2, X: at}
		return path.ConditionalVelocity(u, c, points, repeated(x, y, points.N))
	})
	if err != nil {
		return nil, err
	}
	x0, x1 := noise(a.N, from), repeated(x, y, a.N)
	lo, _ := s.Domain()
	a.Times = between(lo, t, 40)
	var xt, ut flow.Batch
	if a.States, xt, ut, err = along(s, a.Times, x0, x1); err != nil {
		return nil, err
	}
	v := flow.NewBatch(a.N, 2)
	if err := path.ConditionalVelocity(v, c, xt, x1); err != nil {
		return nil, err
	}
	for k := range v.X {
		a.Gap = max(a.Gap, math.Abs(v.X[k]-ut.X[k]))
	}
	return a, nil
}

// repeated returns n times the same point.
func repeated(x, y float64, n int) flow.Batch {
	b := flow.NewBatch(n, 2)
	for i := range n {
		copy(b.Row(i), []float64{x, y})
	}
	return b
}

// along returns ψ_t(x_0) at all times, one time after another, and the points and their velocities at the
// last.
func along(s path.Scheduler, times []float64, x0, x1 flow.Batch) (states numbers, xt, ut flow.Batch, err error) {
	xt, ut = flow.NewBatch(x0.N, 2), flow.NewBatch(x0.N, 2)
	ts := make([]float64, x0.N)
	for _, t := range times {
		for i := range ts {
			ts[i] = t
		}
		if err := path.Interpolate(xt, ut, s, ts, x0, x1); err != nil {
			return nil, xt, ut, err
		}
		states = append(states, xt.X...)
	}
	return states, xt, ut, nil
}
