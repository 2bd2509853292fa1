package train

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/likelihood"
	"flowmatch/nn"
	"flowmatch/ode"
)

var tight = ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-5, ATol: 1e-5}, MaxNFE: 5000}

func newNet(t testing.TB, cfg nn.Config) *nn.Net {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.New(eng, cfg, 3)
	if err != nil {
		t.Fatal(err)
	}
	return net
}

// mlSession is session for maximum likelihood, with all that it can do.
func mlSession(t testing.TB) (*nn.Trainer, Objective, Validate) {
	t.Helper()
	tr, err := newNet(t, nn.Config{Dim: 2, Hidden: []int{16, 16}}).NewTrainer(nn.Optimizer{ClipNorm: 1})
	if err != nil {
		t.Fatal(err)
	}
	o := ML{
		Data: data.Shuffle(points(100, 2), 1), Solver: tight, Hutchinson: true, BatchSize: 20, Seed: 2,
		Regularizer: likelihood.Regularizer{Kinetic: 0.01, Jacobian: 0.01},
	}
	return tr, o, o.Validation(points(50, 2), 30)
}

// labelled is points with classes.
func labelled(n, d, classes int) data.Points {
	p := points(n, d)
	for i := range n {
		p.Label = append(p.Label, int32(i%classes))
	}
	return p
}

// The gradient of a step against differences of the loss of the same step, over
// parts, with labels, and with every term.
func TestTheGradientOfAStepIsThatOfItsLoss(t *testing.T) {
	net := newNet(t, nn.Config{Dim: 2, Hidden: []int{8}, Classes: 3})
	set := labelled(12, 2, 3)
	w, err := net.Weights()
	if err != nil {
		t.Fatal(err)
	}
	for _, hutchinson := range []bool{false, true} {
		for _, reg := range []likelihood.Regularizer{{}, {Kinetic: 0.3}, {Jacobian: 0.2}, {Kinetic: 0.3, Jacobian: 0.2}} {
			o := ML{Labels: true, Hutchinson: hutchinson, BatchSize: 5, Seed: 4, Regularizer: reg,
				Solver: ode.Solver{Method: ode.RK4, Control: ode.Fixed(3)}}
			loss := func(net *nn.Net) ([]float64, float64) {
				theta, loss, nfe, err := o.gradient(context.Background(), net, set.X, set.Label, 7)
				if err != nil || nfe != 12 {
					t.Fatalf("3 steps of rk4 took %g evaluations, want 12 (%v)", nfe, err)
				}
				return theta, loss
			}
			theta, _ := loss(net)
			const h = 1e-2 // float32 functions
			shifted := func(k int, by float32) float64 {
				c := slices.Clone(w)
				c[k] += by
				net, err := net.WithWeights(c)
				if err != nil {
					t.Fatal(err)
				}
				_, l := loss(net)
				return l
			}
			for k := range w {
				want := (shifted(k, h) - shifted(k, -h)) / (2 * h)
				if math.Abs(theta[k]-want) > 2e-3*(1+math.Abs(want)) {
					t.Errorf("hutchinson %v, %+v: ∂loss/∂θ[%d] is %g, want %g", hutchinson, reg, k, theta[k], want)
				}
			}
		}
	}
}

func TestProbesChangeWithTheStepAndTheSeedOnly(t *testing.T) {
	net := newNet(t, nn.Config{Dim: 2, Hidden: []int{8}})
	set := points(12, 2)
	loss := func(step, seedValue uint64, size int) float64 {
		o := ML{Hutchinson: true, BatchSize: size, Seed: seedValue, Solver: tight}
		_, l, _, err := o.gradient(context.Background(), net, set.X, nil, step)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	one := loss(1, 5, 0)
	if again := loss(1, 5, 0); again != one {
		t.Errorf("the same step twice: %g and %g", one, again)
	}
	if loss(2, 5, 0) == one || loss(1, 6, 0) == one {
		t.Error("another step, or another seed, has the same probes")
	}
}

// A Gaussian is pushed from N(0, I) by a linear field, so its entropy is within reach.
func TestMaximumLikelihoodReachesTheEntropyOfAGaussian(t *testing.T) {
	const std, mean = 0.5, 1.0
	set := data.Points{X: flow.NewBatch(2000, 1)}
	rng := rand.New(rand.NewPCG(5, 5))
	for i := range set.X.X {
		set.X.X[i] = mean + std*rng.NormFloat64()
	}
	tr, err := newNet(t, nn.Config{Dim: 1, Hidden: []int{16}}).NewTrainer(nn.Optimizer{EMADecay: 0.9})
	if err != nil {
		t.Fatal(err)
	}
	o := ML{Data: data.Shuffle(set, 1), Solver: ode.Solver{Method: ode.RK4, Control: ode.Fixed(8)}, Seed: 1}
	var last Event
	h := Hooks{Event: func(e Event) error { last = e; return nil }}
	cfg := Config{Objective: "ml", Steps: 150, Batch: 200, LR: 3e-2, LogEvery: 10}
	if _, err := Run(context.Background(), tr, o, o.Validation(set, 0), cfg, Progress{}, h); err != nil {
		t.Fatal(err)
	}
	entropy := 0.5*math.Log(2*math.Pi*math.E) + math.Log(std)
	if last.ValLoss == nil || math.Abs(*last.ValLoss-entropy) > 0.05 || math.Abs(last.Loss-entropy) > 0.1 || last.NFE != 32 {
		t.Errorf("ended with %+v, want the entropy %g and 32 evaluations a solve", last, entropy)
	}
}

// Validation is the mean over points, whatever the parts; it looks at the first most.
func TestValidationOfMLIsTheMeanNLL(t *testing.T) {
	net := newNet(t, nn.Config{Dim: 2, Hidden: []int{8}, Classes: 2})
	set := labelled(40, 2, 2)
	o := ML{Labels: true, Solver: ode.Solver{Method: ode.RK4, Control: ode.Fixed(8)}, BatchSize: 7}
	got, err := o.Validation(set, 25)(net)
	if err != nil {
		t.Fatal(err)
	}
	f, err := net.Bind(set.Label[:25])
	if err != nil {
		t.Fatal(err)
	}
	logp, _, _, err := likelihood.Problem{Field: f, Source: flow.Gaussian{}, Solver: o.Solver}.LogProb(context.Background(), set.X.Slice(0, 25))
	if err != nil {
		t.Fatal(err)
	}
	if want := -mean(logp); math.Abs(got-want) > 1e-6 {
		t.Errorf("got %g, want %g", got, want)
	}
	if o.Validation(data.Points{X: flow.NewBatch(0, 2)}, 10) != nil {
		t.Error("no points are judged")
	}
}

func TestErrorsOfMLNameTheirStep(t *testing.T) {
	boom := errors.New("boom")
	tr, o, _ := mlSession(t)
	ml := o.(ML)
	ml.Data = failing{ml.Data, boom}
	if _, err := Run(context.Background(), tr, ml, nil, short, Progress{}, Hooks{}); !errors.Is(err, boom) || !strings.Contains(err.Error(), "step 20") {
		t.Errorf("data that fail at step 20: got %v", err)
	}
	tr, o, _ = mlSession(t)
	ml = o.(ML)
	ml.Solver.MaxNFE = 3
	if _, err := Run(context.Background(), tr, ml, nil, short, Progress{}, Hooks{}); !errors.Is(err, ode.ErrMaxNFE) || !strings.Contains(err.Error(), "step 0") {
		t.Errorf("a solve of 3 evaluations: got %v", err)
	}
}

func TestTheDefaultDivergenceDependsOnTheDimension(t *testing.T) {
	for _, c := range []struct {
		name string
		dim  int
		want bool
	}{{"", 2, false}, {"", exactDims, false}, {"", exactDims + 1, true}, {"exact", 1000, false}, {"hutchinson", 1, true}} {
		if got := (MLConfig{Divergence: c.name}).Hutchinson(c.dim); got != c.want {
			t.Errorf("%q in %d dimensions: got %v", c.name, c.dim, got)
		}
	}
}

func BenchmarkMLStep(b *testing.B) {
	d, err := data.Config{Name: "8gaussians", Standardize: "scalar"}.Open("", 1)
	if err != nil {
		b.Fatal(err)
	}
	cfg := Config{Batch: 256}
	for _, c := range []struct {
		name string
		o    ML
	}{
		{"exact", ML{}},
		{"hutchinson", ML{Hutchinson: true}},
		{"regularised", ML{Hutchinson: true, Regularizer: likelihood.Regularizer{Kinetic: 0.01, Jacobian: 0.01}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.o.Data, c.o.Solver = d.Train, tight
			tr, err := newNet(b, nn.Config{Dim: 2, Hidden: []int{64, 64, 64}}).NewTrainer(nn.Optimizer{})
			if err != nil {
				b.Fatal(err)
			}
			take := c.o.Steps(context.Background(), tr, cfg, 0)
			nfe := 0.0
			b.ReportAllocs()
			for step := 0; b.Loop(); step++ {
				r, err := take(step, 1e-3)
				if err != nil {
					b.Fatal(err)
				}
				nfe = r.NFE
			}
			b.ReportMetric(nfe, "NFE")
		})
	}
}
