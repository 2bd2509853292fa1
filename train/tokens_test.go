package train_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"flowmatch/discrete"
	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/train"
)

// toyTokens are sequences of a small law, whose bound can be known.
var toyTokens = discrete.Tokens{N: 4, L: 4, X: []int32{0, 1, 2, 2, 2, 1, 0, 0, 1, 1, 1, 2, 0, 0, 2, 1}}

func toyStream(step, n int) (discrete.Tokens, flow.Given) {
	rng, x := rand.New(rand.NewPCG(uint64(step), 7)), discrete.NewTokens(n, 4)
	for i := range n {
		copy(x.Row(i), toyTokens.Row(rng.IntN(4)))
	}
	return x, flow.Given{}
}

func tokenNet(t *testing.T, p discrete.Path, change func(*nn.TokenConfig)) *nn.TokenNet {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	cfg := nn.TokenConfig{Levels: 3, Length: 4, Mask: p.States() > 3, Width: 32, Depth: 1, Heads: 2}
	if change != nil {
		change(&cfg)
	}
	n, err := nn.NewTokenNet(eng, cfg, 3)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The loss of an untrained network, whose levels are all alike, is known: with either loss its mean over examples is
// that of GeneralisedKL or of the cross-entropy, and what is trained has samples of the data.
func TestTokensAreLearnt(t *testing.T) {
	masks, err := discrete.NewMixture(3, discrete.Mask, discrete.Schedule{})
	if err != nil {
		t.Fatal(err)
	}
	uniform, err := discrete.NewMixture(3, discrete.Uniform, discrete.Schedule{})
	if err != nil {
		t.Fatal(err)
	}
	metric, err := discrete.NewMetric(3, func(x, y int32) float64 { return math.Abs(float64(x - y)) }, 2)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]train.Tokens{
		"masks":                {Path: masks},
		"masks, cross-entropy": {Path: masks, Loss: train.CrossEntropy},
		"uniform":              {Path: uniform},
		"metric":               {Path: metric},
	} {
		o.Data, o.Held = toyStream, toyTokens
		o.Loop = train.Loop{Steps: 500, Batch: 64, LR: 5e-3, ValEvery: new(100)}
		o.Optimizer.EMADecay = new(0.98)
		n, err := o.Train(t.Context(), tokenNet(t, o.Path, nil))
		if err != nil {
			t.Fatal(err)
		}
		law, err := discrete.NewLaw(o.Path, toyTokens, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := inside(t, o.Path, n); got < 150 {
			t.Errorf("%s: %d of 200 samples are sequences of the data", name, got)
		}
		got, err := o.Bound(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		bound, se := make([]float64, 4), make([]float64, 4)
		many := discrete.ELBOOptions{Draws: 4000}
		if err := discrete.ELBO(t.Context(), law, o.Path, toyTokens, many, bound, se); err != nil {
			t.Fatal(err)
		}
		if want := (bound[0] + bound[1] + bound[2] + bound[3]) / 16; got > 1.5*want {
			t.Errorf("%s: %.3f nats a token; with the exact posterior %.3f", name, got, want)
		}
	}
}

// inside is how many of 200 samples are sequences of the data.
func inside(t *testing.T, p discrete.Path, m discrete.Posterior) (n int) {
	t.Helper()
	s := discrete.Sampler{Path: p, Steps: 40, Seed: 2}
	x := s.Start(200, 4)
	if _, err := s.Sample(t.Context(), m, x, nil); err != nil {
		t.Fatal(err)
	}
	for i := range x.N {
		for k := range toyTokens.N {
			if slices.Equal(x.Row(i), toyTokens.Row(k)) {
				n++
			}
		}
	}
	return n
}

// Examples are a function of their step; the factors are those of the loss, and nothing of what is known.
func TestTokenExamples(t *testing.T) {
	p, err := discrete.NewMixture(3, discrete.Uniform, discrete.Schedule{})
	if err != nil {
		t.Fatal(err)
	}
	o := train.Tokens{Path: p, Loss: train.GeneralisedKL, Data: toyStream, Seed: 4, Shown: 0.7}
	ex, err := o.Examples(5, 50)
	if err != nil {
		t.Fatal(err)
	}
	again, err := o.Examples(5, 50)
	if err != nil {
		t.Fatal(err)
	}
	work, q, known := make([]float64, 6), []float64{0.2, 0.3, 0.5}, 0
	for k, z := range ex.X.X {
		i := k / 4
		if again.X.X[k] != z || again.A[k] != ex.A[k] || again.T[i] != ex.T[i] {
			t.Fatalf("token %d of a step is %d and %d", k, z, again.X.X[k])
		}
		if ex.X.Shown[k] {
			if known++; z != ex.X1[k] || ex.A[k] != 0 || ex.B[k] != 0 {
				t.Errorf("token %d is known, and is %d of %d with factors %g, %g", k, z, ex.X1[k], ex.A[k], ex.B[k])
			}
			continue
		}
		// A (-log p(x_1)) - B p(z) is the generalised KL times the weight, less what no network changes.
		delta := 0.0
		if z == ex.X1[k] {
			delta = 1
		}
		got := -ex.A[k]*math.Log(q[ex.X1[k]]) - ex.B[k]*q[z]
		kl, rate := discrete.GeneralisedKL(p, ex.T[i], z, ex.X1[k], q, work), p.Rate(ex.T[i])
		want := ex.B[k] / rate * (kl - rate*delta)
		if math.Abs(got-want) > 1e-9*math.Abs(want) {
			t.Errorf("token %d: the loss is %g; want %g", k, got, want)
		}
	}
	if known == 0 || known > 150 {
		t.Errorf("%d of 200 tokens are known", known)
	}
}

func TestTokensThatDoNotFit(t *testing.T) {
	p, err := discrete.NewMixture(3, discrete.Mask, discrete.Schedule{})
	if err != nil {
		t.Fatal(err)
	}
	metric, err := discrete.NewMetric(3, func(x, y int32) float64 { return math.Abs(float64(x - y)) }, 1)
	if err != nil {
		t.Fatal(err)
	}
	n := tokenNet(t, p, nil)
	for want, o := range map[string]train.Tokens{
		"needs a Path and Data":      {},
		"unknown loss of tokens":     {Path: p, Data: toyStream, Loss: "kl"},
		"is for mixture paths":       {Path: metric, Data: toyStream, Loss: train.GeneralisedKL},
		"on a path of 3 levels":      {Path: metric, Data: toyStream},
		"shown needs a network that": {Path: p, Data: toyStream, Shown: 0.5},
		"are shares":                 {Path: p, Data: toyStream, Unlabelled: 2},
		"unlabelled has no effect":   {Path: p, Data: toyStream, Unlabelled: 0.1},
	} {
		if _, err := o.Train(t.Context(), n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}
