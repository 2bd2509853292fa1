package ode

import (
	"math"
	"slices"
	"testing"
)

func TestAFinerSolveTellsTheErrorOfASolve(t *testing.T) {
	p := problems()[1]
	for _, s := range []Solver{
		{Method: Dopri5, Control: Adaptive{RTol: 1e-4, ATol: 1e-4}},
		{Method: Bosh3, Control: Adaptive{RTol: 1e-5, ATol: 1e-5}},
		{Method: RK4, Control: Fixed(60)}, {Method: Midpoint, Control: Fixed(200)},
	} {
		x, y := []float64{0, 1}, []float64{0, 1}
		if _, err := s.Solve(t.Context(), p.f, x, 0, 5); err != nil {
			t.Fatal(err)
		}
		s.MaxNFE = 10_000
		f := s.Finer()
		if _, err := f.Solve(t.Context(), p.f, y, 0, 5); err != nil {
			t.Fatal(err)
		}
		want, got := distance(x, p.exact(5)), distance(x, y)
		t.Logf("%v: error %.3g, %v differs by %.3g", s, want, f, got)
		// Three quarters of an error of order 2 at the least.
		if math.Abs(got-want) > 0.3*want || f.MaxNFE != 40_000 {
			t.Errorf("%v: error %.3g, but %v differs by %.3g; MaxNFE %d", s, want, f, got, f.MaxNFE)
		}
	}
}

func TestFinerControls(t *testing.T) {
	a := Adaptive{RTol: 1e-12, ATol: 1e-14, MaxStep: 0.5}
	got, ok := Solver{Control: a}.Finer().Control.(Adaptive)
	if !ok || got.RTol != 1e-13 || got.ATol != 1e-14 || got.MaxStep != 0.5 {
		t.Errorf("%+v became %+v", a, got)
	}
	if got := (Solver{Control: Fixed(3)}).Finer(); got.Control != Fixed(6) || got.MaxNFE != 0 {
		t.Errorf("three steps became %+v", got)
	}
	grid := Grid{1, 0.5, 0}
	if got, _ := (Solver{Control: grid}).Finer().Control.(Grid); !slices.Equal(got, Grid{1, 0.75, 0.5, 0.25, 0}) {
		t.Errorf("%v became %v", grid, got)
	}
	if got := (Solver{}).Finer(); got.Control != nil {
		t.Errorf("no control became %v", got.Control)
	}
}
