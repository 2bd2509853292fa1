package lecture

import (
	"context"

	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/path"
)

// leftNoise is σ_min of the paths between noise and a few data points: small, and still to be seen.
const leftNoise = 0.12

// marginalAnswer is p_t(x) of some data points, or p_t(x|x_1) of one of them, and draws from it.
type marginalAnswer struct {
	Data    numbers `json:"data"`
	Density picture `json:"density"`
	Draws   numbers `json:"draws"`
	Alpha   float64 `json:"alpha"`
	Sigma   float64 `json:"sigma"`
}

// marginal returns the path to each of a few data points at time t, their marginal field, and p_t.
func marginal(x1 flow.Batch, t float64) (c path.Coef, u *field.Marginal, p picture, err error) {
	s := path.CondOT{SigmaMin: leftNoise}
	if u, err = field.NewMarginal(s, x1, nil); err != nil {
		return c, nil, p, err
	}
	p, err = drawDensity(func(logp, x []float64) error { return u.LogProb(logp, t, x) })
	return s.At(t), u, p, err
}

// marginalPane mixes conditional paths: equation 6.
func marginalPane(_ context.Context, q *query) (any, error) {
	m := q.law()
	points := q.whole("points", 8, 1, 60)
	only := q.whole("only", -1, -1, 59) // the number of the one point that is looked at; -1: all
	t := q.number("t", 0.5, 0, 1)
	from := q.seed()
	if only >= points {
		q.fail("only is %d, and there are points 0 to %d", only, points-1)
	}
	if err := q.ok(); err != nil {
		return nil, err
	}
	x1 := drawn(m, points, from)
	data := x1.X
	if only >= 0 {
		x1 = x1.Slice(only, only+1)
	}
	c, _, p, err := marginal(x1, t)
	if err != nil {
		return nil, err
	}
	a := marginalAnswer{Data: data, Density: p, Alpha: c.Alpha, Sigma: c.Sigma}
	// A draw from p_t: a data point, and a point of its own path.
	x0, rng := noise(160, from), seed.Rand(from, "lecture/which", 0)
	for i := range x0.N {
		to := x1.Row(rng.IntN(x1.N))
		for j, v := range x0.Row(i) {
			a.Draws = append(a.Draws, c.Point(to[j], v))
		}
	}
	return a, nil
}

// fieldsAnswer is u_t(x|x_1) of every data point at one x, their weights, and the marginal field.
type fieldsAnswer struct {
	Data        numbers    `json:"data"`
	Weights     numbers    `json:"weights"`     // p_t(x|x_1) q(x_1) / p_t(x), which sum to 1
	Conditional numbers    `json:"conditional"` // u_t(x|x_1) of each
	Mean        [2]float64 `json:"mean"`        // Σ weight · u_t(x|x_1): equation 8
	Marginal    [2]float64 `json:"marginal"`    // u_t(x) of the library
	Density     picture    `json:"density"`     // p_t
	Field       arrows     `json:"field"`       // u_t
}

// fieldsPane shows that the marginal field is a weighted mean of conditional ones: equations 7 and 8.
func fieldsPane(_ context.Context, q *query) (any, error) {
	m := q.law()
	points := q.whole("points", 5, 1, 12)
	t := q.number("t", 0.5, 0, 1)
	x, y := q.number("x", 0.5, -window, window), q.number("y", 0.5, -window, window)
	from := q.seed()
	if err := q.ok(); err != nil {
		return nil, err
	}
	x1 := drawn(m, points, from)
	c, u, p, err := marginal(x1, t)
	if err != nil {
		return nil, err
	}
	a := fieldsAnswer{Data: x1.X, Density: p}
	if a.Field, err = drawArrows(15, func(v, x []float64) error { return u.Velocity(v, t, x) }); err != nil {
		return nil, err
	}
	if err := u.Velocity(a.Marginal[:], t, []float64{x, y}); err != nil {
		return nil, err
	}
	at := repeated(x, y, points) // the same x beside each data point
	v := flow.NewBatch(points, 2)
	if err := path.ConditionalVelocity(v, c, at, x1); err != nil {
		return nil, err
	}
	a.Conditional, a.Weights = v.X, weights(c, at, x1)
	for i, w := range a.Weights {
		a.Mean[0] += w * v.X[2*i]
		a.Mean[1] += w * v.X[2*i+1]
	}
	return a, nil
}
