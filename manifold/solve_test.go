package manifold_test

import (
	"context"
	"math"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/likelihood"
	"flowmatch/manifold"
	"flowmatch/ode"
)

// pull draws the points of a sphere to its pole, with strength c(t) = 1 + cos 3t: before
// projection it is c·e, also off the sphere, so that z = tanh(artanh z0 + ∫c). Its divergence is
// -d·c·z.
type pull struct{ dim int }

func (f pull) Dim() int            { return f.dim }
func (f pull) c(t float64) float64 { return 1 + math.Cos(3*t) }
func (f pull) total() float64      { return 1 + math.Sin(3)/3 } // ∫c from 0 to 1

func (f pull) Velocity(v []float64, t float64, x []float64) error {
	clear(v)
	for i := f.dim - 1; i < len(v); i += f.dim {
		v[i] = f.c(t)
	}
	return nil
}

func (f pull) VJP(v, g []float64, t float64, x, e []float64) error {
	clear(g)
	return f.Velocity(v, t, x)
}

func (f pull) AtTimes(_ []int, ts []float64) (flow.Field, error) { return pulls{f, ts}, nil }

// pulls is pull at times of their own.
type pulls struct {
	pull
	ts []float64
}

func (f pulls) Velocity(v []float64, _ float64, x []float64) error {
	clear(v)
	for i, t := range f.ts {
		v[(i+1)*f.dim-1] = f.c(t)
	}
	return nil
}

func (f pulls) VJP(v, g []float64, t float64, x, e []float64) error {
	clear(g)
	return f.Velocity(v, t, x)
}

// end is where x goes.
func (f pull) end(x []float64) []float64 {
	z0 := x[f.dim-1]
	z := math.Tanh(math.Atanh(z0) + f.total())
	y := make([]float64, f.dim)
	for i := range y {
		y[i] = x[i] * math.Sqrt((1-z*z)/(1-z0*z0))
	}
	y[f.dim-1] = z
	return y
}

func gap(a, b []float64) (most float64) {
	for i := range a {
		most = max(most, math.Abs(a[i]-b[i]))
	}
	return most
}

// Every tableau keeps its order, along geodesics and projected.
func TestEveryMethodKeepsItsOrderOnTheSphere(t *testing.T) {
	m := manifold.Sphere{D: 2}
	f := manifold.Field{M: m, F: pull{3}}
	x0 := []float64{0.48, 0.64, -0.6}
	want := pull{3}.end(x0)
	for _, name := range ode.Names() {
		method, err := ode.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, projected := range []bool{false, true} {
			off := func(n int) float64 {
				x := append([]float64(nil), x0...)
				s := ode.Solver{Method: method, Control: ode.Fixed(n), Space: manifold.Steps{M: m},
					Projected: projected}
				if _, err := s.Solve(context.Background(), f.Velocity, x, 0, 1); err != nil {
					t.Fatal(err)
				}
				if err := m.Check(x); err != nil || math.Abs(x[0]*x[0]+x[1]*x[1]+x[2]*x[2]-1) > 1e-14 {
					t.Errorf("%s: the end %v is not on the sphere", name, x)
				}
				return gap(x, want)
			}
			n := 20
			if method.Order >= 5 {
				n = 8
			}
			coarse, fine := off(n), off(2*n)
			if order := math.Log2(coarse / fine); fine > 1e-13 && order < float64(method.Order)-0.3 {
				t.Errorf("%s, projected %v: errors %.3g and %.3g, order %.2f; want %d", name, projected, coarse,
					fine, order, method.Order)
			}
		}
	}
}

// A geodesic integrator pays: 25 of its steps are better than 1000 projected steps of Euler.
func TestFewGeodesicStepsAreAsGoodAsManyProjectedOnesOfEuler(t *testing.T) {
	for _, d := range []int{2, 5} {
		m := manifold.Sphere{D: d}
		f := manifold.Field{M: m, F: pull{d + 1}}
		x0 := drawn(m, 3)
		off := func(method *ode.Tableau, n int, projected bool) float64 {
			x := append([]float64(nil), x0...)
			s := ode.Solver{Method: method, Control: ode.Fixed(n), Space: manifold.Steps{M: m}, Projected: projected}
			if _, err := s.Solve(context.Background(), f.Velocity, x, 0, 1); err != nil {
				t.Fatal(err)
			}
			return gap(x, pull{d + 1}.end(x0))
		}
		if few, many := off(ode.RK4, 25, false), off(ode.Euler, 1000, true); few > many {
			t.Errorf("S^%d: 25 geodesic steps are off by %.3g, 1000 projected ones of Euler by %.3g", d, few, many)
		}
	}
}

// Adaptive steps, together and each on its own, states in between, and the way back.
func TestAdaptiveStepsOnASphere(t *testing.T) {
	m := manifold.Sphere{D: 2}
	f := manifold.Field{M: m, F: pull{3}}
	x0 := flow.NewBatch(5, 3)
	for i := range x0.N {
		copy(x0.Row(i), drawn(m, uint64(i)))
	}
	for _, projected := range []bool{false, true} {
		for _, method := range []*ode.Tableau{ode.Dopri5, ode.Bosh3} {
			s := ode.Solver{Method: method, Control: ode.Adaptive{RTol: 1e-9, ATol: 1e-9}, Space: manifold.Steps{M: m},
				Projected: projected}
			x := x0.Clone()
			ts := []float64{0, 0.3, 0.31, 0.7, 1}
			middle := make([]float64, len(x.X))
			if _, err := s.SolveAt(context.Background(), f.Velocity, x.X, ts, func(i int, at []float64) error {
				if i == 2 {
					copy(middle, at)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			for i := range x.N {
				if off := gap(x.Row(i), pull{3}.end(x0.Row(i))); off > 1e-7 {
					t.Errorf("%s, projected %v: point %d is off by %.2g", method.Name, projected, i, off)
				}
			}
			exact := x0.Clone()
			if _, err := s.Solve(context.Background(), f.Velocity, exact.X, 0, 0.31); err != nil {
				t.Fatal(err)
			}
			if off := gap(middle, exact.X); off > 1e-5 {
				t.Errorf("%s, projected %v: the state in between is off by %.2g", method.Name, projected, off)
			}
			s.Control = ode.Adaptive{RTol: 1e-9, ATol: 1e-9, Each: true}
			rhs := func(rows []int, ts []float64) (func(dx, x []float64) error, error) {
				g, err := f.AtTimes(rows, ts)
				return func(dx, x []float64) error { return g.Velocity(dx, 0, x) }, err
			}
			if _, err := s.SolvePoints(context.Background(), rhs, x.X, 3, 1, 0); err != nil {
				t.Fatal(err)
			}
			if off := gap(x.X, x0.X); off > 1e-7 {
				t.Errorf("%s, projected %v: back each on its own is off by %.2g", method.Name, projected, off)
			}
		}
	}
}

// The density of the flow is known: log p_1(x_1) = log p_0 + ∫ d·c·z dt, and ∫ c z dt =
// log cosh(artanh z_0 + ∫c) - log cosh(artanh z_0).
func TestLogDensitiesOnSpheresAreExact(t *testing.T) {
	for _, d := range []int{2, 4} {
		m := manifold.Sphere{D: d}
		f := manifold.Field{M: m, F: pull{d + 1}}
		source := manifold.Source{Law: manifold.Uniform{M: m}}
		x0, x1 := flow.NewBatch(6, d+1), flow.NewBatch(6, d+1)
		want := make([]float64, x0.N)
		for i := range x0.N {
			copy(x0.Row(i), drawn(m, uint64(i)))
			copy(x1.Row(i), pull{d + 1}.end(x0.Row(i)))
			a := math.Atanh(x0.Row(i)[d])
			want[i] = -m.LogTotal() +
				float64(d)*(math.Log(math.Cosh(a+pull{}.total()))-math.Log(math.Cosh(a)))
		}
		for _, each := range []bool{false, true} {
			p := likelihood.Problem{Field: f, Source: source, Solver: ode.Solver{Method: ode.Dopri5,
				Control: ode.Adaptive{RTol: 1e-9, ATol: 1e-9, Each: each}, Space: manifold.Steps{M: m}}}
			logp, back, _, err := p.LogProb(context.Background(), x1)
			if err != nil {
				t.Fatal(err)
			}
			if off := max(gap(logp, want), gap(back.X, x0.X)); off > 1e-6 {
				t.Errorf("S^%d, each %v: off by %.2g", d, each, off)
			}
			there, same, _, err := p.Sample(context.Background(), x0)
			if err != nil || gap(there.X, x1.X) > 1e-6 || gap(same, want) > 1e-6 {
				t.Errorf("S^%d, each %v: sampled %.9g, want %.9g (%v)", d, each, same, want, err)
			}
		}
	}
}

// bent is a field without symmetry, F = A tanh(Bx), with its Jacobian: on any manifold.
type bent struct {
	dim  int
	a, b []float64
}

func newBent(dim int) bent {
	rng := seed.Rand(3, "manifold/bent", 0)
	f := bent{dim, make([]float64, dim*dim), make([]float64, dim*dim)}
	for i := range f.a {
		f.a[i], f.b[i] = rng.NormFloat64()/2, rng.NormFloat64()/2
	}
	return f
}

func (f bent) Dim() int { return f.dim }

func (f bent) Velocity(v []float64, t float64, x []float64) error {
	return f.VJP(v, make([]float64, len(x)), t, x, x)
}

func (f bent) VJP(v, g []float64, _ float64, x, e []float64) error {
	d := f.dim
	clear(v)
	clear(g)
	for o := 0; o < len(x); o += d {
		for k := range d {
			in, back := 0.0, 0.0
			for j := range d {
				in += f.b[k*d+j] * x[o+j]
			}
			h := math.Tanh(in)
			for j := range d {
				v[o+j] += f.a[j*d+k] * h
				back += f.a[j*d+k] * e[o+j]
			}
			for j := range d {
				g[o+j] += back * (1 - h*h) * f.b[k*d+j]
			}
		}
	}
	return nil
}

// The divergence is Σ <d/ds v(γ_e(s)), e> over geodesics γ_e of the metric of the space around,
// which projected lines are to second order; and probes have it as their mean.
func TestTheDivergenceIsThatOfTheManifold(t *testing.T) {
	for _, m := range spaces() {
		dim, d := m.Ambient(), m.Dim()
		f := manifold.Field{M: m, F: newBent(dim)}
		x := drawn(m, 1)
		v, div := make([]float64, dim), make([]float64, 1)
		if err := f.VelocityDiv(v, div, 0, x); err != nil {
			t.Fatal(err)
		}
		const h = 1e-5
		e := make([]float64, d*dim)
		manifold.Frame(m, e, x)
		want := 0.0
		a, b := make([]float64, dim), make([]float64, dim)
		for k := range d {
			for _, c := range []struct {
				to []float64
				by float64
			}{{a, h}, {b, -h}} {
				y := append([]float64(nil), x...)
				for i := range y {
					y[i] += c.by * e[k*dim+i]
				}
				if err := f.Velocity(c.to, 0, y); err != nil {
					t.Fatal(err)
				}
			}
			for i := range dim {
				want += (a[i] - b[i]) / (2 * h) * e[k*dim+i]
			}
		}
		if math.Abs(div[0]-want) > 1e-6 {
			t.Errorf("%v: divergence %.9g, want %.9g", m, div[0], want)
		}
		const n = 4000
		rng := seed.Rand(5, "manifold/probe", 0)
		mean, square, one, probe := 0.0, 0.0, make([]float64, 1), make([]float64, dim)
		for range n {
			for i := range probe {
				probe[i] = rng.NormFloat64()
			}
			if err := f.VelocityProbe(v, one, 0, x, probe); err != nil {
				t.Fatal(err)
			}
			mean, square = mean+one[0]/n, square+one[0]*one[0]/n
		}
		if se := math.Sqrt((square - mean*mean) / n); math.Abs(mean-want) > 5*se {
			t.Errorf("%v: the mean over probes is %.4g, want %.4g within five standard errors of %.2g", m, mean, want,
				se)
		}
	}
}

// log p integrates to one on S² and on the torus, of a field that is known to no formula.
func TestDensitiesOfFlowsIntegrateToOne(t *testing.T) {
	const n = 60
	sphere, torus := flow.NewBatch(n*2*n, 3), flow.NewBatch(n*n, 4)
	weights := make([]float64, 0, sphere.N)
	for i := range 2 * n * n { // the midpoints of equal areas: z and longitude
		z, phi := -1+(float64(i/(2*n))+0.5)*2/n, (float64(i%(2*n))+0.5)*math.Pi/n
		r := math.Sqrt(1 - z*z)
		copy(sphere.Row(i), []float64{r * math.Cos(phi), r * math.Sin(phi), z})
		weights = append(weights, 4*math.Pi/(2*n*n))
	}
	for i := range torus.N {
		a, b := float64(i/n)*2*math.Pi/n, float64(i%n)*2*math.Pi/n
		copy(torus.Row(i), []float64{math.Cos(a), math.Sin(a), math.Cos(b), math.Sin(b)})
	}
	for _, c := range []struct {
		m       manifold.Compact
		x       flow.Batch
		element float64
	}{{manifold.Sphere{D: 2}, sphere, weights[0]}, {manifold.Torus{D: 2}, torus, 4 * math.Pi * math.Pi / (n * n)}} {
		p := likelihood.Problem{Field: manifold.Field{M: c.m, F: newBent(c.m.Ambient())},
			Source: manifold.Source{Law: manifold.Uniform{M: c.m}},
			Solver: ode.Solver{Method: ode.RK4, Control: ode.Fixed(12), Space: manifold.Steps{M: c.m}}}
		logp, _, _, err := p.LogProb(context.Background(), c.x)
		if err != nil {
			t.Fatal(err)
		}
		mass, most := 0.0, math.Inf(-1)
		for _, l := range logp {
			mass, most = mass+c.element*math.Exp(l), max(most, l)
		}
		if math.Abs(mass-1) > 1e-3 {
			t.Errorf("%v: the density integrates to %.6f", c.m, mass)
		}
		if most+c.m.LogTotal() < 0.3 {
			t.Errorf("%v: a density that is nearly even, with a maximum of e^%.2f times the mean, proves nothing", c.m,
				most+c.m.LogTotal())
		}
	}
}
