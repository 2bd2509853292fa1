package field_test

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/integrate/quad"

	"flowmatch/flow"
	"flowmatch/flowtest"
	"flowmatch/internal/seed"
	"flowmatch/path"
)

// net is a small model v_θ(t, x) = Σ_k a_k tanh(b_k·x + c_k t + d_k), with a_k and
// b_k in R^D, and its gradient by hand: enough to be non-linear in θ.
type net struct {
	d, hidden int
	theta     []float64 // per hidden unit: a [D], b [D], c, d
}

func newNet(d, hidden int, index uint64) net {
	return net{d, hidden, normals(1, hidden*(2*d+2), 1, index).X}
}

// loss returns |v − u|² and adds weight times its gradient in θ to grad.
func (n net) loss(grad []float64, weight, t float64, x, u []float64) float64 {
	step := 2*n.d + 2
	h := make([]float64, n.hidden)
	r := make([]float64, n.d) // v − u
	for i := range r {
		r[i] = -u[i]
	}
	for k := range h {
		p := n.theta[k*step:]
		s := p[2*n.d]*t + p[2*n.d+1]
		for i := range n.d {
			s += p[n.d+i] * x[i]
		}
		h[k] = math.Tanh(s)
		for i := range r {
			r[i] += p[i] * h[k]
		}
	}
	sum := 0.0
	for k, hk := range h {
		p, g := n.theta[k*step:], grad[k*step:]
		back := 0.0
		for i := range r {
			g[i] += weight * 2 * r[i] * hk
			back += weight * 2 * r[i] * p[i] * (1 - hk*hk)
		}
		for i := range x {
			g[n.d+i] += back * x[i]
		}
		g[2*n.d] += back * t
		g[2*n.d+1] += back
	}
	for _, v := range r {
		sum += v * v
	}
	return weight * sum
}

func TestTheSmallNetsGradientIsRight(t *testing.T) {
	n := newNet(2, 3, 70)
	x, u := []float64{0.3, -0.8}, []float64{1, 0.2}
	grad := make([]float64, len(n.theta))
	n.loss(grad, 1, 0.4, x, u)
	for k := range n.theta {
		keep := n.theta[k]
		num := fivePoint(1e-3, func(h float64) []float64 {
			n.theta[k] = keep + h
			return []float64{n.loss(make([]float64, len(grad)), 1, 0.4, x, u)}
		})
		n.theta[k] = keep
		within(t, fmt.Sprintf("parameter %d", k), grad[k], num[0], 1e-9*(1+math.Abs(num[0])))
	}
}

// Theorem 2 of the paper: L_FM (eq. 5) and L_CFM (eq. 9) have the same gradient in θ.
// In one dimension both expectations are integrals that the trapezoid rule gives to
// rounding, over different variables: L_FM over x, with the density of eq. 6 and
// the field of eq. 8; L_CFM over x_0 for each data point, with the conditional
// field of eq. 12. The same 12 Gauss-Legendre times serve both, since the theorem
// holds at every t.
func TestTheFlowMatchingLossAndTheConditionalLossHaveTheSameGradient(t *testing.T) {
	x1 := flow.Batch{N: 4, D: 1, X: []float64{-1.1, -0.2, 0.4, 1.5}}
	q := []float64{0.1, 0.4, 0.2, 0.3}
	times, wt := make([]float64, 12), make([]float64, 12)
	for _, s := range []flowtest.Named{{Name: "condot", Scheduler: path.CondOT{SigmaMin: 0.1}},
		{Name: "vp", Scheduler: path.VP{}},
		{Name: "ve", Scheduler: path.VE{SigmaMin: 0.1, SigmaMax: 3}}, {Name: "cosine", Scheduler: path.Cosine{}}} {
		t.Run(s.Name, func(t *testing.T) {
			quad.Legendre{}.FixedLocations(times, wt, 0, 0.9)
			var gap []float64 // L_CFM − L_FM does not depend on θ
			for net := range 3 {
				n := newNet(1, 3, uint64(71+net))
				fm, cfm := make([]float64, len(n.theta)), make([]float64, len(n.theta))
				gap = append(gap, 0)
				size := 0.0
				for k, at := range times {
					a := marginalLoss(t, n, fm, wt[k], s, at, x1, q)
					b := conditionalLoss(n, cfm, wt[k], s, at, x1, q)
					gap[net] += b - a
					size += b
				}
				for k := range fm {
					within(t, fmt.Sprintf("net %d, parameter %d", net, k), cfm[k], fm[k], 1e-9*(1+size))
				}
				within(t, fmt.Sprintf("net %d: L_CFM − L_FM beside net 0", net), gap[net], gap[0], 1e-9*(1+size))
			}
			// The variance of u_t(x|x_1) given x: were it zero, the losses would be one
			// and the theorem empty.
			if gap[0] < 0.01 {
				t.Errorf("L_CFM − L_FM = %g: the problem is too easy to show anything", gap[0])
			}
		})
	}
}

// marginalLoss is ∫ p_t(x) |v_θ − u_t(x)|² dx by the trapezoid rule.
func marginalLoss(t *testing.T, n net, grad []float64, weight float64, s path.Scheduler, at float64, x1 flow.Batch,
	q []float64) float64 {
	f := marginal(t, s, x1, q)
	c := s.At(at)
	half := 9*c.Sigma + 1.5*c.Alpha
	h := min(c.Sigma, 0.5) / 12 // resolves the wells of width σ, and tanh
	var x []float64
	for v := -half; v <= half; v += h {
		x = append(x, v)
	}
	u, lp := velocity(t, f, at, x), logp(t, f, at, x)
	sum := 0.0
	for i := range x {
		sum += n.loss(grad, weight*h*math.Exp(lp[i]), at, x[i:i+1], u[i:i+1])
	}
	return sum
}

// conditionalLoss is Σ_i q_i E |v_θ(x_t) − u_t(x_t|x_i)|², x_t = ψ_t(x_0), x_0 ~ N(0, 1).
func conditionalLoss(n net, grad []float64, weight float64, s path.Scheduler, at float64, x1 flow.Batch,
	q []float64) float64 {
	sum := 0.0
	c := s.At(at)
	h := min(1, 0.5/c.Sigma) / 11
	x, u := flow.NewBatch(1, 1), flow.NewBatch(1, 1)
	for i := range x1.N {
		for x0 := -9.0; x0 <= 9; x0 += h {
			x.X[0] = c.Point(x1.X[i], x0)
			if err := path.ConditionalVelocity(u, c, x, x1.Slice(i, i+1)); err != nil {
				return math.NaN() // which no tolerance lets pass
			}
			w := h * math.Exp(-0.5*x0*x0) / math.Sqrt(2*math.Pi)
			sum += n.loss(grad, weight*q[i]*w, at, x.X, u.X)
		}
	}
	return sum
}

// The same in the plane, with the draws that training makes: t uniform, x_0, x_1,
// Interpolate. Per draw the difference of the two gradients must average to zero
// within 5 standard errors (24 parameters, 4 schedules: chance 6e-5 of a false alarm).
func TestTheTwoGradientsAgreeOverTheDrawsOfTraining(t *testing.T) {
	const times, perTime, seedOf = 40, 250, 81
	for _, s := range []flowtest.Named{{Name: "condot", Scheduler: path.CondOT{SigmaMin: 0.1}},
		{Name: "vp", Scheduler: path.VP{}},
		{Name: "ve", Scheduler: path.VE{SigmaMin: 0.1, SigmaMax: 3}}, {Name: "cosine", Scheduler: path.Cosine{}}} {
		t.Run(s.Name, func(t *testing.T) {
			f := flowtest.TwoModes(s)
			n := newNet(2, 4, 90)
			rng := seed.Rand(seedOf, "draws", 0)
			mean, sq, size := make([]float64, len(n.theta)), make([]float64, len(n.theta)),
				make([]float64, len(n.theta))
			x0, x1, xt, ut := flow.NewBatch(perTime, 2), flow.NewBatch(perTime, 2), flow.NewBatch(perTime, 2),
				flow.NewBatch(perTime, 2)
			at := make([]float64, perTime)
			for range times {
				now := 0.95 * rng.Float64()
				for i := range at {
					at[i] = now
				}
				f.Sample(x1, rng)
				flow.Gaussian{}.Sample(x0, rng)
				if err := path.Interpolate(xt, ut, s, at, x0, x1); err != nil {
					t.Fatal(err)
				}
				u := velocity(t, f, now, xt.X)
				for i := range perTime {
					fm, cfm := make([]float64, len(n.theta)), make([]float64, len(n.theta))
					n.loss(fm, 1, now, xt.Row(i), u[2*i:2*i+2])
					n.loss(cfm, 1, now, xt.Row(i), ut.Row(i))
					for k := range fm {
						d := cfm[k] - fm[k]
						mean[k] += d / (times * perTime)
						sq[k] += d * d / (times * perTime)
						size[k] += math.Abs(fm[k]) / (times * perTime)
					}
				}
			}
			for k := range mean {
				se := math.Sqrt(sq[k] / (times * perTime))
				within(t, fmt.Sprintf("parameter %d: mean of the difference, seed %d", k, seedOf), mean[k], 0, 5*se)
				if se > 0.1*size[k] {
					t.Errorf("parameter %d: standard error %g beside gradients of %g: the test has no power",
						k, se, size[k])
				}
			}
		})
	}
}
