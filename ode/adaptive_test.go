package ode

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
)

func adaptiveMethods() []*Tableau { return []*Tableau{Heun2, Bosh3, Dopri5, Tsit5, Dopri8} }

func TestTheAdaptiveErrorIsProportionalToTheTolerance(t *testing.T) {
	for _, m := range adaptiveMethods() {
		for _, p := range append(problems(), kepler(0.3, 20)) {
			var tols, errs []float64
			for tol := 1e-4; tol > 3e-9; tol /= 10 {
				if m == Heun2 && tol < 5e-8 {
					break // order 2 would need 10⁵ steps and more
				}
				e := trajectoryError(t, Solver{Method: m, Control: Adaptive{RTol: tol, ATol: tol}}, p)
				tols, errs = append(tols, tol), append(errs, e)
			}
			got := slope(tols, errs)
			t.Logf("%-8s %-45s slope %.2f, error/tol %.2g to %.2g", m.Name, p.name, got,
				errs[0]/tols[0], errs[len(errs)-1]/tols[len(tols)-1])
			// Local extrapolation and a step control per step, not per unit of time,
			// make the error fall as tol^(p/(p̂+1)) = tol^1 for all these pairs.
			// (Dopri8 needs so few steps that whole numbers of them show: 0.68.)
			if got < 0.65 || got > 1.35 {
				t.Errorf("%s on %s: error falls as tol^%.2f, want tol^1; errors %.2g", m.Name, p.name, got, errs)
			}
		}
	}
}

func TestAdaptiveOrbitsAgreeWithKepler(t *testing.T) {
	for _, m := range []*Tableau{Dopri5, Tsit5, Dopri8} {
		for _, ecc := range []float64{0.1, 0.5, 0.9} { // DETEST D1, D3, D5
			p := kepler(ecc, 20)
			e, st := solveProblem(t, Solver{Method: m, Control: Adaptive{RTol: 1e-9, ATol: 1e-9}}, p)
			// local 1e-9 per step, some hundred steps, stretched by 1/(1−e)² in the worst place
			if tol := 1e-9 * float64(st.Accepted) / ((1 - ecc) * (1 - ecc)); e > tol {
				t.Errorf("%s on %s: error %.2g, want at most %.2g; %+v", m.Name, p.name, e, tol, st)
			}
		}
	}
}

// pulse is a pulse of width 1/500 in a field that is otherwise still.
func pulse() problem {
	return problem{name: "pulse", x0: []float64{0}, t0: 0, t1: 1, f: func(dx []float64, tt float64, _ []float64) error {
		u := 500 * (tt - 0.5)
		dx[0] = 500 / (1 + u*u)
		return nil
	}, exact: func(tt float64) []float64 { return []float64{math.Atan(500*(tt-0.5)) + math.Atan(250)} }}
}

func TestDopri5RejectsWhereTheFieldTurnsSharplyAndRecovers(t *testing.T) {
	p := pulse()
	for _, a := range []Adaptive{
		{RTol: 1e-7, ATol: 1e-7},
		{RTol: 1e-7, ATol: 1e-7, P: 0.4, I: 0.3},
		{RTol: 1e-7, ATol: 1e-7, P: 0.7, I: 0.4},
		{RTol: 1e-7, ATol: 1e-7, P: 0.1, I: 0.3, D: 0.05},
	} {
		e, st := solveProblem(t, Solver{Method: Dopri5, Control: a}, p)
		if st.Rejected == 0 || e > 1e-5 {
			t.Errorf("P=%g I=%g D=%g: error %.2g (want at most 1e-5) with %d rejected steps (want some) of %d",
				a.P, a.I, a.D, e, st.Rejected, st.Accepted+st.Rejected)
		}
	}
}

func TestAProportionalGainSmoothsTheStepAtTheStabilityBound(t *testing.T) {
	// x' = −1000 (x − cos t) is mildly stiff: the step sits at the stability bound,
	// where the elementary control keeps overshooting it (HNW II, IV.2).
	f := func(dx []float64, tt float64, x []float64) error {
		dx[0] = -1000 * (x[0] - math.Cos(tt))
		return nil
	}
	run := func(p, i float64) Stats {
		s := Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-4, ATol: 1e-4, P: p, I: i}}
		st, err := s.Solve(context.Background(), f, []float64{1}, 0, 5)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	i, pi := run(0, 1), run(0.4, 0.3)
	t.Logf("I: %+v; PI: %+v", i, pi)
	if pi.Rejected*2 >= i.Rejected {
		t.Errorf("PI control rejected %d steps, the elementary one %d; want less than half", pi.Rejected, i.Rejected)
	}
}

func TestTheStepAfterARejectionDoesNotGrow(t *testing.T) {
	p := pulse()
	var last Step
	seen := 0
	s := Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-7, ATol: 1e-7}, Observe: func(q Step) {
		after := last.Stats.Rejected > seen // the last step came after a rejection,
		seen = last.Stats.Rejected
		if after && q.Stats.Rejected == last.Stats.Rejected && q.T != p.t1 && q.H > last.H*(1+1e-12) {
			t.Errorf("at t=%g the step grew from %g to %g just after a rejection", last.T, last.H, q.H)
		}
		last = q
	}}
	if _, st := solveProblem(t, s, p); st.Rejected == 0 {
		t.Fatal("nothing was rejected: the test shows nothing")
	}
}

func TestNoCrumbOfAStepIsLeftAtTheEnd(t *testing.T) {
	still := func(dx []float64, _ float64, _ []float64) error { dx[0] = 1; return nil }
	s := Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-3, ATol: 1e-3, InitialStep: 0.995}}
	if st, err := s.Solve(context.Background(), still, []float64{0}, 0, 1); err != nil || st.Accepted != 1 {
		t.Errorf("got %d steps (%v), want the first step of 0.995 stretched to 1", st.Accepted, err)
	}
}

func TestStepBoundsAreKept(t *testing.T) {
	p := problems()[1]
	var longest, first float64
	s := Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-3, ATol: 1e-3, MaxStep: 0.125, InitialStep: 0.03125},
		Observe: func(q Step) {
			longest = max(longest, math.Abs(q.H))
			if q.Stats.Accepted == 1 {
				first = q.H
			}
		}}
	if _, err := s.Solve(context.Background(), p.f, []float64{0, 1}, 0, 7.03125); err != nil {
		t.Fatal(err)
	}
	// a step is the difference of two times up to 8, which rounds to 1e-15
	if longest > 0.125+2e-15 || first != 0.03125 {
		t.Errorf("longest step %g, first %g; want at most 0.125, and 0.03125", longest, first)
	}
}

func TestAMinStepThatTheErrorForbidsIsAnError(t *testing.T) {
	p := kepler(0.9, 20)
	s := Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-9, ATol: 1e-9, MinStep: 0.05}}
	st, err := s.Solve(context.Background(), p.f, append([]float64(nil), p.x0...), 0, 20)
	if !errors.Is(err, ErrStepTooSmall) || !strings.Contains(err.Error(), "MinStep") || st.LastT >= 20 {
		t.Errorf("got %v at t=%g, want ErrStepTooSmall that names MinStep", err, st.LastT)
	}
}

// torchdiffeq users meet "underflow in dt" and NaN without a place or a remedy.
func TestASingularityEndsInAClearErrorBesideIt(t *testing.T) {
	blowUp := func(dx []float64, _ float64, x []float64) error { dx[0] = x[0] * x[0]; return nil } // 1/(1−t)
	root := func(dx []float64, _ float64, x []float64) error { dx[0] = -1 / math.Sqrt(x[0]); return nil }
	for _, c := range []struct {
		name     string
		f        Func
		x0, at   float64
		sentinel []error
	}{
		{"a blow-up at t=1", blowUp, 1, 1, []error{ErrStepTooSmall, ErrNonFinite}},
		{"a root of a negative number beyond t=2/3", root, 1, 2. / 3, []error{ErrStepTooSmall, ErrNonFinite}},
	} {
		for _, m := range adaptiveMethods() {
			x := []float64{c.x0}
			st, err := Solver{Method: m, Control: Adaptive{RTol: 1e-6, ATol: 1e-6},
				MaxNFE: 2_000_000}.Solve(context.Background(), c.f, x, 0, 2)
			if !errors.Is(err, c.sentinel[0]) && !errors.Is(err, c.sentinel[1]) {
				t.Errorf("%s, %s: got error %v", c.name, m.Name, err)
				continue
			}
			if math.Abs(st.LastT-c.at) > 1e-3 || !finite(x) {
				t.Errorf("%s, %s: stopped at t=%g with x=%v, want beside t=%g and finite", c.name, m.Name,
					st.LastT, x, c.at)
			}
			for _, w := range []string{"t=", "h=", "evaluations", ": "} {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%s: the error %q does not say %q", c.name, err, w)
				}
			}
		}
	}
}

func TestAStepIntoNaNIsRetriedShorter(t *testing.T) {
	// x' = log(3/2 − x) tends to 1/2, but a first step of 6 overshoots 3/2.
	f := func(dx []float64, tt float64, x []float64) error { dx[0] = math.Log(1.5 - x[0]); return nil }
	x := []float64{0.2}
	s := Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-8, ATol: 1e-8, InitialStep: 6}}
	st, err := s.Solve(context.Background(), f, x, 0, 20)
	if err != nil || st.Rejected == 0 || math.Abs(x[0]-0.5) > 1e-6 {
		t.Errorf("got x=%v, %+v, %v; want the equilibrium 0.5 within 1e-6 after some rejections", x, st, err)
	}
}

func TestNaNIsFoundAtOnce(t *testing.T) {
	for _, c := range []Control{Fixed(10), Adaptive{RTol: 1e-5, ATol: 1e-5}} {
		s := Solver{Method: Tsit5, Control: c}
		fine := func(dx []float64, _ float64, x []float64) error { copy(dx, x); return nil }
		nan := []float64{1, math.NaN()}
		if st, err := s.Solve(context.Background(), fine, nan, 0, 1); !errors.Is(err, ErrNonFinite) || st.NFE != 0 {
			t.Errorf("%T, NaN in x: got %v after %d evaluations", c, err, st.NFE)
		}
		bad := func(dx []float64, tt float64, x []float64) error {
			copy(dx, x)
			if tt > 0.5 {
				dx[1] = math.Inf(1)
			}
			return nil
		}
		x := []float64{1, 1}
		st, err := s.Solve(context.Background(), bad, x, 0, 1)
		if !errors.Is(err, ErrNonFinite) || st.LastT > 0.5 || !finite(x) {
			t.Errorf("%T, Inf in f beyond t=0.5: got %v, x=%v at t=%g", c, err, x, st.LastT)
		}
		if want := math.Exp(st.LastT); math.Abs(x[0]-want) > 1e-3 {
			t.Errorf("%T: the partial result is %g at t=%g, want %g", c, x[0], st.LastT, want)
		}
	}
}

// torchdiffeq#84: a stiff solve that never ends.
func TestAStiffSystemEndsWithinItsBudget(t *testing.T) {
	f := func(dx []float64, tt float64, x []float64) error {
		dx[0] = -1e6 * (x[0] - math.Cos(tt))
		return nil
	}
	for _, m := range adaptiveMethods() {
		calls := 0
		counted := func(dx []float64, tt float64, x []float64) error { calls++; return f(dx, tt, x) }
		s := Solver{Method: m, Control: Adaptive{RTol: 1e-6, ATol: 1e-6}, MaxNFE: 1000}
		x := []float64{2}
		st, err := s.Solve(context.Background(), counted, x, 0, 1)
		if !errors.Is(err, ErrMaxNFE) || calls != 1000 || st.NFE != 1000 {
			t.Errorf("%s: got %v after %d calls, NFE=%d; want ErrMaxNFE after 1000", m.Name, err, calls, st.NFE)
			continue
		}
		if !strings.Contains(err.Error(), "stiff") || !strings.Contains(err.Error(), "1000 evaluations") {
			t.Errorf("%s: the error %q names neither the cost nor the cause", m.Name, err)
		}
		if st.LastT <= 0 || st.LastT >= 1 || !finite(x) {
			t.Errorf("%s: the partial result is %v at t=%g", m.Name, x, st.LastT)
		}
	}
}

func TestTheBudgetHoldsForFixedStepsToo(t *testing.T) {
	p := problems()[1]
	x := []float64{0, 1}
	st, err := Solver{Method: RK4, Control: Fixed(100), MaxNFE: 50}.Solve(context.Background(), p.f, x, 0, 1)
	if !errors.Is(err, ErrMaxNFE) || st.NFE != 50 || st.Accepted != 12 || st.LastT != 0.12 {
		t.Errorf("got %v, %+v; want ErrMaxNFE after 12 steps of 4 and 2 evaluations", err, st)
	}
	if e := distance(x, p.exact(0.12)); e > 1e-9 {
		t.Errorf("partial result %v, want %v", x, p.exact(0.12))
	}
}

func TestACancelledContextStopsTheSolveBetweenSteps(t *testing.T) {
	for _, c := range []Control{Fixed(1000), Adaptive{RTol: 1e-9, ATol: 1e-9}} {
		ctx, cancel := context.WithCancel(context.Background())
		s := Solver{Method: Dopri5, Control: c, Observe: func(q Step) {
			if q.Stats.Accepted == 7 {
				cancel()
			}
		}}
		p := problems()[1]
		x := []float64{0, 1}
		st, err := s.Solve(ctx, p.f, x, 0, 20)
		if !errors.Is(err, context.Canceled) || st.Accepted != 7 {
			t.Errorf("%T: got %v after %d steps, want context.Canceled after 7", c, err, st.Accepted)
		}
		if e := distance(x, p.exact(st.LastT)); e > 1e-6 {
			t.Errorf("%T: partial result %v at t=%g, want %v", c, x, st.LastT, p.exact(st.LastT))
		}
		cancel()
	}
}

// An evaluation may take seconds, and a step has many of them.
func TestACancelledContextStopsTheSolveBeforeTheNextEvaluation(t *testing.T) {
	for _, c := range []Control{Fixed(10), Adaptive{RTol: 1e-6, ATol: 1e-6}} {
		for at := 1; at <= 20; at++ { // also while the first step is chosen
			ctx, cancel := context.WithCancel(context.Background())
			p, calls := problems()[1], 0
			f := func(dx []float64, t float64, x []float64) error {
				if calls++; calls == at {
					cancel()
				}
				return p.f(dx, t, x)
			}
			x := []float64{0, 1}
			st, err := Solver{Method: Dopri5, Control: c}.Solve(ctx, f, x, 0, 5)
			if !errors.Is(err, context.Canceled) || calls != at || st.NFE != at {
				t.Errorf("%T: cancelled in evaluation %d: got %v after %d", c, at, err, calls)
			}
			if e := distance(x, p.exact(st.LastT)); e > 0.01 {
				t.Errorf("%T: partial result %v at t=%g, want %v", c, x, st.LastT, p.exact(st.LastT))
			}
		}
	}
}

func TestAnErrorOfFIsWrappedWithItsTime(t *testing.T) {
	broken := errors.New("out of memory")
	f := func(dx []float64, tt float64, _ []float64) error {
		if tt > 0.3 {
			return broken
		}
		return nil
	}
	_, err := Solver{Method: Euler, Control: Fixed(10)}.Solve(context.Background(), f, []float64{0}, 0, 1)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "t=0.4") {
		t.Errorf("got %v, want the error of f at t=0.4", err)
	}
}

func TestTheNormDecidesWhatIsResolved(t *testing.T) {
	// One oscillator among 400 constants: the root mean square dilutes its error by 20.
	f := func(dx []float64, _ float64, x []float64) error {
		clear(dx)
		dx[0], dx[1] = 5*x[1], -5*x[0]
		return nil
	}
	run := func(norm func([]float64) float64) (float64, int) {
		x := make([]float64, 400)
		x[1] = 1
		s := Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-6, ATol: 1e-6, Norm: norm}}
		st, err := s.Solve(context.Background(), f, x, 0, 4)
		if err != nil {
			t.Fatal(err)
		}
		return math.Hypot(x[0]-math.Sin(20), x[1]-math.Cos(20)), st.NFE
	}
	largest := func(r []float64) float64 {
		m := 0.0
		for _, v := range r {
			m = max(m, math.Abs(v))
		}
		return m
	}
	eRMS, nRMS := run(nil)
	eMax, nMax := run(largest)
	if eMax*4 > eRMS || nMax <= nRMS {
		t.Errorf("largest component: error %.2g with %d evaluations; RMS: %.2g with %d; want at least 4 times less "+
			"error for more evaluations", eMax, nMax, eRMS, nRMS)
	}
}
