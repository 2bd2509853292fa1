package neuralode

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/ode"
)

// cubic is x' = (1+t) A x³ in float64, A [2, 2] its parameters: exact where a network
// is float32.
type cubic struct{ a [4]float64 }

func (c *cubic) Dim() int       { return 2 }
func (c *cubic) NumParams() int { return 4 }

func (c *cubic) Velocity(v []float64, t float64, x []float64) error {
	for i := 0; i < len(x); i += 2 {
		p, q := x[i]*x[i]*x[i], x[i+1]*x[i+1]*x[i+1]
		v[i], v[i+1] = (1+t)*(c.a[0]*p+c.a[1]*q), (1+t)*(c.a[2]*p+c.a[3]*q)
	}
	return nil
}

func (c *cubic) VJPParams(v, gx, gtheta []float64, t float64, x, a []float64) error {
	for i := 0; i < len(x); i += 2 {
		for k := range 2 {
			gx[i+k] += (1 + t) * 3 * x[i+k] * x[i+k] * (a[i]*c.a[k] + a[i+1]*c.a[2+k])
			for j := range 2 {
				gtheta[2*j+k] += (1 + t) * a[i+j] * x[i+k] * x[i+k] * x[i+k]
			}
		}
	}
	if v != nil {
		return c.Velocity(v, t, x)
	}
	return nil
}

var tight = ode.Solver{Method: ode.Dopri8, Control: ode.Adaptive{RTol: 1e-11, ATol: 1e-11}}

func open(t testing.TB) *nn.Engine {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	return eng
}

func newNet(t testing.TB, cfg nn.Config) *nn.Net {
	t.Helper()
	net, err := nn.New(open(t), cfg, 3)
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// simulated is a trajectory from the start of s.
func simulated(t testing.TB, s System, ts []float64) Trajectories {
	t.Helper()
	tr, err := Simulate(context.Background(), tight, s, flow.Batch{N: 1, D: s.Dim(), X: s.Start}, ts)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestGradientsOfABlockAreThoseOfItsLoss(t *testing.T) {
	ctx, ts := context.Background(), []float64{0.5, 1, 1.2, 2.5}
	x0 := flow.Batch{N: 2, D: 2, X: []float64{1, 0.3, -0.5, 0.8}}
	theta := [4]float64{-0.1, 0.9, -1.1, -0.2}
	want := Trajectories{T: ts}
	for range ts {
		want.X = append(want.X, flow.Batch{N: 2, D: 2, X: []float64{0.2, -0.1, 0.4, 0}})
	}
	for _, c := range []struct {
		name  string
		block Block
	}{
		{"adjoint", Block{Gradient: Adjoint}},
		{"backprop", Block{Gradient: Backprop}},
		{"adjoint, time in units of 3", Block{Gradient: Adjoint, TimeUnit: 3}},
		{"backprop, time in units of 3", Block{Gradient: Backprop, TimeUnit: 3}},
		{"adjoint, autonomous", Block{Gradient: Adjoint, Autonomous: true}},
		{"adjoint, a solver of its own",
			Block{Gradient: Adjoint, Back: ode.Solver{Method: ode.RK4, Control: ode.Fixed(400)}}},
	} {
		value := func(theta [4]float64, x []float64) float64 {
			b := c.block
			b.Field, b.Solver = &cubic{theta}, tight
			p, err := b.Forward(ctx, flow.Batch{N: 2, D: 2, X: x}, ts)
			if err != nil {
				t.Fatal(err)
			}
			loss, _, _ := Loss(SquaredError).Mean(p.Trajectories, want)
			return loss
		}
		b := c.block
		b.Field, b.Solver = &cubic{theta}, tight
		p, err := b.Forward(ctx, x0, ts)
		if err != nil {
			t.Fatal(err)
		}
		_, as, _ := Loss(SquaredError).Mean(p.Trajectories, want)
		g := make([]float64, 4)
		a, st, err := p.Gradient(ctx, as, g)
		if err != nil || st.VJPs == 0 || st.LastT != 0.5 {
			t.Fatalf("%s: %+v, %v", c.name, st, err)
		}
		const h = 1e-5
		for i := range a {
			up, down := slices.Clone(x0.X), slices.Clone(x0.X)
			up[i] += h
			down[i] -= h
			if want := (value(theta, up) - value(theta, down)) / (2 * h); math.Abs(a[i]-want) > 1e-8 {
				t.Errorf("%s: ∂L/∂x0[%d] is %.12g, want %.12g", c.name, i, a[i], want)
			}
		}
		for i := range g {
			up, down := theta, theta
			up[i] += h
			down[i] -= h
			if want := (value(up, x0.X) - value(down, x0.X)) / (2 * h); math.Abs(g[i]-want) > 1e-8 {
				t.Errorf("%s: ∂L/∂θ[%d] is %.12g, want %.12g", c.name, i, g[i], want)
			}
		}
	}
	if !slices.Equal(x0.X, []float64{1, 0.3, -0.5, 0.8}) {
		t.Errorf("x0 became %v", x0.X)
	}
}

// What the field sees of time: separable, so x follows A x³ at the time ∫(1+t)dt.
func TestTheClockOfABlock(t *testing.T) {
	x0 := flow.Batch{N: 1, D: 2, X: []float64{1, 0}}
	for _, c := range []struct {
		name  string
		block Block
		until float64 // in the time of the plain system
	}{
		{"plain", Block{}, 2 + 2*2/2.},
		{"units of 4", Block{TimeUnit: 4}, 2 + 2*2/8.},
		{"autonomous", Block{Autonomous: true, TimeUnit: 4}, 2},
	} {
		c.block.Field, c.block.Solver = &cubic{[4]float64{-0.1, 2, -2, -0.1}}, tight
		p, err := c.block.Forward(context.Background(), x0, []float64{0, 2})
		if err != nil {
			t.Fatal(err)
		}
		s := Spiral()
		s.Start = x0.X
		want := simulated(t, s, []float64{0, c.until})
		if d := p.RMSE(Trajectories{T: p.T, X: want.X}); d > 1e-9 {
			t.Errorf("%s: off by %g", c.name, d)
		}
	}
}

func TestBothGradientsOfANetworkAgree(t *testing.T) {
	ctx, ts := context.Background(), Times(0, 2, 4)
	net := newNet(t, nn.Config{Dim: 2, Hidden: []int{16, 16}, TimeFrequencies: 1})
	want := Trajectories{T: ts}
	for i := range ts {
		want.X = append(want.X, flow.NewBatch(5, 2))
		for j := range want.X[i].X {
			want.X[i].X[j] = math.Sin(float64(i + 3*j))
		}
	}
	c, err := Compare(ctx, net, Block{TimeUnit: 2}, want, SquaredError, 1, Cases(ode.Dopri5, 1e-2, 1e-4, 1e-6)...)
	if err != nil {
		t.Fatal(err)
	}
	if !(c.FiniteDifference < 1e-3) {
		t.Errorf("the reference is off a finite difference by %g, want below 1e-3", c.FiniteDifference)
	}
	for i, r := range c.Rows {
		tol := 20 * r.Solver.Control.(ode.Adaptive).RTol
		if !(r.ThetaError < tol) || !(r.X0Error < tol) {
			t.Errorf("%s: errors %g of θ and %g of x0, want below %g", r.Name, r.ThetaError, r.X0Error, tol)
		}
		if i >= 2 && r.Forward.NFE < c.Rows[i-2].Forward.NFE {
			t.Errorf("%s: %d evaluations, fewer than at a looser tolerance", r.Name, r.Forward.NFE)
		}
		states := len(ts)
		if r.Gradient == Backprop {
			states += r.Forward.Accepted
		}
		if r.States != states || !(r.Seconds > 0) || math.IsInf(r.Seconds, 0) {
			t.Errorf("%s: %d states kept, want %d; %g s", r.Name, r.States, states, r.Seconds)
		}
	}
}

func TestBadBlocksAreNamed(t *testing.T) {
	ctx, f := context.Background(), &cubic{}
	x0 := flow.NewBatch(1, 2)
	for name, b := range map[string]Block{
		"no field":    {Solver: tight},
		"no gradient": {Field: f, Solver: tight, Gradient: 7},
		"time unit":   {Field: f, Solver: tight, TimeUnit: -1},
	} {
		if _, err := b.Forward(ctx, x0, []float64{0, 1}); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := (Block{Field: f}).Forward(ctx, x0, []float64{0, 1}); !errors.Is(err, ode.ErrInvalid) {
		t.Errorf("no solver: got %v", err)
	}
	b := Block{Field: f, Solver: tight}
	if _, err := b.Forward(ctx, flow.NewBatch(1, 3), []float64{0, 1}); !errors.Is(err, ErrInvalid) {
		t.Errorf("points of dimension 3: got %v", err)
	}
	p, err := b.Forward(ctx, x0, []float64{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Gradient(ctx, make([][]float64, 2), make([]float64, 3)); !errors.Is(err, ErrInvalid) {
		t.Errorf("gtheta too short: got %v", err)
	}
	if _, _, err := p.Gradient(ctx, make([][]float64, 1), make([]float64, 4)); !errors.Is(err, ode.ErrInvalid) {
		t.Errorf("too few gradients: got %v", err)
	}
}
