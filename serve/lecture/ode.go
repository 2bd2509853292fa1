package lecture

import (
	"context"
	"math"

	"flowmatch/internal/seed"
	"flowmatch/ode"
	"flowmatch/path"
)

// odeAnswer is the flow of a field by Euler's method, by a solver with step control, and as it is. States
// are those of all points at a time, one time after another.
type odeAnswer struct {
	N       int    `json:"n"` // points
	Exact   solved `json:"exact"`
	Euler   solved `json:"euler"`
	Control solved `json:"control"`
}

// solved is a solve: its times, the states there, its cost, and how far its last state is from the exact
// one (root mean square over the points).
type solved struct {
	Times  numbers `json:"times"`
	States numbers `json:"states"`
	NFE    int     `json:"nfe"`
	Error  float64 `json:"error"`
}

// turn is a turn around the origin in a unit of time: its flow keeps every distance.
func turn(dx []float64, _ float64, x []float64) error {
	for k := 0; k < len(x); k += 2 {
		dx[k], dx[k+1] = -2*math.Pi*x[k+1], 2*math.Pi*x[k]
	}
	return nil
}

// odePane solves dx/dt = v(x): equations 1 and 2.
func odePane(ctx context.Context, q *query) (any, error) {
	name := q.name("field", "flow", "turn")
	steps := q.whole("steps", 8, 1, 64)
	tol := math.Pow(10, -q.number("digits", 3, 1, 8))
	from := q.seed()
	if err := q.ok(); err != nil {
		return nil, err
	}
	const n = 14
	x0 := noise(n, from)
	f := ode.Func(turn)
	if name == "flow" {
		m, err := law("moons")
		if err != nil {
			return nil, err
		}
		u, err := exact(m, path.CondOT{})
		if err != nil {
			return nil, err
		}
		f = u.Velocity
	} else { // points on a few circles, away from the centre
		rng := seed.Rand(from, "lecture/turn", 0)
		for k := range n {
			r, a := 0.6+0.5*float64(k%4), 2*math.Pi*rng.Float64()
			x0.X[2*k], x0.X[2*k+1] = r*math.Cos(a), r*math.Sin(a)
		}
	}
	a := odeAnswer{N: n}
	end := x0.Clone().X
	a.Exact.Times = between(0, 1, 80)
	var err error
	var st ode.Stats
	if a.Exact.States, st, err = states(ctx, fine, f, end, a.Exact.Times); err != nil {
		return nil, err
	}
	a.Exact.NFE = st.NFE
	for _, s := range []struct {
		to      *solved
		method  *ode.Tableau
		control ode.Control
	}{{&a.Euler, ode.Euler, ode.Fixed(steps)}, {&a.Control, ode.Dopri5, ode.Adaptive{RTol: tol, ATol: tol}}} {
		x := x0.Clone().X
		st, err := ode.Solver{Method: s.method, Control: s.control, MaxNFE: 20_000, Observe: func(at ode.Step) {
			s.to.Times, s.to.States = append(s.to.Times, at.T), append(s.to.States, at.X...)
		}}.Solve(ctx, f, x, 0, 1)
		if err != nil {
			return nil, err
		}
		s.to.NFE, s.to.Error = st.NFE, apart(x, end)
	}
	return a, nil
}
