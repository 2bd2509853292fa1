package ode

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
)

// solveAt returns the states at ts and the cost.
func solveAt(t *testing.T, s Solver, p problem, ts []float64) ([][]float64, Stats) {
	t.Helper()
	x := p.exact(ts[0])
	var got [][]float64
	st, err := s.SolveAt(context.Background(), p.f, x, ts, func(i int, v []float64) error {
		if i != len(got) {
			t.Fatalf("out called with %d, want %d", i, len(got))
		}
		got = append(got, slices.Clone(v))
		return nil
	})
	if err != nil {
		t.Fatalf("%s on %s: %v", s.Method.Name, p.name, err)
	}
	if len(got) != len(ts) || distance(got[len(got)-1], x) != 0 {
		t.Fatalf("%s: %d values for %d times, the last %v, x %v", s.Method.Name, len(got), len(ts), got[len(got)-1], x)
	}
	return got, st
}

func times(t0, t1 float64, n int) []float64 {
	ts := make([]float64, n)
	for i := range ts {
		ts[i] = t0 + (t1-t0)*float64(i)/float64(n-1)
	}
	ts[n-1] = t1
	return ts
}

func TestTheInterpolationErrorFallsWithTheOrderOfTheExtension(t *testing.T) {
	// One step of length h from exact values, seen at θ = 0.3 and 0.7: the local
	// error is O(h^(q+1)), q the lower of DenseOrder and the order of the method.
	for _, m := range methods() {
		q := min(m.DenseOrder, m.Order)
		for _, p := range []problem{problems()[1], problems()[2], problems()[3]} {
			var hs, errs []float64
			h := 0.2
			if m == Dopri8 {
				h = 0.5
			}
			for range 5 {
				h /= math.Sqrt2
				e := 0.0
				for _, t0 := range []float64{0.5, 2, 3.7} { // not all at a zero of the error
					ts := []float64{t0, t0 + 0.3*h, t0 + 0.7*h, t0 + h}
					got, _ := solveAt(t, Solver{Method: m, Control: Fixed(1)}, p, ts)
					e += distance(got[1], p.exact(ts[1])) + distance(got[2], p.exact(ts[2]))
				}
				hs, errs = append(hs, h), append(errs, e)
			}
			got := slope(hs, errs)
			t.Logf("%-8s %-45s slope %.2f, errors %.2g to %.2g", m.Name, p.name, got, errs[0], errs[4])
			if math.Abs(got-float64(q+1)) > 0.5 { // steps this long are not quite asymptotic
				t.Errorf("%s on %s: local error falls as h^%.2f, want h^%d; errors %.2g", m.Name, p.name,
					got, q+1, errs)
			}
		}
	}
}

func TestValuesBetweenAdaptiveStepsAreAsGoodAsTheSteps(t *testing.T) {
	for _, m := range []*Tableau{Dopri5, Tsit5} {
		for _, p := range append(problems(), kepler(0.5, 20)) {
			got, st := solveAt(t, Solver{Method: m, Control: Adaptive{RTol: 1e-7, ATol: 1e-7}}, p,
				times(p.t0, p.t1, 1001))
			worst := 0.0
			for i, tt := range times(p.t0, p.t1, 1001) {
				worst = max(worst, distance(got[i], p.exact(tt)))
			}
			// The steps' own error is around 1e-5 on the orbit. Uncontrolled, the quartic
			// loses up to a factor tol^(−1/5) ≈ 25 against local errors of 1e-7.
			if worst > 1e-4 {
				t.Errorf("%s on %s: worst of 1001 values is off by %.2g, want at most 1e-4; %+v", m.Name,
					p.name, worst, st)
			}
		}
	}
}

func TestSolveAtTakesTheStepsOfSolve(t *testing.T) {
	p := problems()[2]
	for _, m := range methods() {
		for _, c := range []Control{Fixed(20), Adaptive{RTol: 1e-5, ATol: 1e-5}} {
			if _, ok := c.(Adaptive); ok && m.BErr == nil {
				continue
			}
			s := Solver{Method: m, Control: c}
			x := slices.Clone(p.x0)
			want, err := s.Solve(context.Background(), p.f, x, p.t0, p.t1)
			if err != nil {
				t.Fatal(err)
			}
			got, st := solveAt(t, s, p, times(p.t0, p.t1, 333))
			if distance(got[332], x) != 0 {
				t.Errorf("%s %T: SolveAt ends at %v, Solve at %v", m.Name, c, got[332], x)
			}
			more := st.NFE - want.NFE
			if st.NFE = want.NFE; st != want || more < 0 || more > 1 || (more == 1 && m.fsal()) {
				t.Errorf("%s %T: got %+v and %d evaluations more, want %+v and none, or 1 where not FSAL",
					m.Name, c, st, more, want)
			}
		}
	}
}

func TestSolveAtGoesBackward(t *testing.T) {
	p := problems()[2]
	ts := times(p.t0, p.t1, 97)
	slices.Reverse(ts)
	got, _ := solveAt(t, Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-9, ATol: 1e-9}}, p, ts)
	for i, tt := range ts {
		if e := distance(got[i], p.exact(tt)); e > 1e-6 {
			t.Errorf("at t=%g got %v, want %v within 1e-6", tt, got[i], p.exact(tt))
		}
	}
}

func TestSolveAtOnTheGridIsExactAndFree(t *testing.T) {
	p := problems()[1]
	ts := times(0, 1, 11)
	got, st := solveAt(t, Solver{Method: RK4, Control: Grid(ts)}, p, ts)
	if st.NFE != 40 {
		t.Errorf("NFE got %d, want 40: no interpolation was needed", st.NFE)
	}
	i := 0
	s := Solver{Method: RK4, Control: Grid(ts), Observe: func(q Step) {
		if distance(q.X, got[i]) != 0 {
			t.Errorf("at t=%g SolveAt gives %v, Observe %v", q.T, got[i], q.X)
		}
		i++
	}}
	if _, err := s.Solve(context.Background(), p.f, []float64{0, 1}, 0, 1); err != nil {
		t.Fatal(err)
	}
}

func TestSolveAtRefusesTimesOutOfOrderAndPassesOnErrors(t *testing.T) {
	p := problems()[1]
	s := Solver{Method: Dopri5, Control: Fixed(4)}
	nothing := func(int, []float64) error { return nil }
	for _, ts := range [][]float64{nil, {0, 1, 1}, {0, 2, 1}, {1, 0.5, 0.7, 0}, {0, math.NaN(), 1}, {math.NaN()}} {
		if _, err := s.SolveAt(context.Background(), p.f, []float64{0, 1}, ts, nothing); !errors.Is(err, ErrInvalid) {
			t.Errorf("times %v: got %v, want ErrInvalid", ts, err)
		}
	}
	full := errors.New("disk full")
	_, err := s.SolveAt(context.Background(), p.f, []float64{0, 1}, []float64{0, 0.6, 1},
		func(i int, _ []float64) error {
			if i == 1 {
				return full
			}
			return nil
		})
	if !errors.Is(err, full) {
		t.Errorf("got %v, want the error of out", err)
	}
	n := 0
	if _, err := s.SolveAt(context.Background(), p.f, []float64{0, 1}, []float64{0.5},
		func(int, []float64) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("a single time: %d values, %v", n, err)
	}
}
