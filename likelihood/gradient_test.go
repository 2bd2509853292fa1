package likelihood

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/flowtest"
	"flowmatch/internal/seed"
	"flowmatch/ode"
	"flowmatch/path"
)

// tiny is the network v = A tanh(u), u = B x + c t, with θ = (A [D,H], B [H,D], c [H])
// and every derivative by hand:
//
//	∂v/∂x = A diag(h') B,  h' = 1 − tanh²,
//	∇·v = Σ_k h'_k m_k,  m_k = Σ_d A_dk B_kd;   εᵀ(∂v/∂x)ε the same with m_k = (εᵀA)_k (Bε)_k.
type tiny struct {
	d, h  int
	theta []float64
}

func newTiny(d, h int, seedOf uint64) *tiny {
	n := &tiny{d: d, h: h, theta: make([]float64, 2*d*h+h)}
	rng := seed.Rand(seedOf, "test/tiny", 0)
	for i := range n.theta {
		n.theta[i] = 0.7 * rng.NormFloat64()
	}
	return n
}

func (n *tiny) Dim() int       { return n.d }
func (n *tiny) NumParams() int { return len(n.theta) }

func (n *tiny) split(v []float64) (a, b, c []float64) {
	dh := n.d * n.h
	return v[:dh], v[dh : 2*dh], v[2*dh:]
}

func (n *tiny) hidden(t float64, x []float64) (h, dh []float64) {
	_, b, c := n.split(n.theta)
	h, dh = make([]float64, n.h), make([]float64, n.h)
	for k := range h {
		u := c[k] * t
		for j, v := range x {
			u += b[k*n.d+j] * v
		}
		h[k] = math.Tanh(u)
		dh[k] = 1 - h[k]*h[k]
	}
	return h, dh
}

func (n *tiny) Velocity(v []float64, t float64, x []float64) error {
	a, _, _ := n.split(n.theta)
	for i := 0; i < len(x); i += n.d {
		h, _ := n.hidden(t, x[i:i+n.d])
		for j := range n.d {
			v[i+j] = 0
			for k := range h {
				v[i+j] += a[j*n.h+k] * h[k]
			}
		}
	}
	return nil
}

func (n *tiny) VJP(v, g []float64, t float64, x, e []float64) error {
	a, b, _ := n.split(n.theta)
	clear(g)
	for i := 0; i < len(x); i += n.d {
		_, dh := n.hidden(t, x[i:i+n.d])
		for k := range dh {
			p := 0.0
			for j := range n.d {
				p += e[i+j] * a[j*n.h+k]
			}
			for j := range n.d {
				g[i+j] += p * dh[k] * b[k*n.d+j]
			}
		}
	}
	return n.Velocity(v, t, x)
}

func (n *tiny) VJPAug(gx, gtheta []float64, t float64, x, a, l, e []float64) error {
	wa, wb, _ := n.split(n.theta)
	ga, gb, gc := n.split(gtheta)
	for i, li := range l {
		row := func(v []float64) []float64 { return v[i*n.d : (i+1)*n.d] }
		xi, ai, gi := row(x), row(a), row(gx)
		h, dh := n.hidden(t, xi)
		for k := range n.h {
			var da, m, p, q float64 // (Aᵀa)_k, m_k, (εᵀA)_k, (Bε)_k
			for j := range n.d {
				da += ai[j] * wa[j*n.h+k]
				if e == nil {
					m += wa[j*n.h+k] * wb[k*n.d+j]
				} else {
					p += row(e)[j] * wa[j*n.h+k]
					q += wb[k*n.d+j] * row(e)[j]
				}
			}
			if e != nil {
				m = p * q
			}
			du := da*dh[k] - 2*li*h[k]*dh[k]*m
			dm := li * dh[k]
			gc[k] += du * t
			for j := range n.d {
				gi[j] += du * wb[k*n.d+j]
				ga[j*n.h+k] += ai[j] * h[k]
				gb[k*n.d+j] += du * xi[j]
				if e == nil {
					ga[j*n.h+k] += dm * wb[k*n.d+j]
					gb[k*n.d+j] += dm * wa[j*n.h+k]
				} else {
					ga[j*n.h+k] += dm * q * row(e)[j]
					gb[k*n.d+j] += dm * p * row(e)[j]
				}
			}
		}
	}
	return nil
}

func TestTheTestNetworkIsAField(t *testing.T) {
	flowtest.TestField(t, newTiny(3, 4, 1), flowtest.FieldOptions{})
}

func TestGradientIsThatOfTheDiscreteLogProb(t *testing.T) {
	ctx := context.Background()
	x1 := normals(5, 3, 1, 20)
	w := []float64{1, -0.5, 2, 0.25, 0}
	for _, s := range []struct {
		name   string
		solver ode.Solver
	}{
		// long steps: only the gradient of the discrete solution can agree
		{"euler", ode.Solver{Method: ode.Euler, Control: ode.Fixed(3)}},
		{"rk4", ode.Solver{Method: ode.RK4, Control: ode.Fixed(4)}},
		{"tsit5", ode.Solver{Method: ode.Tsit5, Control: ode.Grid{1, 0.8, 0.3, 0}}},
	} {
		for _, d := range []Divergence{Exact{}, Hutchinson{Seed: 21}, Hutchinson{Probes: 3, Kind: Gaussian, Seed: 22}} {
			for _, src := range []flow.Source{flow.Gaussian{Std: 1.3}, logistic{}} {
				net := newTiny(3, 4, 23)
				p := Problem{Field: net, Source: src, Divergence: d, Solver: s.solver, BatchSize: 2}
				total := func() float64 {
					logp, _, _, err := p.LogProb(ctx, x1)
					if err != nil {
						t.Fatal(err)
					}
					sum := 0.0
					for i, v := range logp {
						sum += w[i] * v
					}
					return sum
				}
				got, logp, st, err := p.Gradient(ctx, x1, w)
				if err != nil || st.VJPs == 0 {
					t.Fatal(st, err)
				}
				if want, _, _, _ := p.LogProb(ctx, x1); largestGap(logp, want) != 0 {
					t.Errorf("%s, %+v: Gradient's log p differs from LogProb's", s.name, d)
				}
				const h = 1e-5 // central differences: h² and 1e-15/h, both below 1e-9
				for i := range net.theta {
					keep := net.theta[i]
					net.theta[i] = keep + h
					up := total()
					net.theta[i] = keep - h
					want := (up - total()) / (2 * h)
					net.theta[i] = keep
					if math.Abs(got[i]-want) > 1e-7*(1+math.Abs(want)) {
						t.Errorf("%s, %+v, %T: ∂/∂θ[%d] got %.10g, want %.10g within 1e-7", s.name, d, src, i, got[i], want)
					}
				}
			}
		}
	}
}

// logistic is the source of independent standard logistic coordinates, a Scorer.
type logistic struct{ flow.Gaussian }

func (logistic) LogProb(logp []float64, x flow.Batch) {
	for i := range x.N {
		logp[i] = 0
		for _, v := range x.Row(i) {
			logp[i] -= v + 2*math.Log1p(math.Exp(-v))
		}
	}
}

func (logistic) Score(s []float64, x flow.Batch) {
	for i, v := range x.X {
		s[i] = -math.Tanh(v / 2)
	}
}

func TestNilWeightsAreTheMean(t *testing.T) {
	x1 := normals(4, 3, 1, 24)
	p := Problem{Field: newTiny(3, 2, 25), Source: flow.Gaussian{}, Solver: tight()}
	mean, _, _, err := p.Gradient(context.Background(), x1, nil)
	if err != nil {
		t.Fatal(err)
	}
	quarter, _, _, err := p.Gradient(context.Background(), x1, []float64{0.25, 0.25, 0.25, 0.25})
	if err != nil || largestGap(mean, quarter) != 0 {
		t.Errorf("got %v, want %v (%v)", mean, quarter, err)
	}
}

func TestMaximumLikelihoodByThisGradientLearnsADensity(t *testing.T) {
	if testing.Short() {
		t.Skip("a small training run")
	}
	ctx := context.Background()
	m := flowtest.TwoModes(path.CondOT{})
	x1 := flow.NewBatch(100, 2)
	m.Sample(x1, seed.Rand(26, "test/data", 0))
	net := newTiny(2, 8, 27)
	p := Problem{Field: net, Source: flow.Gaussian{}, Solver: ode.Solver{Method: ode.Midpoint, Control: ode.Fixed(6)}}
	mean := func(logp []float64) float64 {
		s := 0.0
		for _, v := range logp {
			s += v / float64(len(logp))
		}
		return s
	}
	var first, last float64
	for step := range 120 {
		g, logp, _, err := p.Gradient(ctx, x1, nil)
		if err != nil {
			t.Fatal(err)
		}
		if last = mean(logp); step == 0 {
			first = last
		}
		for i, v := range g {
			net.theta[i] += 0.1 * v
		}
	}
	truth := make([]float64, x1.N)
	if err := m.LogProb(truth, 1, x1.X); err != nil {
		t.Fatal(err)
	}
	t.Logf("mean log p: %.3f before, %.3f after, %.3f under the density that drew the points", first, last, mean(truth))
	// plain gradient ascent gets most of the way; a wrong term of the gradient does not
	if last < first || mean(truth)-last > 0.25*(mean(truth)-first) {
		t.Errorf("mean log p went from %.3f to %.3f, want three quarters of the way to %.3f", first, last, mean(truth))
	}
}

func TestGradientSaysWhatItNeeds(t *testing.T) {
	ctx, net := context.Background(), newTiny(2, 2, 28)
	type plain struct{ flow.Source }
	for _, c := range []struct {
		name string
		p    Problem
		w    []float64
		word string
	}{
		{"a field without parameters", Problem{Field: linear(2, 1), Source: flow.Gaussian{}, Solver: tight()}, nil, "Parametric"},
		{"a source without score", Problem{Field: net, Source: plain{flow.Gaussian{}}, Solver: tight()}, nil, "Scorer"},
		{"too few weights", Problem{Field: net, Source: flow.Gaussian{}, Solver: tight()}, []float64{1}, "1 weights for 3 points"},
	} {
		_, _, _, err := c.p.Gradient(ctx, flow.NewBatch(3, 2), c.w)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: got %v, want ErrInvalid that says %q", c.name, err, c.word)
		}
	}
}
