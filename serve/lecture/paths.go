package lecture

import (
	"context"
	"math"

	"flowmatch/coupling"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/ode"
	"flowmatch/path"
)

// diffusionAnswer is the same noise, carried by the exact marginal fields of the three paths.
type diffusionAnswer struct {
	N     int                  `json:"n"`
	Times numbers              `json:"times"`
	Data  numbers              `json:"data"` // draws of the data, for comparison
	Paths map[string]travelled `json:"paths"`
}

// travelled is a path: its schedule, where its points are at all times, and what that cost.
type travelled struct {
	Alpha  numbers `json:"alpha"`
	Sigma  numbers `json:"sigma"`
	States numbers `json:"states"`
	NFE    int     `json:"nfe"`
}

// diffusionPane compares VE, VP and OT (section 4.1): equation 8 for each.
func diffusionPane(ctx context.Context, q *query) (any, error) {
	m := q.law()
	from := q.seed()
	if err := q.ok(); err != nil {
		return nil, err
	}
	a := diffusionAnswer{N: 80, Times: between(0, 1, 40), Data: drawn(m, 250, from).X, Paths: map[string]travelled{}}
	for _, name := range pathNames {
		s := schedule(name, 0.01)
		u, err := exact(m, s)
		if err != nil {
			return nil, err
		}
		var p travelled
		ts := make([]float64, len(a.Times))
		for k, t := range a.Times {
			ts[k] = clamped(s, t)
			c := s.At(ts[k])
			p.Alpha, p.Sigma = append(p.Alpha, c.Alpha), append(p.Sigma, c.Sigma)
		}
		x := scaled(noise(a.N, from), path.Source(s).Std).X
		solver := ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-3, ATol: 1e-3}, MaxNFE: 5000}
		var st ode.Stats
		if p.States, st, err = states(ctx, solver, u.Velocity, x, ts); err != nil {
			return nil, err
		}
		p.NFE = st.NFE
		a.Paths[name] = p
	}
	return a, nil
}

// costAnswer is the error of Euler's method by its number of evaluations, along each path.
type costAnswer struct {
	NFE    numbers            `json:"nfe"`
	Errors map[string]numbers `json:"errors"` // root mean square distance from the exact ends
}

// costPane measures what a sample costs along each path.
func costPane(ctx context.Context, q *query) (any, error) {
	m := q.law()
	from := q.seed()
	if err := q.ok(); err != nil {
		return nil, err
	}
	a := costAnswer{Errors: map[string]numbers{}}
	for n := 1; n <= 64; n *= 2 {
		a.NFE = append(a.NFE, float64(n))
	}
	const n = 24
	for _, name := range pathNames {
		s := schedule(name, 0.01)
		u, err := exact(m, s)
		if err != nil {
			return nil, err
		}
		lo, hi := s.Domain()
		x0 := scaled(noise(n, from), path.Source(s).Std)
		end := x0.Clone().X
		reference := ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-5, ATol: 1e-5}, MaxNFE: 20_000}
		if _, err := reference.Solve(ctx, u.Velocity, end, lo, hi); err != nil {
			return nil, err
		}
		for _, steps := range a.NFE {
			x := x0.Clone().X
			euler := ode.Solver{Method: ode.Euler, Control: ode.Fixed(int(steps))}
			if _, err := euler.Solve(ctx, u.Velocity, x, lo, hi); err != nil {
				return nil, err
			}
			a.Errors[name] = append(a.Errors[name], apart(x, end))
		}
	}
	return a, nil
}

// pairsAnswer is noise and data, paired by a coupling, and the conditional paths between them.
type pairsAnswer struct {
	N     int     `json:"n"`
	Noise numbers `json:"noise"` // x_0 of each pair
	Data  numbers `json:"data"`  // x_1 of each pair
	Times numbers `json:"times"`
	// States are ψ_t(x_0) of all pairs at all times.
	States numbers `json:"states"`
	// The mean square of the distance between partners, of this coupling and of the independent one.
	Distance    float64 `json:"distance"`
	Independent float64 `json:"independent"`
}

// pairsPane joins noise and data: equation 14, or VP for comparison.
func pairsPane(_ context.Context, q *query) (any, error) {
	m := q.law()
	how := q.name("coupling", "independent", "ot")
	s := schedule(q.name("path", "ot", "vp"), 0)
	n := q.whole("points", 24, 2, 128)
	from := q.seed()
	if err := q.ok(); err != nil {
		return nil, err
	}
	x0, x1 := noise(n, from), drawn(m, n, from)
	a := pairsAnswer{N: n, Data: x1.X, Independent: meanSquare(x0, x1)}
	var c coupling.Coupling = coupling.Independent{}
	if how == "ot" {
		c = coupling.OT{}
	}
	partner := make([]int, n)
	if err := c.Match(partner, x0, x1, nil, seed.Rand(from, "lecture/pairs", 0)); err != nil {
		return nil, err
	}
	x0 = x0.Rows(partner)
	a.Noise, a.Distance = x0.X, meanSquare(x0, x1)
	a.Times = between(0, 1, 40)
	for k, t := range a.Times {
		a.Times[k] = clamped(s, t)
	}
	var err error
	a.States, _, _, err = along(s, a.Times, x0, x1)
	return a, err
}

// meanSquare is the mean of |x − y|² over the rows.
func meanSquare(x, y flow.Batch) float64 {
	return math.Pow(apart(x.X, y.X), 2)
}
