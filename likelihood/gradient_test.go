package likelihood

import (
	"context"
	"errors"
	"math"
	"slices"
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
//	rᵀ(∂v/∂x)q = Σ_k h'_k (rᵀA)_k (Bq)_k.
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

func (n *tiny) VJPParams(v, gx, gtheta []float64, t float64, x, a []float64) error {
	if v != nil {
		if err := n.Velocity(v, t, x); err != nil {
			return err
		}
	}
	return n.VJPAug(gx, gtheta, t, x, flow.Adjoint{Velocity: a, Div: make([]float64, len(x)/n.d)})
}

func (n *tiny) VJPAug(gx, gtheta []float64, t float64, x []float64, adj flow.Adjoint) error {
	a, l, e, kin, jac := slices.Clone(adj.Velocity), adj.Div, adj.Probe, adj.Kinetic, adj.Jacobian
	if kin != nil { // the gradient of k|v|² is that of a·v at a = 2 k v
		v := make([]float64, len(x))
		if err := n.Velocity(v, t, x); err != nil {
			return err
		}
		for i, vi := range v {
			a[i] += 2 * kin[i/n.d] * vi
		}
	}
	for i, li := range l {
		row := func(v []float64) []float64 { return v[i*n.d : (i+1)*n.d] }
		p := point{n: n, t: t, x: row(x), gx: row(gx), gtheta: gtheta}
		p.h, p.dh = n.hidden(t, p.x)
		p.value(row(a))
		if e != nil {
			p.bilinear(li, row(e), row(e))
		} else {
			for j := range n.d {
				p.bilinear(li, unit(n.d, j), unit(n.d, j))
			}
		}
		if jac == nil {
			continue
		}
		rows := [][]float64{}
		if e != nil {
			rows = append(rows, row(e))
		} else {
			for j := range n.d {
				rows = append(rows, unit(n.d, j))
			}
		}
		for _, r := range rows { // the gradient of |rᵀJ|² is that of 2 rᵀJ q at q = Jᵀr
			q := make([]float64, n.d)
			if err := n.VJP(make([]float64, n.d), q, t, p.x, r); err != nil {
				return err
			}
			p.bilinear(2*jac[i], r, q)
		}
	}
	return nil
}

// point gathers gradients of tiny at one point.
type point struct {
	n          *tiny
	t          float64
	x, h, dh   []float64
	gx, gtheta []float64
}

// value adds the gradient of a·v.
func (p point) value(a []float64) {
	wa, _, _ := p.n.split(p.n.theta)
	ga, _, _ := p.n.split(p.gtheta)
	for k := range p.h {
		da := 0.0
		for j := range p.x {
			da += a[j] * wa[j*p.n.h+k]
			ga[j*p.n.h+k] += a[j] * p.h[k]
		}
		p.inner(k, da*p.dh[k])
	}
}

// inner adds the gradient by du, that of the argument of tanh.
func (p point) inner(k int, du float64) {
	_, wb, _ := p.n.split(p.n.theta)
	_, gb, gc := p.n.split(p.gtheta)
	gc[k] += du * p.t
	for j, xj := range p.x {
		p.gx[j] += du * wb[k*p.n.d+j]
		gb[k*p.n.d+j] += du * xj
	}
}

// bilinear adds l times the gradient of rᵀ(∂v/∂x)q = Σ_k h'_k (rᵀA)_k (Bq)_k.
func (p point) bilinear(l float64, r, q []float64) {
	wa, wb, _ := p.n.split(p.n.theta)
	ga, gb, _ := p.n.split(p.gtheta)
	for k := range p.h {
		ra, bq := 0.0, 0.0
		for j := range p.x {
			ra += r[j] * wa[j*p.n.h+k]
			bq += wb[k*p.n.d+j] * q[j]
		}
		p.inner(k, -2*l*p.h[k]*p.dh[k]*ra*bq)
		for j := range p.x {
			ga[j*p.n.h+k] += l * p.dh[k] * bq * r[j]
			gb[k*p.n.d+j] += l * p.dh[k] * ra * q[j]
		}
	}
}

func unit(d, j int) []float64 {
	e := make([]float64, d)
	e[j] = 1
	return e
}

func TestTheTestNetworkIsAField(t *testing.T) {
	flowtest.TestField(t, newTiny(3, 4, 1), flowtest.FieldOptions{})
}

func TestGradientIsThatOfTheDiscreteLogProb(t *testing.T) {
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
				gradientIsThatOf(t, p, x1, w, s.name)
			}
		}
	}
}

// gradientIsThatOf compares with central differences of the objective itself.
func gradientIsThatOf(t *testing.T, p Problem, x1 flow.Batch, w []float64, name string) {
	t.Helper()
	ctx, net := context.Background(), p.Field.(*tiny)
	total := func() float64 {
		logp, _, _, err := p.LogProb(ctx, x1)
		if err != nil {
			t.Fatal(err)
		}
		g, err := p.Gradient(ctx, x1, w)
		if err != nil {
			t.Fatal(err)
		}
		if largestGap(g.LogP, logp) != 0 {
			t.Fatalf("%s, %+v: Gradient's log p differs from LogProb's", name, p.Divergence)
		}
		sum := 0.0
		for i, v := range logp {
			if p.Regularizer.Kinetic != 0 {
				v -= p.Regularizer.Kinetic * g.Kinetic[i]
			}
			if p.Regularizer.Jacobian != 0 {
				v -= p.Regularizer.Jacobian * g.Jacobian[i]
			}
			sum += w[i] * v
		}
		return sum
	}
	g, err := p.Gradient(ctx, x1, w)
	if err != nil || g.Back.VJPs == 0 || g.Solve.NFE == 0 {
		t.Fatal(g.Solve, g.Back, err)
	}
	const h = 1e-5 // central differences: h² and 1e-15/h, both below 1e-9
	for i := range net.theta {
		keep := net.theta[i]
		net.theta[i] = keep + h
		up := total()
		net.theta[i] = keep - h
		want := (up - total()) / (2 * h)
		net.theta[i] = keep
		if math.Abs(g.Theta[i]-want) > 1e-7*(1+math.Abs(want)) {
			t.Errorf("%s, %+v, %+v, %T: ∂/∂θ[%d] got %.10g, want %.10g within 1e-7",
				name, p.Divergence, p.Regularizer, p.Source, i, g.Theta[i], want)
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
	mean, err := p.Gradient(context.Background(), x1, nil)
	if err != nil {
		t.Fatal(err)
	}
	quarter, err := p.Gradient(context.Background(), x1, []float64{0.25, 0.25, 0.25, 0.25})
	if err != nil || largestGap(mean.Theta, quarter.Theta) != 0 {
		t.Errorf("got %v, want %v (%v)", mean.Theta, quarter.Theta, err)
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
		g, err := p.Gradient(ctx, x1, nil)
		if err != nil {
			t.Fatal(err)
		}
		if last = mean(g.LogP); step == 0 {
			first = last
		}
		for i, v := range g.Theta {
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
		{"a field without parameters", Problem{Field: linear(2, 1), Source: flow.Gaussian{}, Solver: tight()}, nil,
			"Parametric"},
		{"a source without score", Problem{Field: net, Source: plain{flow.Gaussian{}}, Solver: tight()}, nil, "Scorer"},
		{"a negative coefficient", Problem{Field: net, Source: flow.Gaussian{}, Solver: tight(),
			Regularizer: Regularizer{Kinetic: -1}}, nil, "Regularizer.Kinetic"},
		{"too few weights", Problem{Field: net, Source: flow.Gaussian{}, Solver: tight()}, []float64{1},
			"1 weights for 3 points"},
	} {
		_, err := c.p.Gradient(ctx, flow.NewBatch(3, 2), c.w)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: got %v, want ErrInvalid that says %q", c.name, err, c.word)
		}
	}
}
