package sde

import (
	"context"
	"fmt"
	"math"
	"testing"

	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/ode"
	"flowmatch/path"
)

// gaussian is the exact prediction for one coordinate of data N(m, s²): it is
// affine, so that every method is an affine map of the first point and the noise,
// and the law of what comes out is known without drawing from it.
type gaussian struct {
	path path.Scheduler
	pred path.Prediction
	m, s float64
}

func (g gaussian) Dim() int { return 1 }

func (g gaussian) Velocity(v []float64, t float64, x []float64) error {
	c := g.path.At(t)
	variance := c.Alpha*c.Alpha*g.s*g.s + c.Sigma*c.Sigma
	for i := range v {
		score := -(x[i] - c.Alpha*g.m) / variance
		data := g.m + c.Alpha*g.s*g.s*-score
		noise := -c.Sigma * score
		g1, g0 := c.Weights(g.pred)
		v[i] = g1*data + g0*noise
	}
	return nil
}

// marginal returns mean and variance of p_t.
func (g gaussian) marginal(t float64) (mean, variance float64) {
	c := g.path.At(t)
	return c.Alpha * g.m, square(c.Alpha*g.s) + square(c.Sigma)
}

// law returns the exact mean and variance of what a sampler makes, by the prediction f, of
// a first point drawn from p_lo of g. Row 0 starts at 0 and row 1 at 1, without noise; row 2+k starts
// at 0 with z = 1 in step k and no other noise. Their ends are the coefficients of
//
//	x_K = c + Φ x_0 + Σ_k Γ_k z_k
func law(t *testing.T, s Sampler, f flow.Field, g gaussian) (mean, variance float64) {
	t.Helper()
	x := flow.NewBatch(2+s.steps(), 1)
	x.X[1] = 1
	noise := func(z []float64, step int) {
		clear(z)
		z[2+step] = 1
	}
	if _, err := s.sample(context.Background(), f, g.path, g.pred, x, noise); err != nil {
		t.Fatal(err)
	}
	lo, _ := s.Span(g.path, g.pred)
	m0, v0 := g.marginal(lo)
	c, phi := x.X[0], x.X[1]-x.X[0]
	variance = phi * phi * v0
	for _, end := range x.X[2:] {
		variance += square(end - c)
	}
	return c + phi*m0, variance
}

// miss returns how far mean and variance are from those of the path at the end of
// the span, in standard deviations and as a share.
func miss(t *testing.T, s Sampler, g gaussian) (mean, variance float64) {
	t.Helper()
	gotM, gotV := law(t, s, g, g)
	_, hi := s.Span(g.path, g.pred)
	m, v := g.marginal(hi)
	return math.Abs(gotM-m) / math.Sqrt(v), math.Abs(gotV-v) / v
}

type named struct {
	path.Scheduler
	name string
}

func schedules(t *testing.T) (all []named) {
	for _, name := range path.Names() {
		s, err := path.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, named{s, name})
	}
	return all
}

var diffusions = []Diffusion{Own{}, Own{Scale: 0.5}, Constant{}, Constant{G: 0.7}, Sigma{}, Sigma{Scale: 2}}

// samplers are all methods with all that they take.
func samplers(steps int) (all []Sampler) {
	for _, m := range []Method{EulerMaruyama, Heun} {
		for _, d := range diffusions {
			all = append(all, Sampler{Method: m, Diffusion: d, Steps: steps})
		}
	}
	all = append(all, Sampler{Method: DDPM, Steps: steps})
	for _, eta := range []float64{0, 0.5, 1} {
		all = append(all, Sampler{Method: DDIM, Eta: eta, Steps: steps})
	}
	return all
}

// The whole family has one law: that of the path. Every method, every g, every
// schedule and every prediction come to it, at first order or better. (The largest
// miss at 1000 steps is Euler's on the ODE of VE, whose σ falls by a factor of 5000.)
func TestEverySamplerComesToTheMarginalOfThePath(t *testing.T) {
	for _, sched := range schedules(t) {
		for _, p := range path.Predictions() {
			g := gaussian{path: sched, pred: p, m: 0.7, s: 0.5}
			for _, s := range samplers(1000) {
				mean, variance := miss(t, s, g)
				if !(mean < 0.01 && variance < 0.05) {
					t.Errorf("%s, %v, %v: mean off by %.4f standard deviations, variance by a share of %.4f",
						sched.name, p, s, mean, variance)
				}
			}
		}
	}
}

// Guidance mixes predictions of any kind. Between N(m, s²) and N(0, s²) the scores are
// mixed into that of N(Scale m, s²), so its samples are what every method draws with noise.
func TestGuidedSamplesHaveTheGuidedLaw(t *testing.T) {
	const scale = 2.5
	for _, sched := range schedules(t) {
		for _, p := range path.Predictions() {
			of := func(m float64) gaussian { return gaussian{path: sched, pred: p, m: m, s: 0.5} }
			guided := field.Guided{Conditional: of(0.7), Unconditional: of(0), Scale: scale}
			for _, s := range samplers(100) {
				mean, variance := law(t, s, guided, of(scale*0.7))
				wantM, wantV := law(t, s, of(scale*0.7), of(scale*0.7))
				if !(math.Abs(mean-wantM) < 1e-9 && math.Abs(variance-wantV) < 1e-9*wantV) {
					t.Errorf("%s, %v, %v: mean %.12g and variance %.12g, want %.12g and %.12g",
						sched.name, p, s, mean, variance, wantM, wantV)
				}
			}
		}
	}
}

// Weak orders, from the exact law: no Monte Carlo error blurs them.
func TestWeakOrders(t *testing.T) {
	for _, c := range []struct {
		path path.Scheduler
		s    Sampler
		want float64
	}{
		{path.VP{}, Sampler{Method: EulerMaruyama}, 1},
		{path.VP{}, Sampler{Method: EulerMaruyama, Diffusion: Constant{G: 0.7}}, 1},
		{path.CondOT{}, Sampler{Method: EulerMaruyama, Diffusion: Sigma{}}, 1},
		{path.CondOT{}, Sampler{Method: EulerMaruyama, Diffusion: Constant{G: 0.7}}, 1},
		{path.VP{}, Sampler{Method: Heun}, 2},
		{path.VE{SigmaMin: 0.1, SigmaMax: 5}, Sampler{Method: Heun}, 2},
		{path.CondOT{}, Sampler{Method: Heun, Diffusion: Sigma{Scale: 2}}, 2},
		{path.Cosine{}, Sampler{Method: Heun, Diffusion: Constant{G: 0.7}}, 2},
		{path.VP{}, Sampler{Method: DDPM}, 1},
		{path.CondOT{}, Sampler{Method: DDPM}, 1},
		{path.Cosine{}, Sampler{Method: DDIM}, 1},
		{path.VP{}, Sampler{Method: DDIM, Eta: 0.5}, 1},
	} {
		g := gaussian{path: c.path, m: 0.7, s: 0.5}
		const n = 400
		c.s.Steps = n
		_, coarse := miss(t, c.s, g)
		c.s.Steps = 2 * n
		_, fine := miss(t, c.s, g)
		if order := math.Log2(coarse / fine); math.Abs(order-c.want) > 0.15 {
			t.Errorf("%T, %v: order %.3f of the variance (errors %.3g, %.3g), want %g", c.path, c.s, order,
				coarse, fine, c.want)
		}
	}
}

// The recursions of the schemes for a linear SDE dx = (A x + B) dt + g dW, written
// out: what the sampler does is Euler-Maruyama's and Heun's scheme and no other.
func TestTheLawIsThatOfTheSchemesRecursion(t *testing.T) {
	g := gaussian{path: path.VP{}, pred: path.Noise, m: 0.7, s: 0.5}
	const n = 20
	lo, hi := Sampler{}.Span(g.path, g.pred)
	h := (hi - lo) / n
	at := func(t float64) (A, B, g2 float64) {
		c := g.path.At(t)
		m, v := g.marginal(t)
		beta := 0.1 + (1-t)*19.9
		// v + ½ g² s with the velocity of a Gaussian marginal, ṁ + ½ v̇/v (x − m).
		A = 0.5*(2*c.Alpha*c.DAlpha*g.s*g.s+2*c.Sigma*c.DSigma)/v - 0.5*beta/v
		return A, c.DAlpha*g.m - A*m, beta
	}
	m0, v0 := g.marginal(lo)
	em, ev, hm, hv := m0, v0, m0, v0
	for k := range n {
		A, B, g2 := at(lo + h*float64(k))
		em, ev = em+h*(A*em+B), square(1+h*A)*ev+h*g2
		if k == n-1 {
			hm, hv = hm+h*(A*hm+B), square(1+h*A)*hv+h*g2
			continue
		}
		A1, B1, g21 := at(lo + h*float64(k+1))
		hm, hv = hm+0.5*h*(A*hm+B+A1*(hm+h*(A*hm+B))+B1),
			square(1+0.5*h*(A+A1*(1+h*A)))*hv+square(1+0.5*h*A1)*0.5*h*(g2+g21)
	}
	for _, c := range []struct {
		m          Method
		mean, vari float64
	}{{EulerMaruyama, em, ev}, {Heun, hm, hv}} {
		mean, vari := law(t, Sampler{Method: c.m, Steps: n}, g, g)
		if math.Abs(mean-c.mean) > 1e-10 || math.Abs(vari-c.vari) > 1e-10 {
			t.Errorf("%v: mean %.12g and variance %.12g, the recursion gives %.12g and %.12g", c.m, mean, vari,
				c.mean, c.vari)
		}
	}
}

// DDPM as Ho et al. write it, with its β̃_t and the two weights of equation 7.
func TestDDPMIsEquation7(t *testing.T) {
	g := gaussian{path: path.VP{}, pred: path.Noise, m: 0.7, s: 0.5}
	grid := []float64{0.6, 0.65}
	c, n := g.path.At(grid[0]), g.path.At(grid[1])
	abar, abarPrev := square(c.Alpha), square(n.Alpha)
	beta := 1 - abar/abarPrev
	x := flow.Batch{N: 3, D: 1, X: []float64{-1, 0.3, 0.3}}
	eps := make([]float64, 3)
	if err := g.Velocity(eps, grid[0], x.X); err != nil {
		t.Fatal(err)
	}
	z := []float64{0, 0, 1.5}
	want := make([]float64, 3)
	for i, xt := range x.X {
		x0 := (xt - math.Sqrt(1-abar)*eps[i]) / math.Sqrt(abar) // their x_0 is our x_1
		mu := math.Sqrt(abarPrev)*beta/(1-abar)*x0 + math.Sqrt(1-beta)*(1-abarPrev)/(1-abar)*xt
		want[i] = mu + math.Sqrt((1-abarPrev)/(1-abar)*beta)*z[i]
	}
	s := Sampler{Method: DDPM, Grid: grid}
	if _, err := s.sample(context.Background(), g, g.path, g.pred, x,
		func(to []float64, _ int) { copy(to, z) }); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if math.Abs(x.X[i]-want[i]) > 1e-12 {
			t.Errorf("point %d: got %.15g, want %.15g", i, x.X[i], want[i])
		}
	}
}

// DDIM with eta 0 is Euler's method for d(x/α)/d(σ/α) = x̂_0.
func TestDDIMIsEulerInTheRatioOfNoise(t *testing.T) {
	g := gaussian{path: path.VP{}, pred: path.Velocity, m: 0.7, s: 0.5}
	noise := gaussian{path: g.path, pred: path.Noise, m: g.m, s: g.s}
	s := Sampler{Method: DDIM, Steps: 30}
	x := flow.Batch{N: 2, D: 1, X: []float64{-1.2, 0.4}}
	want := append([]float64(nil), x.X...)
	lo, hi := s.Span(g.path, g.pred)
	eps, times := make([]float64, 2), s.times(g.path, lo, hi)
	for k := range s.Steps {
		c, n := g.path.At(times[k]), g.path.At(times[k+1])
		if err := noise.Velocity(eps, times[k], want); err != nil {
			t.Fatal(err)
		}
		for i := range want {
			want[i] = n.Alpha * (want[i]/c.Alpha + (n.Sigma/n.Alpha-c.Sigma/c.Alpha)*eps[i])
		}
	}
	if _, err := s.Sample(context.Background(), g, g.path, g.pred, x); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if math.Abs(x.X[i]-want[i]) > 1e-10 {
			t.Errorf("point %d: got %.15g, want %.15g", i, x.X[i], want[i])
		}
	}
}

// Without noise the points themselves converge, to the solution of the probability
// flow ODE: for a Gaussian, that keeps the number of standard deviations.
func TestDDIMConvergesToTheProbabilityFlow(t *testing.T) {
	for _, sched := range []path.Scheduler{path.VP{}, path.Cosine{}, path.CondOT{}} {
		g := gaussian{path: sched, m: 0.7, s: 0.5}
		var errs [2]float64
		for i, n := range []int{200, 400} {
			s := Sampler{Method: DDIM, Steps: n}
			lo, hi := s.Span(g.path, g.pred)
			x := flow.Batch{N: 1, D: 1, X: []float64{1.3}}
			m0, v0 := g.marginal(lo)
			m1, v1 := g.marginal(hi)
			want := m1 + math.Sqrt(v1/v0)*(1.3-m0)
			if _, err := s.Sample(context.Background(), g, sched, g.pred, x); err != nil {
				t.Fatal(err)
			}
			errs[i] = math.Abs(x.X[0] - want)
		}
		if order := math.Log2(errs[0] / errs[1]); math.Abs(order-1) > 0.1 {
			t.Errorf("%T: order %.3f (errors %.3g, %.3g), want 1", sched, order, errs[0], errs[1])
		}
	}
}

// Data of scale 1000 begin as pure noise too, whatever is cut off at the start, and so come
// out as wide as they are.
func TestDataOfAnyScaleStartFromTheSource(t *testing.T) {
	for _, sched := range []path.Scheduler{path.CondOT{}, path.Cosine{}, path.Poly{N: 2}, path.LinearVP{}} {
		for _, scale := range []float64{0.01, 1, 1000, 1e6} {
			for _, s := range []Sampler{{Method: DDPM}, {Method: DDIM}, {}, {Method: Heun}, {Diffusion: Sigma{}}} {
				s.Steps, s.Scale = 400, scale
				g := gaussian{path: sched, pred: path.Noise, s: scale}
				lo, _ := s.Span(sched, g.pred)
				_, start := g.marginal(lo)
				if got := start / square(path.Source(sched).Std); math.Abs(got-1) > 3e-3 {
					t.Errorf("%T, scale %g, %v starts at t = %g with %.3f of the variance of the source", sched,
						scale, s, lo, got)
				}
			}
			// The flow keeps the number of standard deviations.
			g := gaussian{path: sched, pred: path.Noise, s: scale}
			lo, hi := path.SpanOf(sched, g.pred, scale)
			x := []float64{1}
			solver := ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-8, ATol: 1e-8}}
			f := path.AsVelocity(g, sched, g.pred)
			if _, err := solver.Solve(t.Context(), f.Velocity, x, lo, hi); err != nil {
				t.Errorf("%T, scale %g: %v", sched, scale, err)
			}
			if _, end := g.marginal(hi); math.Abs(x[0]/math.Sqrt(end)-1) > 2e-3 {
				t.Errorf("%T: a source point at 1 deviation comes to %g of %g", sched, x[0], math.Sqrt(end))
			}
		}
	}
}

func ExampleSampler() {
	// Data N(0.7, 0.5²) along the OT path: the law that comes out is the data's.
	sched := path.CondOT{}
	f := gaussian{path: sched, m: 0.7, s: 0.5}
	for _, s := range []Sampler{{Method: EulerMaruyama, Diffusion: Sigma{}, Steps: 100}, {Method: DDPM, Steps: 100}} {
		x := flow.NewBatch(20_000, 1)
		path.Source(sched).Sample(x, newRand())
		stats, err := s.Sample(context.Background(), f, sched, path.Velocity, x)
		mean := 0.0
		for _, v := range x.X {
			mean += v / float64(x.N)
		}
		fmt.Printf("%v: mean %.1f, %d evaluations, %v\n", s, mean, stats.NFE, err)
	}
	// Output:
	// euler_maruyama g=sigma, 100 steps: mean 0.7, 100 evaluations, <nil>
	// ddpm, 100 steps: mean 0.7, 100 evaluations, <nil>
}
