package ode

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
)

func TestSolveViaLandsOnEveryTime(t *testing.T) {
	ts := []float64{0, 0.13, 0.5, 0.51, 2}
	s := spiral{complex(-0.3, 1.7)}
	for _, m := range methods() {
		if m.BErr == nil {
			continue
		}
		tol := 1e-8
		if m.Order < 3 {
			tol = 1e-5
		}
		var seen []float64
		solver := Solver{Method: m, Control: Adaptive{RTol: tol, ATol: tol},
			Observe: func(st Step) { seen = append(seen, st.T) }}
		xs := states(t, solver, s.f, []float64{1, 0}, ts)
		for i, ti := range ts {
			r := math.Exp(-0.3 * ti)
			near(t, m.Name, xs[i][0], r*math.Cos(1.7*ti), 100*tol)
			near(t, m.Name, xs[i][1], r*math.Sin(1.7*ti), 100*tol)
			if !slices.Contains(seen, ti) {
				t.Errorf("%s: no step ends at t=%g", m.Name, ti)
			}
		}
	}
}

func TestSolveViaKeepsTheLengthOfItsSteps(t *testing.T) {
	s, n := spiral{complex(-0.3, 1.7)}, 0
	f := func(dx []float64, t float64, x []float64) error { n++; return s.f(dx, t, x) }
	var ts []float64
	for i := range 21 {
		ts = append(ts, float64(i)/10)
	}
	solver := Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-6, ATol: 1e-6}}
	x := []float64{1, 0}
	st, err := solver.SolveVia(context.Background(), f, x, ts, func(int, []float64) error { return nil })
	// One step of 6 evaluations to each time, the first stage, and the choice of the first step.
	if err != nil || st.NFE != n || n > 20*6+2+6 {
		t.Errorf("%d evaluations counted as %d, %v", n, st.NFE, err)
	}
}

func TestTheControlsOfSolveVia(t *testing.T) {
	s := spiral{complex(-0.3, 1.7)}
	for _, c := range []struct {
		name  string
		ctl   Control
		ts    []float64
		steps int
		err   error
	}{
		{"fixed: steps between neighbours", Fixed(3), []float64{0, 1, 2}, 6, nil},
		{"a grid", Grid{0, 0.5, 1, 1.5, 2}, []float64{0, 1, 2}, 4, nil},
		{"a grid, walked back", Grid{0, 0.5, 1, 1.5, 2}, []float64{2, 0.5, 0}, 4, nil},
		{"a grid without a time", Grid{0, 0.5, 1.5, 2}, []float64{0, 1, 2}, 0, ErrInvalid},
		{"one time", Fixed(3), []float64{1}, 0, nil},
		{"no time", Fixed(3), nil, 0, ErrInvalid},
		{"not monotone", Fixed(3), []float64{0, 1, 1}, 0, ErrInvalid},
	} {
		calls := 0
		st, err := Solver{Method: RK4, Control: c.ctl}.SolveVia(context.Background(), s.f, []float64{1, 0}, c.ts,
			func(int, []float64) error { calls++; return nil })
		if !errors.Is(err, c.err) || c.err == nil && (st.Accepted != c.steps || calls != len(c.ts)) {
			t.Errorf("%s: %d steps and %d calls, %v", c.name, st.Accepted, calls, err)
		}
	}
	broken := errors.New("broken")
	if _, err := (Solver{Method: RK4, Control: Fixed(1)}).SolveVia(context.Background(), s.f, []float64{1, 0},
		[]float64{0, 1}, func(i int, _ []float64) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("out fails: got %v", err)
	}
}

func TestBackpropViaNamesWhatDoesNotFit(t *testing.T) {
	s := spiral{1}
	tape, _, err := Solver{Method: RK4, Control: Fixed(1)}.RecordVia(context.Background(), s.f, []float64{1, 0},
		[]float64{0, 1}, func(int, []float64) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, as := range [][][]float64{{nil}, {nil, {1}}} {
		if _, _, err := tape.BackpropVia(context.Background(), s.f, nil, as); !errors.Is(err, ErrInvalid) {
			t.Errorf("as %v: got %v", as, err)
		}
	}
}
