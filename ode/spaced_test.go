package ode

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/timegrid"
)

// stepEnds returns the ends of the steps of a solve of x' = 0.
func stepEnds(t *testing.T, s Solver, t0, t1 float64) (ts []float64) {
	t.Helper()
	s.Observe = func(q Step) { ts = append(ts, q.T) }
	_, err := s.Solve(t.Context(), func(dx []float64, _ float64, _ []float64) error { clear(dx); return nil },
		[]float64{0}, t0, t1)
	if err != nil {
		t.Fatal(err)
	}
	return ts
}

func TestSpacedStepsEndAtTheirShares(t *testing.T) {
	s := Solver{Method: Heun2, Control: Spaced{Shares: []float64{0, 0.5, 0.75, 1}}}
	if got, want := stepEnds(t, s, 1, 5), []float64{1, 3, 4, 5}; !slices.Equal(got, want) {
		t.Errorf("times %v, want %v", got, want)
	}
	if got, want := stepEnds(t, s, 5, 1), []float64{5, 4, 3, 1}; !slices.Equal(got, want) {
		t.Errorf("backward times %v, want %v", got, want)
	}
	want := []float64{0, 0.25, 0.5, 0.625, 0.75, 0.875, 1}
	if got := stepEnds(t, s.Finer(), 0, 1); !slices.Equal(got, want) {
		t.Errorf("finer times %v, want %v", got, want)
	}
}

func TestEqualSharesAreFixedStepsToTheBit(t *testing.T) {
	const n = 7
	shares := make([]float64, n+1)
	for i := range shares {
		shares[i] = float64(i) / n
	}
	f := func(dx []float64, t float64, x []float64) error { dx[0] = math.Sin(3*t) - x[0]; return nil }
	var ends [2]float64
	for i, c := range []Control{Fixed(n), Spaced{Shares: shares}} {
		x := []float64{1}
		if _, err := (Solver{Method: RK4, Control: c}).Solve(t.Context(), f, x, 0.1, 0.9); err != nil {
			t.Fatal(err)
		}
		ends[i] = x[0]
	}
	if ends[0] != ends[1] {
		t.Errorf("%v of equal steps, %v of equal shares", ends[0], ends[1])
	}
}

func TestSharesThatDoNotRiseAreRefused(t *testing.T) {
	for _, shares := range [][]float64{nil, {0}, {0, 0.5}, {0.1, 1}, {0, 0.5, 0.5, 1}, {0, 0.7, 0.6, 1},
		{0, math.NaN(), 1}} {
		s := Solver{Method: Euler, Control: Spaced{Shares: shares}}
		_, err := s.Solve(t.Context(), func([]float64, float64, []float64) error { return nil }, []float64{0}, 0, 1)
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("shares %v: %v", shares, err)
		}
	}
}

func TestATimeGridMakesTheStepsOfASolver(t *testing.T) {
	for _, c := range []struct {
		c    Config
		want string // of the solver
		n    int
	}{
		{Config{Solver: "euler", TimeGrid: &timegrid.Config{Shift: new(3.0)}}, "euler 100 steps shift=3", 100},
		{Config{Solver: "heun2", Steps: 4, TimeGrid: &timegrid.Config{Spacing: "karras"}}, "heun2 4 steps karras", 4},
		{Config{Steps: 5, TimeGrid: &timegrid.Config{Shift: new(2.0)}}, "dopri5 5 steps shift=2", 5},
		{Config{TimeGrid: &timegrid.Config{Times: []float64{0, 0.3, 1}}}, "dopri5 2 steps times=0,0.3,1", 2},
		{Config{Solver: "euler", Steps: 4, TimeGrid: &timegrid.Config{}}, "euler 4 steps", 4},
	} {
		s, err := c.c.New()
		if err != nil {
			t.Fatal(err)
		}
		if got := stepEnds(t, s, 0, 1); s.String() != c.want || len(got) != c.n+1 {
			t.Errorf("%s of %d times; want %s", s, len(got), c.want)
		}
	}
}

func TestATimeGridWithoutEffectIsRefused(t *testing.T) {
	shift, times := &timegrid.Config{Shift: new(3.0)}, &timegrid.Config{Times: []float64{0, 0.3, 1}}
	for _, c := range []struct {
		c    Config
		want string
	}{
		{Config{TimeGrid: shift}, "time_grid: dopri5 chooses its steps by the tolerances"},
		{Config{Solver: "euler", Steps: 1, TimeGrid: shift}, "time_grid: one step goes from noise to data"},
		{Config{Solver: "euler", Steps: 3, TimeGrid: times}, "time_grid: steps is 3, and the time grid has 2"},
		{Config{Solver: "euler", TimeGrid: &timegrid.Config{Spacing: "x"}}, "time_grid: unknown spacing"},
		{Config{Solver: "heun2", TimeGrid: times, MaxNFE: 3}, "max_nfe is 3"},
	} {
		if err := c.c.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v; want %q", c.c, err, c.want)
		}
	}
	if why := (Config{Solver: "dopri5", TimeGrid: times}).WithoutTolerance(); !strings.Contains(why, "time grid") {
		t.Errorf("tolerances beside a time grid: %q", why)
	}
}

func TestCostIsWhatEvaluationsCount(t *testing.T) {
	twice := func(t float64) int {
		if t < 0.5 {
			return 2
		}
		return 1
	}
	f := func(dx []float64, _ float64, _ []float64) error { dx[0] = 1; return nil }
	s := Solver{Method: Euler, Control: Fixed(10), Cost: twice}
	st, err := s.Solve(t.Context(), f, []float64{0}, 0, 1)
	if err != nil || st.NFE != 15 {
		t.Errorf("NFE %d, %v; want 15", st.NFE, err)
	}
	s.MaxNFE = 14
	if st, err := s.Solve(t.Context(), f, []float64{0}, 0, 1); !errors.Is(err, ErrMaxNFE) || st.NFE > 14 {
		t.Errorf("NFE %d, %v; want %v", st.NFE, err, ErrMaxNFE)
	}
	// Of points with steps of their own each has the cost of its own times.
	count := 0
	each := Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-6, ATol: 1e-6, Each: true},
		Cost: func(t float64) int { count += twice(t); return twice(t) }}
	points := func(_ []int, ts []float64) (func(dx, x []float64) error, error) {
		return func(dx, x []float64) error {
			for i := range dx {
				dx[i] = math.Cos(20*ts[i]) - x[i]
			}
			return nil
		}, nil
	}
	if st, err = each.SolvePoints(t.Context(), points, []float64{1}, 1, 0, 1); err != nil || st.NFE != count {
		t.Errorf("NFE %d, %v; want %d", st.NFE, err, count)
	}
}
