package ode

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// spirals are points [n, 2] that turn at a rate of their own, ever faster in time, and
// swing the harder the further out they are.
func spirals(n int) (x []float64, f PointsFunc, one func(i int) Func) {
	rhs := func(i int, dx []float64, t float64, x []float64) {
		w := float64(i) * (1 + t)
		dx[0], dx[1] = math.Sin(x[1])-w*x[1], w*x[0]
	}
	f = func(rows []int, ts []float64) (func(dx, x []float64) error, error) {
		return func(dx, x []float64) error {
			for j, i := range rows {
				rhs(i, dx[2*j:2*j+2], ts[j], x[2*j:2*j+2])
			}
			return nil
		}, nil
	}
	for i := range n {
		x = append(x, 1+float64(i)/7, -0.5)
	}
	return x, f, func(i int) Func {
		return func(dx []float64, t float64, x []float64) error { rhs(i, dx, t, x); return nil }
	}
}

func TestAPointIsSolvedForAsIfItWereAlone(t *testing.T) {
	const n = 40
	for _, m := range adaptiveMethods() {
		for _, ends := range [][2]float64{{0, 1}, {1, 0.2}, {0.3, 0.3}} {
			a := Adaptive{RTol: 1e-6, ATol: 1e-6, MaxStep: 0.3}
			x, f, one := spirals(n)
			want, dearest := slices.Clone(x), Stats{LastT: ends[1]}
			for i := range n {
				st, err := Solver{Method: m, Control: a}.Solve(t.Context(), one(i), want[2*i:2*i+2], ends[0], ends[1])
				if err != nil {
					t.Fatal(err)
				}
				dearest = dearest.Max(st)
			}
			a.Each = true
			st, err := Solver{Method: m, Control: a}.SolvePoints(t.Context(), f, x, 2, ends[0], ends[1])
			if err != nil || !slices.Equal(x, want) || st != dearest {
				t.Errorf("%s over %v: %v, cost %+v, want %+v; equal points: %v", m.Name, ends, err, st, dearest,
					slices.Equal(x, want))
			}
		}
	}
}

func TestPointsThatHaveArrivedCostNothing(t *testing.T) {
	x, f, _ := spirals(64)
	points, calls := 0, 0
	counted := func(rows []int, ts []float64) (func(dx, x []float64) error, error) {
		rhs, err := f(rows, ts)
		return func(dx, x []float64) error { points += len(rows); calls++; return rhs(dx, x) }, err
	}
	s := Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-6, ATol: 1e-6, Each: true}}
	st, err := s.SolvePoints(t.Context(), counted, x, 2, 0, 1)
	// The points need half of what the hardest of them does, the mean of 0 to 63; leaving
	// them out only once that halves the rows wastes a third of it.
	if err != nil || calls != st.NFE || points > 7*64*st.NFE/10 {
		t.Errorf("%v: %d points in %d calls of f, the hardest point took %d", err, points, calls, st.NFE)
	}
}

func TestAPointThatFailsDoesNotKeepTheOthersFromArriving(t *testing.T) {
	x, f, _ := spirals(20)
	want := slices.Clone(x)
	s := Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-6, ATol: 1e-6, Each: true}}
	if _, err := s.SolvePoints(t.Context(), f, want, 2, 0, 1); err != nil {
		t.Fatal(err)
	}
	singular := func(rows []int, ts []float64) (func(dx, x []float64) error, error) {
		rhs, err := f(rows, ts)
		return func(dx, x []float64) error {
			if err := rhs(dx, x); err != nil {
				return err
			}
			for j, i := range rows {
				if i == 7 && ts[j] > 0.5 {
					dx[2*j] = math.NaN()
				}
			}
			return nil
		}, err
	}
	x[2*11] = math.Inf(1)
	_, err := s.SolvePoints(t.Context(), singular, x, 2, 0, 1)
	var failed *PointsError
	if !errors.As(err, &failed) || !slices.Equal(failed.Points, []int{11, 7}) || !errors.Is(err, ErrNonFinite) ||
		!strings.Contains(err.Error(), "point 11: ") || !strings.Contains(err.Error(), "1 points more") {
		t.Fatalf("got %v", err)
	}
	for i := range 20 {
		if same := slices.Equal(x[2*i:2*i+2], want[2*i:2*i+2]); same == (i == 7 || i == 11) {
			t.Errorf("point %d is where it would be without a failure: %v", i, same)
		}
	}
	s.MaxNFE = 100
	x, f, _ = spirals(20)
	_, err = s.SolvePoints(t.Context(), f, x, 2, 0, 1)
	if !errors.Is(err, ErrMaxNFE) || !errors.As(err, &failed) || slices.Contains(failed.Points, 1) {
		t.Errorf("a budget of 100 evaluations: %v", err)
	}
}

func TestASolveOfPointsEndsWithItsContextAndWithF(t *testing.T) {
	s := Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-6, ATol: 1e-6, Each: true}}
	ctx, cancel := context.WithCancel(t.Context())
	x, f, _ := spirals(20)
	s.Observe = func(q Step) {
		if q.Stats.Accepted == 3 {
			cancel()
		}
	}
	if st, err := s.SolvePoints(ctx, f, x, 2, 0, 1); !errors.Is(err, context.Canceled) || st.Accepted < 3 {
		t.Errorf("%v, %+v", err, st)
	}
	wrong := errors.New("wrong")
	for _, f := range []PointsFunc{
		func([]int, []float64) (func(dx, x []float64) error, error) { return nil, wrong },
		func([]int, []float64) (func(dx, x []float64) error, error) {
			return func(dx, x []float64) error { return wrong }, nil
		},
	} {
		if _, err := s.SolvePoints(t.Context(), f, []float64{1}, 1, 0, 1); !errors.Is(err, wrong) {
			t.Errorf("got %v", err)
		}
	}
}

func TestWhatIsSeenOfPointsRisesToTheEnd(t *testing.T) {
	x, f, _ := spirals(20)
	s := Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-6, ATol: 1e-6, Each: true}}
	var ts []float64
	var last Stats
	s.Observe = func(q Step) { ts, last = append(ts, q.T), q.Stats }
	st, err := s.SolvePoints(t.Context(), f, x, 2, 1, 0.5)
	slices.Reverse(ts)
	if err != nil || !slices.IsSorted(ts) || ts[0] != 0.5 || ts[len(ts)-1] != 1 || last != st {
		t.Errorf("%v: times %v, %+v and %+v", err, ts, last, st)
	}
}

func TestPointsAndOneStateAreToldApart(t *testing.T) {
	x, f, one := spirals(1)
	each := Adaptive{RTol: 1e-6, ATol: 1e-6, Each: true}
	for name, solve := range map[string]func() (Stats, error){
		"one state": func() (Stats, error) {
			return Solver{Method: Dopri5, Control: each}.Solve(t.Context(), one(0), x, 0, 1)
		},
		"fixed": func() (Stats, error) {
			return Solver{Method: Dopri5, Control: Fixed(3)}.SolvePoints(t.Context(), f, x, 2, 0, 1)
		},
		"not each": func() (Stats, error) {
			return Solver{Method: Dopri5, Control: Adaptive{RTol: 1, ATol: 1}}.SolvePoints(t.Context(), f, x, 2, 0, 1)
		},
		"euler": func() (Stats, error) {
			return Solver{Method: Euler, Control: each}.SolvePoints(t.Context(), f, x, 2, 0, 1)
		},
		"no f": func() (Stats, error) {
			return Solver{Method: Dopri5, Control: each}.SolvePoints(t.Context(), nil, x, 2, 0, 1)
		},
		"dimensions": func() (Stats, error) {
			return Solver{Method: Dopri5, Control: each}.SolvePoints(t.Context(), f, x, 3, 0, 1)
		},
	} {
		if _, err := solve(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	st, err := Solver{Method: Dopri5, Control: each}.SolvePoints(t.Context(), f, nil, 2, 0, 1)
	if err != nil || st.NFE != 0 {
		t.Errorf("no points: %v, %+v", err, st)
	}
}

func ExampleSolver_SolvePoints() {
	// Two points that decay at their own rate: each takes the steps that it needs.
	rates := []float64{1, 50}
	f := func(rows []int, ts []float64) (func(dx, x []float64) error, error) {
		return func(dx, x []float64) error {
			for j, i := range rows {
				dx[j] = -rates[i] * x[j]
			}
			return nil
		}, nil
	}
	x := []float64{1, 1}
	s := Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-8, ATol: 1e-8, Each: true}}
	if _, err := s.SolvePoints(context.Background(), f, x, 1, 0, 0.1); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.6f %.6f\n", x[0], x[1])
	// Output: 0.904837 0.006738
}

// TestStatesOfPointsAreThoseOfEachAlone: at times between, and where they arrive.
func TestStatesOfPointsAreThoseOfEachAlone(t *testing.T) {
	const n = 40
	for _, m := range adaptiveMethods() {
		for _, ts := range [][]float64{{0, 0.01, 0.3, 0.31, 1}, {1, 0.5, 0.2}, {0.3}} {
			a := Adaptive{RTol: 1e-6, ATol: 1e-6, MaxStep: 0.3}
			x, f, one := spirals(n)
			want, ends := make([][]float64, len(ts)), slices.Clone(x)
			for k := range want {
				want[k] = make([]float64, len(x))
			}
			for i := range n {
				_, err := Solver{Method: m, Control: a}.SolveAt(t.Context(), one(i), ends[2*i:2*i+2], ts,
					func(k int, x []float64) error {
						copy(want[k][2*i:], x)
						return nil
					})
				if err != nil {
					t.Fatal(err)
				}
			}
			a.Each = true
			var got [][]float64
			_, err := Solver{Method: m, Control: a}.SolvePointsAt(t.Context(), f, x, 2, ts,
				func(k int, x []float64) error {
					if k != len(got) {
						t.Errorf("%s: state %d comes after %d", m.Name, k, len(got))
					}
					got = append(got, x)
					return nil
				})
			if err != nil || !slices.Equal(x, ends) || !slices.EqualFunc(got, want, slices.Equal) {
				t.Errorf("%s at %v: %v, other ends or states", m.Name, ts, err)
			}
		}
	}
}

// TestStatesOfAPointThatFailsAreNone: those before its end are there, and all of the others.
func TestStatesOfAPointThatFailsAreNone(t *testing.T) {
	x := []float64{1, 1}
	f := func(rows []int, _ []float64) (func(dx, x []float64) error, error) {
		return func(dx, x []float64) error {
			for j, i := range rows {
				dx[j] = float64(i) * 2 * x[j] * x[j] // x = 1/(1 - 2t) of point 1
			}
			return nil
		}, nil
	}
	s := Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-6, ATol: 1e-6, Each: true}}
	var got [][]float64
	_, err := s.SolvePointsAt(t.Context(), f, x, 1, []float64{0, 0.25, 0.75, 1}, func(_ int, x []float64) error {
		got = append(got, x)
		return nil
	})
	if some := (*PointsError)(nil); !errors.As(err, &some) || !slices.Equal(some.Points, []int{1}) {
		t.Fatalf("%v, want point 1 to fail", err)
	}
	if len(got) != 4 || math.Abs(got[1][1]-2) > 1e-4 || !math.IsNaN(got[2][1]) || !math.IsNaN(got[3][1]) ||
		got[3][0] != 1 {
		t.Errorf("states %v", got)
	}
}
