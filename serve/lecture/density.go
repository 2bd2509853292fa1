package lecture

import (
	"context"
	"math"

	"gonum.org/v1/gonum/integrate/quad"

	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/likelihood"
	"flowmatch/ode"
	"flowmatch/path"
)

// densityAnswer is the density at a time, and two checks of it at a point: the change of variables
// (equation 3), and the continuity equation (4) over a box around the point.
type densityAnswer struct {
	Density picture `json:"density"`
	Field   arrows  `json:"field"`
	Box     box     `json:"box"`
	Trace   trace   `json:"trace"`
}

// box is a square, the mass in it, and how fast that changes. What flows out through its edge is the same
// with the other sign.
type box struct {
	Box  [4]float64 `json:"box"`
	Mass float64    `json:"mass"`
	Rate float64    `json:"rate"` // d/dt of the mass, by masses a moment before and after
	Flux float64    `json:"flux"` // ∮ p_t u_t·n
}

// trace is the way of a point back to t = 0, and log p_t there by equation 3 and by its formula.
type trace struct {
	States numbers `json:"states"`
	LogP0  float64 `json:"logp0"`  // of where the point came from
	LogDet float64 `json:"logdet"` // log |det ∂φ_t⁻¹/∂x| = −∫ ∇·u dt
	LogP   float64 `json:"logp"`   // the sum of the two
	Exact  float64 `json:"exact"`  // the mixture's own formula
}

// densityPane carries the density of noise along a flow.
func densityPane(ctx context.Context, q *query) (any, error) {
	m := q.law()
	t := q.number("t", 0.5, 0, 1)
	x, y := q.number("x", 0, -window, window), q.number("y", 0, -window, window)
	half := q.number("half", 0.8, 0.1, 2)
	if err := q.ok(); err != nil {
		return nil, err
	}
	u, err := exact(m, path.CondOT{})
	if err != nil {
		return nil, err
	}
	var a densityAnswer
	a.Density, err = drawDensity(func(logp, x []float64) error { return u.LogProb(logp, t, x) })
	if err != nil {
		return nil, err
	}
	if a.Field, err = drawArrows(13, func(v, x []float64) error { return u.Velocity(v, t, x) }); err != nil {
		return nil, err
	}
	if a.Box, err = balance(u, t, [4]float64{x - half, x + half, y - half, y + half}); err != nil {
		return nil, err
	}
	a.Trace, err = traced(ctx, u, t, x, y)
	return a, err
}

// nodes is how many points of Gauss-Legendre quadrature the side of a box has.
const nodes = 24

// balance returns the mass in a box, its rate and its flux.
func balance(u *field.Mixture, t float64, b [4]float64) (box, error) {
	out := box{Box: b}
	const h = 1e-4
	t0 := min(max(t-h, 0), 1-2*h) // three times within [0, 1], t among them or between them
	var masses [3]float64
	for k := range masses {
		var err error
		if masses[k], err = mass(u, t0+float64(k)*h, b); err != nil {
			return out, err
		}
	}
	// The slope at t of the parabola through the three.
	s := (t - t0) / h
	out.Rate = ((s-1.5)*masses[0] + (2-2*s)*masses[1] + (s-0.5)*masses[2]) / h
	var err error
	if out.Mass, err = mass(u, t, b); err != nil {
		return out, err
	}
	out.Flux, err = flux(u, t, b)
	return out, err
}

// mass returns ∫ p_t over a box.
func mass(u *field.Mixture, t float64, b [4]float64) (float64, error) {
	xs, wx := make([]float64, nodes), make([]float64, nodes)
	ys, wy := make([]float64, nodes), make([]float64, nodes)
	quad.Legendre{}.FixedLocations(xs, wx, b[0], b[1])
	quad.Legendre{}.FixedLocations(ys, wy, b[2], b[3])
	at := flow.NewBatch(nodes*nodes, 2)
	for k := range at.N {
		at.X[2*k], at.X[2*k+1] = xs[k%nodes], ys[k/nodes]
	}
	logp := make([]float64, at.N)
	if err := u.LogProb(logp, t, at.X); err != nil {
		return 0, err
	}
	sum := 0.0
	for k, l := range logp {
		sum += wx[k%nodes] * wy[k/nodes] * math.Exp(l)
	}
	return sum, nil
}

// flux returns ∮ p_t u_t·n around a box: what leaves it in a unit of time.
func flux(u *field.Mixture, t float64, b [4]float64) (float64, error) {
	sum := 0.0
	for side := range 4 {
		across := side / 2 // the coordinate that the normal points along
		at, w := make([]float64, nodes), make([]float64, nodes)
		quad.Legendre{}.FixedLocations(at, w, b[2-2*across], b[3-2*across])
		x := flow.NewBatch(nodes, 2)
		for k := range at {
			x.X[2*k+across], x.X[2*k+1-across] = b[side], at[k]
		}
		v, logp := make([]float64, len(x.X)), make([]float64, nodes)
		if err := u.Velocity(v, t, x.X); err != nil {
			return 0, err
		}
		if err := u.LogProb(logp, t, x.X); err != nil {
			return 0, err
		}
		sign := float64(2*(side%2) - 1) // outwards
		for k := range at {
			sum += sign * w[k] * math.Exp(logp[k]) * v[2*k+across]
		}
	}
	return sum, nil
}

// traced returns the way of a point back to t = 0.
func traced(ctx context.Context, u *field.Mixture, t, x, y float64) (trace, error) {
	var a trace
	exact := make([]float64, 1)
	if err := u.LogProb(exact, t, []float64{x, y}); err != nil {
		return a, err
	}
	a.Exact = exact[0]
	if t == 0 { // nothing is solved
		a.States, a.LogP0, a.LogP = numbers{x, y}, exact[0], exact[0]
		return a, nil
	}
	solver := fine
	solver.Observe = func(s ode.Step) { a.States = append(a.States, s.X[0], s.X[1]) }
	point := flow.Batch{N: 1, D: 2, X: []float64{x, y}}
	logp, x0, _, err := likelihood.Problem{Field: u, Source: flow.Gaussian{}, Hi: t, Solver: solver}.LogProb(ctx, point)
	if err != nil {
		return a, err
	}
	p0 := make([]float64, 1)
	flow.Gaussian{}.LogProb(p0, x0)
	a.LogP, a.LogP0, a.LogDet = logp[0], p0[0], logp[0]-p0[0]
	return a, nil
}
