package ode

import (
	"context"
	"errors"
	"math"
	"math/cmplx"
	"runtime"
	"slices"
	"testing"
)

// spiral is x' = λx in the complex plane, as two real numbers; θ = (Re λ, Im λ).
// Its solution e^{λt}x0, and what a Runge-Kutta method makes of it, R(hλ)^n x0, are
// closed forms, and so are their derivatives.
type spiral struct{ lambda complex128 }

func (s spiral) f(dx []float64, _ float64, x []float64) error {
	v := s.lambda * complex(x[0], x[1])
	dx[0], dx[1] = real(v), imag(v)
	return nil
}

func (s spiral) sensitivity(dx, gx, gtheta []float64, t float64, x, a []float64) error {
	al, be := real(s.lambda), imag(s.lambda)
	gx[0], gx[1] = al*a[0]+be*a[1], al*a[1]-be*a[0]
	gtheta[0], gtheta[1] = a[0]*x[0]+a[1]*x[1], a[1]*x[0]-a[0]*x[1]
	return s.f(dx, t, x)
}

// tapeVJP gathers the gradient that a Sensitivity writes.
func tapeVJP(f Sensitivity, gtheta []float64) VJP {
	return func(gx []float64, t float64, x, a []float64) error {
		dx, g := make([]float64, len(x)), make([]float64, len(gtheta))
		err := f(dx, gx, g, t, x, a)
		addScaled(gtheta, g, 1)
		return err
	}
}

func (p *pendulum) sensitivity(dx, gx, gtheta []float64, t float64, x, a []float64) error {
	p.grad = [3]float64{}
	if err := p.vjp(gx, t, x, a); err != nil {
		return err
	}
	copy(gtheta, p.grad[:])
	return p.f(dx, t, x)
}

// stability returns R(z) and R'(z) of a method.
func stability(m *Tableau, z complex128) (r, dr complex128) {
	s := m.Stages()
	k, dk := make([]complex128, s), make([]complex128, s) // k_i = z·(1 + Σ a_ij k_j)
	r = 1
	for i := range s {
		in, din := complex128(1), complex128(0)
		for j, a := range m.A[i] {
			in += complex(a, 0) * k[j]
			din += complex(a, 0) * dk[j]
		}
		k[i], dk[i] = z*in, in+z*din
		r += complex(m.B[i], 0) * k[i]
		dr += complex(m.B[i], 0) * dk[i]
	}
	return r, dr
}

func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*(1+math.Abs(want))) {
		t.Errorf("%s: got %.15g, want %.15g within %g", what, got, want, tol)
	}
}

func TestTapeIsExactForTheDiscreteSolution(t *testing.T) {
	s := spiral{complex(-0.3, 1.7)}
	x0, c1, c2 := complex(1.2, -0.4), complex(0.7, 0.2), complex(-1.1, 0.5)
	const n, h = 4, 0.25 // two legs of 4 long steps each
	for _, m := range methods() {
		as := [][]float64{nil, {real(c1), imag(c1)}, {real(c2), imag(c2)}}
		tape, _, err := Solver{Method: m, Control: Fixed(n)}.RecordVia(context.Background(), s.f,
			[]float64{real(x0), imag(x0)}, []float64{0, n * h, 2 * n * h}, func(int, []float64) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		g := make([]float64, 2)
		a, st, err := tape.BackpropVia(context.Background(), s.f, tapeVJP(s.sensitivity, g), as)
		if err != nil || st.Accepted != 2*n || st.LastT != 0 {
			t.Fatalf("%s: %+v, %v", m.Name, st, err)
		}
		// L = Re(c̄1 x_n + c̄2 x_2n), x_n = R(hλ)^n x0
		r, dr := stability(m, h*s.lambda)
		var wantA, wantG complex128
		for i, c := range []complex128{c1, c2} {
			k := complex(float64((i+1)*n), 0)
			wantA += cmplx.Conj(c) * cmplx.Pow(r, k)
			wantG += cmplx.Conj(c) * k * cmplx.Pow(r, k-1) * h * dr * x0
		}
		near(t, m.Name+" ∂L/∂Re x0", a[0], real(wantA), 1e-12)
		near(t, m.Name+" ∂L/∂Im x0", a[1], -imag(wantA), 1e-12)
		near(t, m.Name+" ∂L/∂Re λ", g[0], real(wantG), 1e-12)
		near(t, m.Name+" ∂L/∂Im λ", g[1], -imag(wantG), 1e-12)
	}
}

// states solves forward and returns x at each time.
func states(t *testing.T, s Solver, f Func, x0, ts []float64) [][]float64 {
	t.Helper()
	var xs [][]float64
	if _, err := s.SolveVia(context.Background(), f, slices.Clone(x0), ts, func(_ int, x []float64) error {
		xs = append(xs, slices.Clone(x))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return xs
}

func TestAdjointOfALinearSystemIsTheMatrixExponential(t *testing.T) {
	s := spiral{complex(-0.3, 1.7)}
	for _, c := range []struct {
		name   string
		solver Solver
		ts     []float64
	}{
		{"adaptive", Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-11, ATol: 1e-11}}, []float64{0, 0.3, 1.1, 2}},
		{"backward in time", Solver{Method: Tsit5, Control: Adaptive{RTol: 1e-11, ATol: 1e-11}}, []float64{2, 1.5, 0}},
		{"fixed", Solver{Method: Dopri8, Control: Fixed(10)}, []float64{0, 0.3, 1.1, 2}},
		{"grid", Solver{Method: Dopri8, Control: Grid{0, 0.15, 0.3, 0.5, 0.7, 0.9, 1.1, 1.3, 1.5, 1.6, 1.8, 2}},
			[]float64{0, 0.3, 1.1, 2}},
		{"one time", Solver{Method: Dopri5, Control: Fixed(1)}, []float64{1}},
	} {
		x0 := complex(1.2, -0.4)
		xs := states(t, c.solver, s.f, []float64{real(x0), imag(x0)}, c.ts)
		// L = Σ_i Re(c̄_i x(t_i)), the first time included
		var as [][]float64
		var wantA, wantG complex128
		for i, ti := range c.ts {
			ci := complex(1+float64(i), -0.5)
			as = append(as, []float64{real(ci), imag(ci)})
			dt := complex(ti-c.ts[0], 0)
			wantA += cmplx.Conj(ci) * cmplx.Exp(s.lambda*dt)
			wantG += cmplx.Conj(ci) * dt * cmplx.Exp(s.lambda*dt) * x0
		}
		g := []float64{10, 20} // what is there stays
		a, st, err := c.solver.Adjoint(context.Background(), s.sensitivity, c.ts, xs, as, g)
		if err != nil || st.LastT != c.ts[0] || st.VJPs != st.NFE {
			t.Fatalf("%s: %+v, %v", c.name, st, err)
		}
		near(t, c.name+" ∂L/∂Re x0", a[0], real(wantA), 1e-9)
		near(t, c.name+" ∂L/∂Im x0", a[1], -imag(wantA), 1e-9)
		near(t, c.name+" ∂L/∂Re λ", g[0]-10, real(wantG), 1e-9)
		near(t, c.name+" ∂L/∂Im λ", g[1]-20, -imag(wantG), 1e-9)
	}
}

// pendulumGradient is the gradient with respect to x0 and θ of the sum of loss over
// the states at ts.
func pendulumGradient(t *testing.T, s Solver, ts []float64, adjoint bool) []float64 {
	t.Helper()
	ctx, p := context.Background(), &pendulum{theta: [3]float64{1.3, 0.2, 0.7}}
	x0, g := []float64{0.9, -0.4}, make([]float64, 3)
	var xs, as [][]float64
	keep := func(i int, x []float64) error {
		xs, as = append(xs, slices.Clone(x)), append(as, lossGrad(x))
		return nil
	}
	tape, _, err := s.RecordVia(ctx, p.f, slices.Clone(x0), ts, keep)
	if err != nil {
		t.Fatal(err)
	}
	var a []float64
	if adjoint {
		a, _, err = s.Adjoint(ctx, p.sensitivity, ts, xs, as, g)
	} else {
		a, _, err = tape.BackpropVia(ctx, p.f, tapeVJP(p.sensitivity, g), as)
	}
	if err != nil {
		t.Fatal(err)
	}
	return append(a, g...)
}

func farthest(x, y []float64) float64 {
	d := 0.0
	for i := range x {
		d = max(d, math.Abs(x[i]-y[i]))
	}
	return d
}

func TestGradientsOfTheContinuousProblem(t *testing.T) {
	ts := []float64{0, 0.8, 1, 2}
	exact := Solver{Method: Dopri8, Control: Adaptive{RTol: 1e-13, ATol: 1e-13}}
	want := pendulumGradient(t, exact, ts, true)
	if d := farthest(want, pendulumGradient(t, exact, ts, false)); d > 1e-11 {
		t.Errorf("adjoint and tape differ by %g where the solver is exact", d)
	}
	// Finite differences, of x0 and θ together.
	value := func(v []float64) float64 {
		p, sum := &pendulum{theta: [3]float64(v[2:])}, 0.0
		for _, x := range states(t, exact, p.f, v[:2], ts) {
			sum += loss(x)
		}
		return sum
	}
	at := []float64{0.9, -0.4, 1.3, 0.2, 0.7}
	for i := range at {
		const h = 1e-4
		up, down := slices.Clone(at), slices.Clone(at)
		up[i] += h
		down[i] -= h
		near(t, "finite difference", want[i], (value(up)-value(down))/(2*h), 1e-7)
	}
	// Either gradient is right to the solver's order; the two differ meanwhile.
	for _, m := range methods() {
		n := 16
		if m.Order >= 8 {
			n = 3
		}
		for _, adjoint := range []bool{true, false} {
			e1 := farthest(want, pendulumGradient(t, Solver{Method: m, Control: Fixed(n)}, ts, adjoint))
			e2 := farthest(want, pendulumGradient(t, Solver{Method: m, Control: Fixed(2 * n)}, ts, adjoint))
			if order := math.Log2(e1 / e2); order < float64(m.Order)-0.4 || order > float64(m.Order)+1.6 {
				t.Errorf("%s, adjoint %v: order %.2f (errors %.3g and %.3g), want %d", m.Name, adjoint, order,
					e1, e2, m.Order)
			}
		}
	}
}

func TestAdjointErrorFollowsTheTolerance(t *testing.T) {
	ts := []float64{0, 0.8, 1, 2}
	want := pendulumGradient(t, Solver{Method: Dopri8, Control: Adaptive{RTol: 1e-13, ATol: 1e-13}}, ts, true)
	for _, tol := range []float64{1e-3, 1e-5, 1e-7, 1e-9} {
		got := pendulumGradient(t, Solver{Method: Dopri5, Control: Adaptive{RTol: tol, ATol: tol}}, ts, true)
		if d := farthest(got, want); d > 20*tol {
			t.Errorf("tolerance %g: the gradient is off by %g", tol, d)
		}
	}
}

// The gradient of a small multiple of a loss is that multiple, bit for bit.
func TestAdjointDoesNotDependOnTheScaleOfTheLoss(t *testing.T) {
	p := &pendulum{theta: [3]float64{1.3, 0.2, 0.7}}
	s := Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-4, ATol: 1e-4}}
	gradient := func(c float64) ([]float64, int) {
		g := make([]float64, 3)
		a, st, err := s.Adjoint(context.Background(), p.sensitivity, []float64{0, 1, 2},
			[][]float64{nil, {0.5, 0.1}, {0.3, 0.1}}, [][]float64{nil, {c, 0}, {-2 * c, c}}, g)
		if err != nil {
			t.Fatal(err)
		}
		return append(a, g...), st.NFE
	}
	want, nfe := gradient(1)
	for _, c := range []float64{1. / (1 << 30), 1 << 20} {
		got, n := gradient(c)
		for i := range got {
			if got[i] != c*want[i] || n != nfe {
				t.Errorf("loss times %g: got %g in %d evaluations, want %g in %d", c, got[i], n, c*want[i], nfe)
			}
		}
	}
	if zero, _ := gradient(0); slices.ContainsFunc(zero, func(v float64) bool { return v != 0 }) {
		t.Errorf("a loss of nothing has the gradient %v", zero)
	}
}

// torchdiffeq issues 54 and 259: the adjoint's memory grew, against the promise.
func TestAdjointMemoryDoesNotGrowWithSteps(t *testing.T) {
	p := &pendulum{theta: [3]float64{1.3, 0.2, 0.7}}
	ts, xs, as := []float64{0, 2}, [][]float64{nil, {0.3, 0.1}}, [][]float64{nil, {1, 1}}
	g := make([]float64, 3)
	bytes := func(c Control) (allocs, bytes float64) {
		run := func() {
			if _, _, err := (Solver{Method: Dopri5, Control: c}).
				Adjoint(context.Background(), p.sensitivity, ts, xs, as, g); err != nil {
				t.Fatal(err)
			}
		}
		allocs = testing.AllocsPerRun(3, run)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		run()
		runtime.ReadMemStats(&after)
		return allocs, float64(after.TotalAlloc - before.TotalAlloc)
	}
	for _, c := range []struct {
		name      string
		few, many Control
	}{
		{"fixed", Fixed(10), Fixed(10_000)},
		{"adaptive", Adaptive{RTol: 1e-3, ATol: 1e-3}, Adaptive{RTol: 1e-3, ATol: 1e-3, MaxStep: 2e-4}},
	} {
		a1, b1 := bytes(c.few)
		a2, b2 := bytes(c.many)
		// A tape of 10000 steps holds 160 kB of numbers alone.
		if a1 != a2 || b2 > b1+8192 {
			t.Errorf("%s: %g allocations of %g bytes for few steps, %g of %g for 10000", c.name, a1, b1, a2, b2)
		}
	}
}

// torchdiffeq issue 184: going back is unstable where going there is not. y follows
// sin z at rate 40, so that on the way back its errors grow by e^(40·2), and z, on
// which the loss depends, is fed by y.
func TestCheckpointsKeepTheAdjointOfAStableSystem(t *testing.T) {
	const rate, theta = 40.0, 0.5
	system := func(theta float64) Func {
		return func(dx []float64, _ float64, x []float64) error {
			dx[0], dx[1] = -rate*(x[0]-math.Sin(x[1])), -theta*x[0]
			return nil
		}
	}
	f := system(theta)
	sens := func(dx, gx, gtheta []float64, t float64, x, a []float64) error {
		gx[0], gx[1] = -rate*a[0]-theta*a[1], rate*math.Cos(x[1])*a[0]
		gtheta[0] = -a[1] * x[0]
		return f(dx, t, x)
	}
	s := Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-8, ATol: 1e-8}, MaxNFE: 20_000}
	ctx, x0, g := context.Background(), []float64{0.2, 1}, []float64{0}
	var ts []float64
	for i := range 41 {
		ts = append(ts, float64(i)/20)
	}
	const h = 1e-3 // the error of the central difference is some h²
	value := func(theta float64) float64 { return states(t, s, system(theta), x0, ts)[40][1] }
	want := (value(theta+h) - value(theta-h)) / (2 * h)

	xs := states(t, s, f, x0, ts)
	as := make([][]float64, len(ts))
	as[40] = []float64{0, 1}
	if _, _, err := s.Adjoint(ctx, sens, ts, xs, as, g); err != nil {
		t.Fatal(err)
	}
	near(t, "with checkpoints", g[0], want, 1e-5)
	tape, _, err := s.Record(ctx, f, slices.Clone(x0), 0, 2)
	if err != nil {
		t.Fatal(err)
	}
	g[0] = 0
	if _, err := tape.Backprop(ctx, f, tapeVJP(sens, g), []float64{0, 1}); err != nil {
		t.Fatal(err)
	}
	near(t, "tape", g[0], want, 1e-5)

	// Without them the defect is there: what is tested is a remedy for something.
	g[0] = 0
	_, st, err := s.Adjoint(ctx, sens, []float64{0, 2}, [][]float64{nil, xs[40]}, [][]float64{nil, {0, 1}}, g)
	if err == nil && math.Abs(g[0]-want) < 0.1*math.Abs(want) {
		t.Errorf("without checkpoints: got %g in %d evaluations, nearly the %g with them", g[0], st.NFE, want)
	}

	// And no budget is exceeded (issue 84).
	s.MaxNFE = 50
	_, st, err = s.Adjoint(ctx, sens, ts, xs, as, g)
	if !errors.Is(err, ErrMaxNFE) || st.NFE > 50 {
		t.Errorf("got %v after %d evaluations, want ErrMaxNFE", err, st.NFE)
	}
}

// The default norm: parameters without an error do not hide that of x and a.
func TestParametersDoNotDrownTheState(t *testing.T) {
	s := spiral{complex(-0.3, 1.7)}
	nfe := func(idle int, norm func([]float64) float64) int {
		sens := func(dx, gx, gtheta []float64, t float64, x, a []float64) error {
			clear(gtheta)
			return s.sensitivity(dx, gx, gtheta[:2], t, x, a)
		}
		solver := Solver{Method: Dopri5, Control: Adaptive{RTol: 1e-6, ATol: 1e-6, Norm: norm}}
		_, st, err := solver.Adjoint(context.Background(), sens, []float64{0, 3}, [][]float64{nil, {1, 0.5}},
			[][]float64{nil, {1, 1}}, make([]float64, 2+idle))
		if err != nil {
			t.Fatal(err)
		}
		return st.NFE
	}
	if few, many := nfe(0, MaxRMS(2, 2)), nfe(10_000, MaxRMS(2, 2)); few != many {
		t.Errorf("without g in the norm: %d evaluations, %d with 10000 idle parameters", few, many)
	}
	if by, rms := nfe(10_000, nil), nfe(10_000, RMS); by <= rms || by < nfe(0, MaxRMS(2, 2)) {
		t.Errorf("with 10000 idle parameters: %d evaluations, %d by RMS of all", by, rms)
	}
}

func TestMaxRMS(t *testing.T) {
	norm := MaxRMS(2, 1, 0)
	for _, c := range []struct{ r, want float64 }{{1, 2}, {3, 3}, {math.NaN(), math.NaN()}} {
		got := norm([]float64{c.r, c.r, 2, 99})
		if got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("blocks (%g, %g), (2): got %g, want %g", c.r, c.r, got, c.want)
		}
	}
}

func TestBadAdjointsAreNamed(t *testing.T) {
	s := Solver{Method: Dopri5, Control: Fixed(4)}
	p := &pendulum{theta: [3]float64{1, 1, 1}}
	x, broken := []float64{1, 0}, errors.New("broken")
	fail := func(_, _, _ []float64, _ float64, _, _ []float64) error { return broken }
	for _, c := range []struct {
		name   string
		s      Solver
		f      Sensitivity
		ts     []float64
		xs, as [][]float64
		want   error
	}{
		{"no f", s, nil, []float64{0, 1}, [][]float64{nil, x}, [][]float64{nil, x}, ErrInvalid},
		{"no times", s, p.sensitivity, nil, nil, nil, ErrInvalid},
		{"xs short", s, p.sensitivity, []float64{0, 1}, [][]float64{x}, [][]float64{nil, x}, ErrInvalid},
		{"as short", s, p.sensitivity, []float64{0, 1}, [][]float64{nil, x}, [][]float64{x}, ErrInvalid},
		{"no last state", s, p.sensitivity, []float64{0, 1}, [][]float64{x, nil}, [][]float64{nil, x}, ErrInvalid},
		{"a of another length", s, p.sensitivity, []float64{0, 1}, [][]float64{nil, x},
			[][]float64{nil, {1}}, ErrInvalid},
		{"times not in order", s, p.sensitivity, []float64{0, 2, 1}, [][]float64{nil, x, x}, [][]float64{nil, x, x},
			ErrInvalid},
		{"no method", Solver{Control: Fixed(1)}, p.sensitivity, []float64{0, 1}, [][]float64{nil, x},
			[][]float64{nil, x}, ErrInvalid},
		{"a time off the grid", Solver{Method: RK4, Control: Grid{0, 0.6, 1}}, p.sensitivity, []float64{0, 0.5, 1},
			[][]float64{nil, x, x}, [][]float64{nil, x, x}, ErrInvalid},
		{"f fails", s, fail, []float64{0, 1}, [][]float64{nil, x}, [][]float64{nil, x}, broken},
		{"x not finite", s, p.sensitivity, []float64{0, 1}, [][]float64{nil, {math.NaN(), 0}}, [][]float64{nil, x},
			ErrNonFinite},
	} {
		g := []float64{1, 2, 3}
		if _, _, err := c.s.Adjoint(context.Background(), c.f, c.ts, c.xs, c.as, g); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if !slices.Equal(g, []float64{1, 2, 3}) {
			t.Errorf("%s: gtheta was changed to %v", c.name, g)
		}
	}
}
