package field_test

import (
	"context"
	"fmt"
	"math"
	"testing"

	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/flowtest"
	"flowmatch/internal/seed"
	"flowmatch/ode"
	"flowmatch/path"
)

func TestBothFieldsPassTheSuiteOnEverySchedule(t *testing.T) {
	for _, s := range flowtest.Schedules() {
		lo, hi := path.Span(s, path.Data)
		start := path.Source(s).Std
		// The points of a Marginal sit in narrow wells of width σ: stay where a
		// difference quotient of step 1e-5 can see them.
		for hi > lo && s.At(hi).Sigma < 0.03 {
			hi -= 0.01
		}
		t.Run("marginal, "+s.Name, func(t *testing.T) {
			flowtest.TestField(t, fivePoints(t, s),
				flowtest.FieldOptions{Lo: lo, Hi: hi, Scale: min(start, 2), Step: 1e-6,
					Tol: 1e-5})
		})
		t.Run("mixture, "+s.Name, func(t *testing.T) {
			a, b := s.Domain()
			flowtest.TestField(t, flowtest.TwoModes(s), flowtest.FieldOptions{Lo: a, Hi: b, Scale: min(start, 2)})
		})
	}
}

// The continuity equation (eq. 26 of the paper), divided by p:
//
//	∂/∂t log p + ∇·u + u·∇log p = 0
func TestTheContinuityEquationHoldsForEverySchedule(t *testing.T) {
	for _, s := range flowtest.Schedules() {
		for name, f := range both(t, s) {
			t.Run(name+", "+s.Name, func(t *testing.T) {
				lo, hi := s.Domain()
				for _, share := range []float64{0.02, 0.2, 0.5, 0.8, 0.9} {
					continuity(t, f, s, lo+share*(hi-lo))
				}
			})
		}
	}
}

func continuity(t *testing.T, f density, s path.Scheduler, at float64) {
	t.Helper()
	const n = 4
	c := s.At(at)
	x := normals(n, 2, math.Hypot(c.Alpha, c.Sigma), uint64(1000*at)).X
	u, div := make([]float64, len(x)), make([]float64, n)
	if err := f.VelocityDiv(u, div, at, x); err != nil {
		t.Fatal(err)
	}
	// Both derivatives by a five point formula, error O(h⁴) in units of the
	// length σ and the time over which log σ changes by one.
	ht := 1e-3 * min(at, 1-at, math.Abs(c.Sigma/c.DSigma))
	dt := fivePoint(ht, func(h float64) []float64 { return logp(t, f, at+h, x) })
	hx := 1e-3 * c.Sigma
	along := make([]float64, n)
	for d := range 2 {
		grad := fivePoint(hx, func(h float64) []float64 {
			y := append([]float64(nil), x...)
			for i := d; i < len(y); i += 2 {
				y[i] += h
			}
			return logp(t, f, at, y)
		})
		for i := range along {
			along[i] += u[2*i+d] * grad[i]
		}
	}
	for i := range dt {
		scale := 1 + math.Abs(dt[i]) + math.Abs(div[i]) + math.Abs(along[i])
		within(t, fmt.Sprintf("t = %g, x = %v", at, x[2*i:2*i+2]), dt[i]+div[i]+along[i], 0, 1e-7*scale)
	}
}

func fivePoint(h float64, f func(h float64) []float64) []float64 {
	a, b, c, d := f(-2*h), f(-h), f(h), f(2*h)
	for i := range a {
		a[i] = (a[i] - 8*b[i] + 8*c[i] - d[i]) / (12 * h)
	}
	return a
}

// The trapezoid rule on a grid far wider than the density converges faster than
// any power of the step, so 1e-8 is not optimistic.
func TestTheDensityIntegratesToOneAtAllTimes(t *testing.T) {
	for _, s := range []flowtest.Named{{Name: "condot", Scheduler: path.CondOT{}}, {Name: "vp", Scheduler: path.VP{}},
		{Name: "ve", Scheduler: path.VE{SigmaMin: 0.1, SigmaMax: 1}}} {
		for name, f := range both(t, s) {
			for _, at := range []float64{0, 0.3, 0.7, 0.9} {
				const half, n = 10.0, 251
				h := 2 * half / (n - 1)
				x := make([]float64, 0, 2*n*n)
				for i := range n {
					for j := range n {
						x = append(x, -half+h*float64(i), -half+h*float64(j))
					}
				}
				sum := 0.0
				for _, l := range logp(t, f, at, x) {
					sum += math.Exp(l) * h * h
				}
				within(t, fmt.Sprintf("%s, %s: integral of p at t = %g", name, s.Name, at), sum, 1, 1e-8)
			}
		}
	}
}

func TestTheFieldOfOnePointIsItsConditionalField(t *testing.T) {
	const d = 3
	x1 := []float64{0.4, -2, 1}
	for _, s := range flowtest.Schedules() {
		m := marginal(t, s, flow.Batch{N: 1, D: d, X: x1}, nil)
		lo, hi := path.Span(s, path.Data)
		for _, at := range []float64{lo, 0.3, 0.9, hi} {
			x := normals(7, d, 1, 1)
			rep, want := flow.NewBatch(7, d), flow.NewBatch(7, d)
			for i := range 7 {
				copy(rep.Row(i), x1)
			}
			if err := path.ConditionalVelocity(want, s.At(at), x, rep); err != nil {
				t.Fatal(err)
			}
			for i, got := range velocity(t, m, at, x.X) {
				within(t, fmt.Sprintf("%s, t = %g, element %d", s.Name, at, i), got, want.X[i],
					1e-12*math.Abs(want.X[i])+1e-15)
			}
			// Eq. 10: its density is N(α x_1, σ² I).
			c := s.At(at)
			for i, got := range logp(t, m, at, x.X) {
				r := 0.0
				for k, v := range x.Row(i) {
					r += (v - c.Alpha*x1[k]) * (v - c.Alpha*x1[k])
				}
				w := -0.5*r/(c.Sigma*c.Sigma) - 0.5*d*math.Log(2*math.Pi*c.Sigma*c.Sigma)
				within(t, fmt.Sprintf("%s, log p at t = %g, point %d", s.Name, at, i), got, w, 1e-11*(1+math.Abs(w)))
			}
		}
	}
}

// A Gaussian is carried by an affine map in closed form, also far from the origin.
func TestTheFlowOfAGaussianIsItsClosedFormMap(t *testing.T) {
	for _, s := range flowtest.Schedules() {
		f, phi := flowtest.Gaussian(s, []float64{1, -2}, 0.5)
		lo, hi := s.Domain()
		hi -= 0.1 * (hi - lo) // VP and LinearVP: RK4 does not resolve σ̇ → ∞ to 1e-8
		x := normals(5, 2, path.Source(s).Std, 2).X
		want := append([]float64(nil), x...)
		phi(want, lo, hi)
		if _, err := (ode.Solver{Method: ode.RK4, Control: ode.Fixed(1000)}).
			Solve(context.Background(), f.Velocity, x, lo, hi); err != nil {
			t.Fatal(err)
		}
		for i := range x {
			within(t, fmt.Sprintf("%s, element %d", s.Name, i), x[i], want[i], 1e-8*(1+math.Abs(want[i])))
		}
	}
}

// Points of p_lo, pushed by the field, must be points of p_hi: mean, covariance
// and mean log density within 4 standard errors of the closed form, N = 2500.
func TestAPathPushedByItsOwnFieldReachesTheTarget(t *testing.T) {
	const n, seedOf = 2500, 21
	for _, s := range []flowtest.Named{{Name: "condot", Scheduler: path.CondOT{}}, {Name: "vp", Scheduler: path.VP{}},
		{Name: "ve", Scheduler: path.VE{}}} {
		t.Run(s.Name, func(t *testing.T) {
			f := flowtest.TwoModes(s)
			lo, hi := s.Domain()
			rng := seed.Rand(seedOf, "push", 0)
			// p_lo exactly: α x_1 + σ x_0, and not only the source.
			x, x0 := flow.NewBatch(n, 2), flow.NewBatch(n, 2)
			f.Sample(x, rng)
			flow.Gaussian{}.Sample(x0, rng)
			c := s.At(lo)
			for i := range x.X {
				x.X[i] = c.Alpha*x.X[i] + c.Sigma*x0.X[i]
			}
			if _, err := (ode.Solver{Method: ode.RK4, Control: ode.Fixed(120)}).
				Solve(context.Background(), f.Velocity, x.X, lo, hi); err != nil {
				t.Fatal(err)
			}
			reachesTwoModes(t, s.At(hi), x)
			// The mean of log p_hi, against an independent sample of p_hi.
			fresh := flow.NewBatch(n, 2)
			f.Sample(fresh, rng)
			flow.Gaussian{}.Sample(x0, rng)
			c = s.At(hi)
			for i := range fresh.X {
				fresh.X[i] = c.Alpha*fresh.X[i] + c.Sigma*x0.X[i]
			}
			m1, v1 := meanVar(logp(t, f, hi, x.X))
			m2, v2 := meanVar(logp(t, f, hi, fresh.X))
			within(t, "mean log density", m1, m2, 4*math.Sqrt((v1+v2)/n))
		})
	}
}

// reachesTwoModes compares sample moments with those of flowtest.TwoModes at c.
func reachesTwoModes(t *testing.T, c path.Coef, x flow.Batch) {
	t.Helper()
	// Mean 0.3 (−1.5, 0.5) + 0.7 (1, −0.5); the covariance adds the spread of the means.
	mean := []float64{c.Alpha * 0.25, c.Alpha * -0.2}
	dx, dy := -2.5, 1.0
	cov := []float64{0.3*0.5 + 0.7*0.36 + 0.21*dx*dx, 0.3*0.2 + 0.21*dx*dy, 0.3*0.3 + 0.7*0.36 + 0.21*dy*dy}
	for d := range 2 {
		col := make([]float64, x.N)
		for i := range col {
			col[i] = x.Row(i)[d]
		}
		m, v := meanVar(col)
		within(t, fmt.Sprintf("mean %d", d), m, mean[d], 4*math.Sqrt(v/float64(x.N)))
	}
	for k, pair := range [][2]int{{0, 0}, {0, 1}, {1, 1}} {
		prod := make([]float64, x.N)
		for i := range prod {
			prod[i] = (x.Row(i)[pair[0]] - mean[pair[0]]) * (x.Row(i)[pair[1]] - mean[pair[1]])
		}
		want := c.Alpha * c.Alpha * cov[k]
		if pair[0] == pair[1] {
			want += c.Sigma * c.Sigma
		}
		m, v := meanVar(prod)
		within(t, fmt.Sprintf("covariance %v", pair), m, want, 4*math.Sqrt(v/float64(x.N)))
	}
}

func meanVar(x []float64) (mean, variance float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / float64(len(x)-1)
	}
	return mean, variance
}

// Solved to the end of its span a Marginal gives back its data, with their weights.
func TestAMarginalSolvedToTheEndReturnsItsData(t *testing.T) {
	const n, steps = 500, 150
	for _, s := range []path.Scheduler{path.CondOT{}, path.VP{}, path.VE{}} {
		m := fivePoints(t, s)
		lo, hi := path.Span(s, path.Data)
		x := flow.NewBatch(n, 2)
		path.Source(s).Sample(x, seed.Rand(31, "memorise", 0))
		// Near the data u_t is stiff like 1/(1−t): steps in proportion to the time
		// that is left, except for VE, whose σ falls so by itself.
		grid := make(ode.Grid, steps+1)
		for k := range grid {
			share := float64(k) / steps
			grid[k] = lo + share*(hi-lo)
			if _, ve := s.(path.VE); !ve {
				grid[k] = 1 - math.Pow(1-hi, share)
			}
		}
		grid[steps] = hi
		if _, err := (ode.Solver{Method: ode.RK4, Control: grid}).
			Solve(context.Background(), m.Velocity, x.X, lo, hi); err != nil {
			t.Fatal(err)
		}
		data := []float64{-1, 0.5, 1.2, 0, 0, -1, 0.3, 0.9, -0.7, -0.6}
		q := []float64{0.1, 0.3, 0.2, 0.15, 0.25}
		count := make([]float64, 5)
		c := s.At(hi)
		for i := range n {
			best, at := math.Inf(1), 0
			for k := range 5 {
				if r := math.Hypot(x.Row(i)[0]-c.Alpha*data[2*k], x.Row(i)[1]-c.Alpha*data[2*k+1]); r < best {
					best, at = r, k
				}
			}
			count[at]++
			// Noise of σ(hi) remains; 6 σ is a chance of 1e-8 for each of 1500 points.
			if best > 6*c.Sigma {
				t.Fatalf("%T: point %d ends %g from the data, sigma is %g", s, i, best, c.Sigma)
			}
		}
		for k := range q {
			// VP's source differs from p_lo by α = 0.0066, a hundredth of a standard error.
			within(t, fmt.Sprintf("%T: share of data point %d", s, k), count[k]/n, q[k], 4*math.Sqrt(q[k]*(1-q[k])/n))
		}
	}
}

var _ = []density{(*field.Marginal)(nil), (*field.Mixture)(nil)}
