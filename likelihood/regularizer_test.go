package likelihood

import (
	"context"
	"errors"
	"math"
	"testing"

	"flowmatch/flow"
	"flowmatch/ode"
)

// growth is the field v = θ x on R^d, with every term in closed form.
type growth struct {
	d     int
	theta float64
}

func (g growth) Dim() int       { return g.d }
func (g growth) NumParams() int { return 1 }

func (g growth) Velocity(v []float64, _ float64, x []float64) error {
	for i := range x {
		v[i] = g.theta * x[i]
	}
	return nil
}

func (g growth) VJP(v, q []float64, t float64, x, e []float64) error {
	for i := range e {
		q[i] = g.theta * e[i]
	}
	return g.Velocity(v, t, x)
}

func (g growth) VJPParams(v, gx, gtheta []float64, t float64, x, a []float64) error {
	for i := range x {
		gx[i] += g.theta * a[i]
		gtheta[0] += a[i] * x[i]
	}
	if v == nil {
		return nil
	}
	return g.Velocity(v, t, x)
}

func (g growth) VJPAug(gx, gtheta []float64, _ float64, x []float64, adj flow.Adjoint) error {
	a, l, e, k, j := adj.Velocity, adj.Div, adj.Probe, adj.Kinetic, adj.Jacobian
	for i := range x {
		p := i / g.d
		gx[i] += g.theta * a[i]
		gtheta[0] += a[i] * x[i]
		e2 := 1.0
		if e != nil {
			e2 = e[i] * e[i]
		}
		gtheta[0] += l[p] * e2
		if k != nil {
			gx[i] += 2 * k[p] * g.theta * g.theta * x[i]
			gtheta[0] += 2 * k[p] * g.theta * x[i] * x[i]
		}
		if j != nil {
			gtheta[0] += 2 * j[p] * g.theta * e2
		}
	}
	return nil
}

// The flow of v = θx is x(t) = x_1 e^{θ(t−1)}, so
//
//	log p = log N(x_1 e^{−θ}; 0, I) − Dθ,  ∫|v|² dt = θ|x_1|²(1 − e^{−2θ})/2,  ∫|∂v/∂x|² dt = Dθ².
//
// A Rademacher probe has |ε|² = D, so it is exact here.
func TestRegularisersOfALinearFieldAreTheirClosedForms(t *testing.T) {
	const d, theta = 3, 0.7
	x1 := normals(6, d, 1, 40)
	decay := math.Exp(-2 * theta)
	for _, div := range []Divergence{Exact{}, Hutchinson{Seed: 1}, Hutchinson{Seed: 2, Probes: 3}} {
		for _, reg := range []Regularizer{{}, {Kinetic: 0.3}, {Jacobian: 0.2}, {Kinetic: 0.3, Jacobian: 0.2}} {
			p := Problem{Field: growth{d, theta}, Source: flow.Gaussian{}, Divergence: div, Solver: tight(),
				Regularizer: reg, BatchSize: 4}
			g, err := p.Gradient(context.Background(), x1, nil)
			if err != nil {
				t.Fatal(err)
			}
			if (g.Kinetic != nil) != (reg.Kinetic != 0) || (g.Jacobian != nil) != (reg.Jacobian != 0) {
				t.Fatalf("%+v: integrals %v and %v, want those asked for", reg, g.Kinetic, g.Jacobian)
			}
			want := 0.0
			for i := range x1.N {
				r := square(x1.Row(i))
				want += (r*decay - d - reg.Kinetic*r*((1-decay)/2+theta*decay) - reg.Jacobian*2*d*theta) / float64(x1.N)
				if k := theta * r * (1 - decay) / 2; g.Kinetic != nil && math.Abs(g.Kinetic[i]-k) > 1e-7*(1+k) {
					t.Errorf("%T, %+v: kinetic energy of point %d is %.10g, want %.10g", div, reg, i, g.Kinetic[i], k)
				}
				if j := d * theta * theta; g.Jacobian != nil && math.Abs(g.Jacobian[i]-j) > 1e-9 {
					t.Errorf("%T, %+v: Jacobian norm of point %d is %.10g, want %.10g", div, reg, i, g.Jacobian[i], j)
				}
			}
			if math.Abs(g.Theta[0]-want) > 1e-6 {
				t.Errorf("%T, %+v: gradient %.10g, want %.10g", div, reg, g.Theta[0], want)
			}
		}
	}
}

// |∂v/∂x|² of v = Ax + b is the sum of the squares of A: exactly by all rows, and on
// average over probes.
func TestTheJacobianNormIsFrobenius(t *testing.T) {
	const d, n = 4, 4000
	l := linear(d, 41)
	want := square(l.A)
	norms := func(f flow.Field, div Divergence) []float64 {
		es, err := div.probes(Problem{}.numbers(0, n), d)
		if err != nil {
			t.Fatal(err)
		}
		rhs, err := drift(f, es, n, true)
		if err != nil {
			t.Fatal(err)
		}
		v, delta, jac := make([]float64, n*d), make([]float64, n), make([]float64, n)
		if err := rhs(v, delta, jac, 0.5, make([]float64, n*d)); err != nil {
			t.Fatal(err)
		}
		return jac
	}
	if got := norms(l, Exact{}); math.Abs(got[0]-want) > 1e-12*want || got[n-1] != got[0] {
		t.Errorf("exact: %g, want %g", got[0], want)
	}
	for _, kind := range []Kind{Rademacher, Gaussian} {
		mean, second := 0.0, 0.0
		for _, v := range norms(l, Hutchinson{Kind: kind, Seed: 42}) {
			mean += v / n
			second += v * v / n
		}
		if se := math.Sqrt((second - mean*mean) / n); math.Abs(mean-want) > 5*se {
			t.Errorf("%v: mean %g, want %g within five standard errors of %g", kind, mean, want, se)
		}
	}
	_, err := drift(onlyDiv{l}, nil, 1, true)
	if !errors.Is(err, ErrNoDivergence) {
		t.Errorf("a field without VJP: got %v", err)
	}
}

func TestEachRegulariserHasItsGradient(t *testing.T) {
	x1 := normals(3, 2, 1, 43)
	w := []float64{1, -0.5, 2}
	for _, d := range []Divergence{Exact{}, Hutchinson{Seed: 21}, Hutchinson{Probes: 2, Kind: Gaussian, Seed: 22}} {
		for _, reg := range []Regularizer{{Kinetic: 0.4}, {Jacobian: 0.3}, {Kinetic: 0.4, Jacobian: 0.3}} {
			p := Problem{Field: newTiny(2, 3, 44), Source: flow.Gaussian{Std: 1.3}, Divergence: d, Regularizer: reg,
				BatchSize: 2,
				Solver:    ode.Solver{Method: ode.RK4, Control: ode.Fixed(3)}}
			gradientIsThatOf(t, p, x1, w, "rk4")
		}
	}
}

// Adaptive steps do not see the integrals of the regularisers.
func TestRegularisersLeaveTheStepsAlone(t *testing.T) {
	x1 := normals(20, 2, 1, 45)
	p := Problem{Field: newTiny(2, 6, 46), Source: flow.Gaussian{},
		Solver: ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-4, ATol: 1e-4}}}
	plain, err := p.Gradient(context.Background(), x1, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Regularizer = Regularizer{Kinetic: 1, Jacobian: 1}
	got, err := p.Gradient(context.Background(), x1, nil)
	if err != nil || got.Solve != plain.Solve || largestGap(got.LogP, plain.LogP) != 0 {
		t.Errorf("steps %+v, want %+v (%v)", got.Solve, plain.Solve, err)
	}
}
