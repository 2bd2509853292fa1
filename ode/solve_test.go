package ode

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// problem is an initial value problem with its solution.
type problem struct {
	name   string
	f      Func
	x0     []float64
	t0, t1 float64
	exact  func(t float64) []float64
}

// problems are of different kinds; DETEST names the classes of Hull, Enright,
// Fellen and Sedgwick (SIAM J. Numer. Anal. 9, 1972).
func problems() []problem {
	return []problem{
		{"a nonlinear scalar: logistic growth, DETEST A4", func(dx []float64, _ float64, x []float64) error {
			dx[0] = x[0] / 4 * (1 - x[0]/20)
			return nil
		}, []float64{1}, 0, 20, func(t float64) []float64 { return []float64{20 / (1 + 19*math.Exp(-t/4))} }},
		{"a harmonic oscillator", func(dx []float64, _ float64, x []float64) error {
			dx[0], dx[1] = x[1], -x[0]
			return nil
		}, []float64{0, 1}, 0, 20, func(t float64) []float64 { return []float64{math.Sin(t), math.Cos(t)} }},
		{"a nonautonomous scalar, DETEST A3", func(dx []float64, t float64, x []float64) error {
			dx[0] = x[0] * math.Cos(t)
			return nil
		}, []float64{1}, 0, 20, func(t float64) []float64 { return []float64{math.Exp(math.Sin(t))} }},
		{"an oscillator with a limit cycle", func(dx []float64, _ float64, x []float64) error {
			r2 := x[0]*x[0] + x[1]*x[1]
			dx[0], dx[1] = x[0]*(1-r2)-2*x[1], x[1]*(1-r2)+2*x[0]
			return nil
		}, []float64{0.5, 0}, 0, 5, func(t float64) []float64 {
			r := 1 / math.Sqrt(1+3*math.Exp(-2*t))
			return []float64{r * math.Cos(2*t), r * math.Sin(2*t)}
		}},
		{"a nonlinear decay, DETEST A2", func(dx []float64, _ float64, x []float64) error {
			dx[0] = -x[0] * x[0] * x[0] / 2
			return nil
		}, []float64{1}, 0, 5, func(t float64) []float64 { return []float64{1 / math.Sqrt(t+1)} }},
	}
}

// kepler is the two-body problem of eccentricity ecc, DETEST class D: the position
// and velocity on the ellipse, exact by Kepler's equation.
func kepler(ecc, t1 float64) problem {
	name := fmt.Sprintf("the orbit of eccentricity %g, DETEST D", ecc)
	return problem{name, func(dx []float64, _ float64, x []float64) error {
		r := math.Hypot(x[0], x[1])
		dx[0], dx[1], dx[2], dx[3] = x[2], x[3], -x[0]/(r*r*r), -x[1]/(r*r*r)
		return nil
	}, []float64{1 - ecc, 0, 0, math.Sqrt((1 + ecc) / (1 - ecc))}, 0, t1, func(t float64) []float64 {
		u := t // eccentric anomaly: u − ecc·sin u = t, by Newton
		for range 50 {
			u -= (u - ecc*math.Sin(u) - t) / (1 - ecc*math.Cos(u))
		}
		s, c := math.Sincos(u)
		b := math.Sqrt(1 - ecc*ecc)
		return []float64{c - ecc, b * s, -s / (1 - ecc*c), b * c / (1 - ecc*c)}
	}}
}

func distance(x, y []float64) float64 {
	d := 0.0
	for i := range x {
		d = max(d, math.Abs(x[i]-y[i]))
	}
	return d
}

// solveProblem returns the largest error at t1 and the cost.
func solveProblem(t *testing.T, s Solver, p problem) (float64, Stats) {
	t.Helper()
	x := append([]float64(nil), p.x0...)
	st, err := s.Solve(context.Background(), p.f, x, p.t0, p.t1)
	if err != nil {
		t.Fatalf("%s with %s: %v", p.name, s.Method.Name, err)
	}
	return distance(x, p.exact(p.t1)), st
}

// slope is the least-squares slope of log err against log h.
func slope(h, err []float64) float64 {
	var sx, sy, sxx, sxy float64
	for i := range h {
		x, y := math.Log(h[i]), math.Log(err[i])
		sx, sy, sxx, sxy = sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	n := float64(len(h))
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}

// trajectoryError is the root mean square over the steps' ends of the largest error:
// unlike the error at t1 alone, it does not pass through zero as the step varies.
func trajectoryError(t *testing.T, s Solver, p problem) float64 {
	t.Helper()
	sum, n := 0.0, 0
	s.Observe = func(q Step) {
		e := distance(q.X, p.exact(q.T))
		sum, n = sum+e*e, n+1
	}
	if _, err := s.Solve(context.Background(), p.f, append([]float64(nil), p.x0...), p.t0, p.t1); err != nil {
		t.Fatalf("%s with %s: %v", p.name, s.Method.Name, err)
	}
	return math.Sqrt(sum / float64(n))
}

func TestTheGlobalErrorOfEveryMethodFallsWithItsOrder(t *testing.T) {
	// Steps at the coarse end, per problem: enough to be in the asymptotic range, few
	// enough that the error stays above 1e-14, where rounding counts. 0: float64 does
	// not reach the asymptotic range (a higher-order term of the error still rules).
	from := map[string][4]int{ // logistic, oscillator, A3, limit cycle
		"euler": {512, 4096, 4096, 1024}, "midpoint": {512, 512, 512, 512}, "heun2": {512, 512, 512, 512},
		"bosh3": {512, 512, 512, 512}, "rk4": {512, 512, 512, 512},
		"dopri5": {256, 256, 256, 0}, "tsit5": {64, 512, 512, 0}, "dopri8": {8, 0, 64, 24},
	}
	for _, m := range methods() {
		for i, p := range problems()[:4] {
			if from[m.Name][i] == 0 {
				continue
			}
			var hs, errs []float64
			for j := range 5 {
				n := int(float64(from[m.Name][i]) * math.Pow(2, float64(j)/4))
				hs = append(hs, (p.t1-p.t0)/float64(n))
				errs = append(errs, trajectoryError(t, Solver{Method: m, Control: Fixed(n)}, p))
			}
			got := slope(hs, errs)
			t.Logf("%-8s %-45s slope %.3f, errors %.2g to %.2g", m.Name, p.name, got, errs[0], errs[4])
			if math.Abs(got-float64(m.Order)) > 0.25 {
				t.Errorf("%s on %s: slope got %.3f, want %d within 0.25; errors %.3g", m.Name, p.name, got,
					m.Order, errs)
			}
		}
	}
}

func TestBackwardIsForwardInTheReversedSystem(t *testing.T) {
	for _, m := range methods() {
		for _, p := range problems() {
			mid := (p.t0 + p.t1) / 2 // not further: in reverse some of them run away
			reversed := func(dx []float64, u float64, x []float64) error {
				err := p.f(dx, p.t1-u, x)
				for i := range dx {
					dx[i] = -dx[i]
				}
				return err
			}
			x, y := p.exact(p.t1), p.exact(p.t1)
			s := Solver{Method: m, Control: Fixed(2048)}
			if _, err := s.Solve(context.Background(), p.f, x, p.t1, mid); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Solve(context.Background(), reversed, y, 0, p.t1-mid); err != nil {
				t.Fatal(err)
			}
			// the same numbers but for the rounding of t, 2048 times, amplified by up to e^5
			if e := distance(x, y); e > 1e-9 {
				t.Errorf("%s on %s: backward gives %v, the reversed system %v, want equal within 1e-9",
					m.Name, p.name, x, y)
			}
			// errors of order p in h = T/4096 as measured by the test of the order, amplified
			if e := distance(x, p.exact(mid)); m.Order >= 3 && e > 1e-4 {
				t.Errorf("%s on %s: got x(%g)=%v, want %v within 1e-4", m.Name, p.name, mid, x, p.exact(mid))
			}
		}
	}
}

func TestForwardThenBackwardReturnsAdaptively(t *testing.T) {
	for _, p := range append(problems(), kepler(0.5, 6)) {
		s := Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-10, ATol: 1e-10}}
		x := append([]float64(nil), p.x0...)
		if _, err := s.Solve(context.Background(), p.f, x, p.t0, p.t1); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Solve(context.Background(), p.f, x, p.t1, p.t0); err != nil {
			t.Fatal(err)
		}
		// local errors of 1e-10 over about a hundred steps, amplified by up to e^10 on
		// the way back (the limit cycle)
		if e := distance(x, p.x0); e > 1e-5 {
			t.Errorf("%s: got %v after there and back, want %v within 1e-5 (off by %.2g)", p.name, x, p.x0, e)
		}
	}
}

func TestStepsEndExactlyOnT1WithoutDrift(t *testing.T) {
	one := func(dx []float64, _ float64, _ []float64) error { dx[0] = 1; return nil }
	for _, c := range []struct {
		t0, t1 float64
		n      int
	}{{0, 1, 3}, {0, 1, 49}, {0, 1, 100000}, {1, 0, 7}, {0.1, 0.7, 11}, {1 - 1e-5, 1e-5, 97}} {
		last, n := math.NaN(), 0
		x := []float64{c.t0}
		s := Solver{Method: Euler, Control: Fixed(c.n), Observe: func(p Step) { last, n = p.T, n+1 }}
		st, err := s.Solve(context.Background(), one, x, c.t0, c.t1)
		if err != nil || last != c.t1 || st.LastT != c.t1 || st.Accepted != c.n || n != c.n+1 {
			t.Errorf("Fixed(%d) from %g to %g: ended at %.17g after %d steps (%v)", c.n, c.t0, c.t1, last,
				st.Accepted, err)
		}
		// n additions of h, each rounded to within an ulp of 1
		if tol := float64(c.n) * 2.3e-16; math.Abs(x[0]-c.t1) > tol {
			t.Errorf("Fixed(%d): x' = 1 gives %.17g, want %g within %.1g", c.n, x[0], c.t1, tol)
		}
	}
}

func TestFIsNeverAskedOutsideTheInterval(t *testing.T) {
	for _, m := range methods() {
		for i := range 200 { // backward to a small lo, t + (lo − t) falls below lo for some
			lo, hi := 1e-5*float64(i+1), 1-1e-5*float64(i+1)
			controls := []Control{Fixed(i%7 + 1), Grid{hi, 0.9, 0.4, lo}}
			if m.BErr != nil {
				controls = append(controls, Adaptive{RTol: 1e-3, ATol: 1e-3})
			}
			f := func(dx []float64, tt float64, x []float64) error {
				if tt < lo || tt > hi {
					return fmt.Errorf("asked at t=%.17g", tt)
				}
				dx[0] = math.Cos(9*tt) * x[0]
				return nil
			}
			for _, c := range controls {
				s := Solver{Method: m, Control: c}
				if _, err := s.Solve(context.Background(), f, []float64{1}, hi, lo); err != nil {
					t.Fatalf("%s, %T from %.17g to %.17g: %v", m.Name, c, hi, lo, err)
				}
			}
		}
	}
}

func TestNFECountsEveryCall(t *testing.T) {
	p := problems()[2]
	for _, m := range methods() {
		for _, c := range []Control{Fixed(10), Adaptive{RTol: 1e-5, ATol: 1e-5},
			Adaptive{RTol: 1e-5, ATol: 1e-5, InitialStep: 2}} {
			a, adaptive := c.(Adaptive)
			if adaptive && m.BErr == nil {
				continue
			}
			calls := 0
			f := func(dx []float64, tt float64, x []float64) error { calls++; return p.f(dx, tt, x) }
			st, err := (Solver{Method: m, Control: c}).Solve(context.Background(), f, []float64{1}, p.t0, p.t1)
			if err != nil || st.NFE != calls {
				t.Errorf("%s, %T: NFE got %d, want %d calls (%v)", m.Name, c, st.NFE, calls, err)
			}
			// By the tableau: the first stage once per accepted step (once in all if
			// FSAL), the others once per tried step, one for the choice of the first step.
			want := (st.Accepted + st.Rejected) * (m.Stages() - 1)
			if m.fsal() {
				want++
			} else {
				want += st.Accepted
			}
			if adaptive && a.InitialStep == 0 {
				want++
			}
			if calls != want {
				t.Errorf("%s, %T: %d calls in %d+%d steps, want %d", m.Name, c, calls, st.Accepted, st.Rejected, want)
			}
		}
	}
}

// A budget of evaluations that is ignored, so that the solve takes one step or never
// ends, is what users of other libraries report most.
func TestFixedTakesExactlyTheStepsAskedFor(t *testing.T) {
	for _, m := range methods() {
		for _, n := range []int{1, 2, 50} {
			_, st := solveProblem(t, Solver{Method: m, Control: Fixed(n)}, problems()[1])
			if st.Accepted != n || st.Rejected != 0 {
				t.Errorf("%s Fixed(%d): got %d steps and %d rejected", m.Name, n, st.Accepted, st.Rejected)
			}
		}
	}
}

func TestAGridIsFollowedStepByStep(t *testing.T) {
	grid := Grid{1, 0.75, 0.7, 0.1, 0}
	var got []float64
	s := Solver{Method: RK4, Control: grid, Observe: func(p Step) { got = append(got, p.T) }}
	p := problems()[1]
	if _, err := s.Solve(context.Background(), p.f, []float64{0, 1}, 1, 0); err != nil {
		t.Fatal(err)
	}
	for i, want := range grid {
		if i >= len(got) || got[i] != want {
			t.Fatalf("times of the steps: got %v, want %v", got, grid)
		}
	}
	// and equal grids are equal steps
	x, y := []float64{0, 1}, []float64{0, 1}
	uniform := Grid{0, 0.25, 0.5, 0.75, 1}
	if _, err := (Solver{Method: RK4, Control: uniform}).Solve(context.Background(), p.f, x, 0, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := (Solver{Method: RK4, Control: Fixed(4)}).Solve(context.Background(), p.f, y, 0, 1); err != nil {
		t.Fatal(err)
	}
	if distance(x, y) != 0 {
		t.Errorf("a uniform Grid gives %v, Fixed %v", x, y)
	}
}

func TestEqualTimesDoNothing(t *testing.T) {
	f := func(dx []float64, _ float64, _ []float64) error { return errors.New("called") }
	for _, c := range []Control{Fixed(3), Grid{0.5, 0.5}, Adaptive{RTol: 1e-3, ATol: 1e-3}} {
		x := []float64{1, 2}
		st, err := (Solver{Method: Dopri5, Control: c}).Solve(context.Background(), f, x, 0.5, 0.5)
		if err != nil || st != (Stats{LastT: 0.5}) || x[0] != 1 || x[1] != 2 {
			t.Errorf("%T: got x=%v stats=%+v err=%v, want nothing done", c, x, st, err)
		}
	}
}

func TestAnEmptyStateIsSolved(t *testing.T) {
	f := func(dx []float64, _ float64, _ []float64) error { return nil }
	for _, c := range []Control{Fixed(3), Adaptive{RTol: 1e-3, ATol: 1e-3}} {
		if st, err := (Solver{Method: Tsit5, Control: c}).
			Solve(context.Background(), f, nil, 0, 1); err != nil || st.LastT != 1 {
			t.Errorf("%T: got %+v, %v", c, st, err)
		}
	}
}

func TestInvalidSolversSayWhatIsWrongAndCallNothing(t *testing.T) {
	called := false
	f := func(dx []float64, _ float64, _ []float64) error { called = true; return nil }
	ok := Adaptive{RTol: 1e-5, ATol: 1e-5}
	with := func(change func(*Adaptive)) Adaptive { a := ok; change(&a); return a }
	for _, c := range []struct {
		name  string
		s     Solver
		words []string
	}{
		{"no method", Solver{Control: Fixed(1)}, []string{"Method"}},
		{"no control", Solver{Method: Euler}, []string{"Control"}},
		{"no steps", Solver{Method: Euler, Control: Fixed(0)}, []string{"Fixed(0)", "at least 1"}},
		{"minus two steps", Solver{Method: Euler, Control: Fixed(-2)}, []string{"Fixed(-2)"}},
		{"a negative budget", Solver{Method: Euler, Control: Fixed(1), MaxNFE: -1}, []string{"MaxNFE"}},
		{"no tolerance", Solver{Method: Dopri5, Control: Adaptive{}}, []string{"RTol", "ATol", "no default"}},
		{"no absolute tolerance", Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-5}}, []string{"ATol=0"}},
		{"a NaN tolerance", Solver{Method: Dopri5, Control: Adaptive{RTol: math.NaN(), ATol: 1}}, []string{"RTol=NaN"}},
		{"rk4 adaptively", Solver{Method: RK4, Control: ok}, []string{"rk4", "no error estimate",
			"heun2, bosh3, dopri5, tsit5, dopri8"}},
		{"a safety of 1", Solver{Method: Dopri5, Control: with(func(a *Adaptive) { a.Safety = 1 })},
			[]string{"Safety"}},
		{"a factor that never shrinks", Solver{Method: Dopri5, Control: with(func(a *Adaptive) { a.MinFactor = 1 })},
			[]string{"MinFactor"}},
		{"a factor that never grows", Solver{Method: Dopri5, Control: with(func(a *Adaptive) { a.MaxFactor = 0.5 })},
			[]string{"MaxFactor"}},
		{"a negative first step", Solver{Method: Dopri5, Control: with(func(a *Adaptive) { a.InitialStep = -1 })},
			[]string{"InitialStep"}},
		{"crossed bounds of the step", Solver{Method: Dopri5,
			Control: with(func(a *Adaptive) { a.MinStep, a.MaxStep = 1, 0.5 })}, []string{"MaxStep"}},
		{"no integral gain", Solver{Method: Dopri5, Control: with(func(a *Adaptive) { a.P = 0.5 })},
			[]string{"Adaptive.I"}},
		{"an empty grid", Solver{Method: Euler, Control: Grid{}}, []string{"empty"}},
		{"a grid that begins late", Solver{Method: Euler, Control: Grid{0.1, 1}}, []string{"0.1", "t0=0"}},
		{"a grid that ends early", Solver{Method: Euler, Control: Grid{0, 0.9}}, []string{"0.9", "t1=1"}},
		{"a grid that stands still", Solver{Method: Euler, Control: Grid{0, 0.5, 0.5, 1}},
			[]string{"Grid[2]", "monotone"}},
		{"a grid that turns", Solver{Method: Euler, Control: Grid{0, 0.5, 0.4, 1}}, []string{"Grid[2]"}},
	} {
		_, err := c.s.Solve(context.Background(), f, []float64{1}, 0, 1)
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got error %v, want ErrInvalid", c.name, err)
			continue
		}
		for _, w := range c.words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: the error %q does not say %q", c.name, err, w)
			}
		}
	}
	if _, err := (Solver{Method: Euler, Control: Fixed(1)}).
		Solve(context.Background(), f, []float64{1}, 0, math.Inf(1)); !errors.Is(err, ErrInvalid) {
		t.Errorf("an infinite interval: got %v", err)
	}
	if called {
		t.Error("f was called by an invalid solver")
	}
}

func TestTheStepLoopAllocatesNothing(t *testing.T) {
	p := problems()[1]
	for _, c := range []struct {
		name       string
		few, many  Control
		m          *Tableau
		fewT, endT float64
	}{
		{"fixed rk4", Fixed(10), Fixed(1000), RK4, 1, 1},
		{"fixed dopri8", Fixed(10), Fixed(1000), Dopri8, 1, 1},
		{"adaptive dopri5", Adaptive{RTol: 1e-6, ATol: 1e-6}, Adaptive{RTol: 1e-6, ATol: 1e-6}, Dopri5, 1, 500},
	} {
		x := make([]float64, 2)
		ctx := context.Background()
		count := func(ctl Control, t1 float64) float64 {
			s := Solver{Method: c.m, Control: ctl, Observe: func(Step) {}}
			return testing.AllocsPerRun(5, func() {
				x[0], x[1] = 0, 1
				if _, err := s.Solve(ctx, p.f, x, 0, t1); err != nil {
					t.Fatal(err)
				}
			})
		}
		if few, many := count(c.few, c.fewT), count(c.many, c.endT); few != many {
			t.Errorf("%s: %g allocations in a short solve, %g in a long one, want the same", c.name, few, many)
		}
	}
}
