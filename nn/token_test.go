package nn

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"flowmatch/discrete"
	"flowmatch/flow"
)

// smallTokens is a network of every part.
func smallTokens(t testing.TB, change func(*TokenConfig)) *TokenNet {
	t.Helper()
	cfg := TokenConfig{Levels: 5, Length: 6, Width: 16, Depth: 2, Heads: 2, Mask: true, Shown: true, Classes: 3,
		Context: 2}
	if change != nil {
		change(&cfg)
	}
	n, err := NewTokenNet(open(t), cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	// What begins at zero hides what is behind it.
	rng := rand.New(rand.NewPCG(4, 4))
	w, err := n.Weights()
	if err != nil {
		t.Fatal(err)
	}
	for i := range w {
		w[i] += 0.2 * float32(rng.NormFloat64())
	}
	if n, err = n.WithWeights(w); err != nil {
		t.Fatal(err)
	}
	return n
}

// tokenExamples are random ones.
func tokenExamples(n int, cfg TokenConfig, seed uint64) *TokenExamples {
	rng := rand.New(rand.NewPCG(seed, 9))
	ex := &TokenExamples{X: discrete.NewTokens(n, cfg.Length), Given: flow.NewGiven(n, cfg.Classes > 0, cfg.Context)}
	if cfg.Shown {
		ex.X.Shown = make([]bool, n*cfg.Length)
	}
	for i := range ex.X.X {
		ex.X.X[i] = int32(rng.IntN(cfg.states()))
		ex.X1 = append(ex.X1, int32(rng.IntN(cfg.Levels)))
		ex.A, ex.B = append(ex.A, rng.Float64()), append(ex.B, rng.Float64())
		if cfg.Shown {
			ex.X.Shown[i] = rng.IntN(3) == 0
		}
	}
	for i := range n {
		ex.T = append(ex.T, rng.Float64())
		if cfg.Classes > 0 {
			ex.Given.Label[i] = int32(rng.IntN(cfg.Classes+1)) - 1
		}
	}
	for i := range ex.Given.Context.X {
		ex.Given.Context.X[i] = rng.NormFloat64()
	}
	return ex
}

// The gradient is that of the loss by finite differences, along random directions.
func TestTokenGradient(t *testing.T) {
	for _, tied := range []bool{false, true} {
		n := smallTokens(t, func(c *TokenConfig) { c.Tied = tied })
		ex := tokenExamples(4, n.Config(), 1)
		_, grad, err := n.LossGradient(ex)
		if err != nil {
			t.Fatal(err)
		}
		w, err := n.Weights()
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(2, 2))
		for range 5 {
			along, want := make([]float64, len(w)), 0.0
			for i := range along {
				along[i] = rng.NormFloat64()
				want += along[i] * grad[i]
			}
			const h = 3e-4
			at := func(h float64) float64 {
				moved := make([]float32, len(w))
				for i := range w {
					moved[i] = w[i] + float32(h*along[i])
				}
				m, err := n.WithWeights(moved)
				if err != nil {
					t.Fatal(err)
				}
				loss, _, err := m.LossGradient(ex)
				if err != nil {
					t.Fatal(err)
				}
				return loss
			}
			if got := (at(h) - at(-h)) / (2 * h); math.Abs(got-want) > 0.01*math.Abs(want)+3e-3 {
				t.Errorf("tied %v: a difference of %g, a gradient of %g", tied, got, want)
			}
		}
	}
}

// The loss is that of the posterior: A cross-entropies less B probabilities of staying.
func TestTokenLossIsThatOfThePosterior(t *testing.T) {
	n := smallTokens(t, nil)
	ex := tokenExamples(7, n.Config(), 3)
	loss, _, err := n.LossGradient(ex)
	if err != nil {
		t.Fatal(err)
	}
	k := n.Levels()
	p := make([]float64, len(ex.X.X)*k)
	if err := n.Given(ex.Given).Posterior(context.Background(), p, ex.T, ex.X); err != nil {
		t.Fatal(err)
	}
	want := 0.0
	for i, x1 := range ex.X1 {
		sum := 0.0
		for _, v := range p[i*k : (i+1)*k] {
			sum += v
		}
		if math.Abs(sum-1) > 1e-5 {
			t.Fatalf("probabilities of token %d sum to %g", i, sum)
		}
		want -= ex.A[i] * math.Log(p[i*k+int(x1)])
		if z := int(ex.X.X[i]); z < k {
			want -= ex.B[i] * p[i*k+z]
		}
	}
	if want /= float64(len(ex.X1)); math.Abs(loss-want) > 1e-5*math.Abs(want) {
		t.Errorf("loss %g; of the posterior %g", loss, want)
	}
}

// Every input has an effect: labels, contexts, known tokens, time, and each token on each other; and sequences have
// none on each other.
func TestTokensDependOnWhatTheyAreGiven(t *testing.T) {
	n := smallTokens(t, nil)
	at := func(change func(*TokenExamples)) []float64 {
		ex := tokenExamples(3, n.Config(), 5)
		if change != nil {
			change(ex)
		}
		p := make([]float64, len(ex.X.X)*n.Levels())
		if err := n.Given(ex.Given).Posterior(context.Background(), p, ex.T, ex.X); err != nil {
			t.Fatal(err)
		}
		return p
	}
	base, size := at(nil), n.Config().Length*n.Levels()
	for name, change := range map[string]func(*TokenExamples){
		"label":   func(ex *TokenExamples) { ex.Given.Label[1] = (ex.Given.Label[1]+2)%4 - 1 },
		"context": func(ex *TokenExamples) { ex.Given.Context.Row(1)[0]++ },
		"shown":   func(ex *TokenExamples) { ex.X.Shown[6] = !ex.X.Shown[6] },
		"time":    func(ex *TokenExamples) { ex.T[1] = 1 - ex.T[1] },
		"token":   func(ex *TokenExamples) { ex.X.X[11] = (ex.X.X[11] + 1) % 6 },
	} {
		p := at(change)
		for i := range p {
			same := p[i] == base[i]
			if inside := i >= size && i < 2*size; inside == same {
				t.Errorf("%s of sequence 1: probability %d was %g and is %g", name, i, base[i], p[i])
				break
			}
		}
	}
}

// Places count, also of tokens that are all alike.
func TestTokensKnowTheirPlace(t *testing.T) {
	n := smallTokens(t, func(c *TokenConfig) {
		*c = TokenConfig{Levels: 5, Length: 6, Mask: true, Width: 16, Depth: 2, Heads: 2}
	})
	p, mask := make([]float64, 6*5), discrete.Tokens{N: 1, L: 6, X: []int32{5, 5, 5, 5, 5, 5}}
	if err := n.Posterior(context.Background(), p, []float64{0}, mask); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if math.Abs(p[i*5]-p[i*5+5]) < 1e-4 {
			t.Errorf("masks at places %d and %d have the same posterior, %g", i, i+1, p[i*5])
		}
	}
}

// A network learns the posterior of a law: with masks its loss comes to that of the exact one. Training that was
// restored goes on as it would have.
func TestTokensLearnALaw(t *testing.T) {
	path, err := discrete.NewMixture(4, discrete.Mask, discrete.Schedule{})
	if err != nil {
		t.Fatal(err)
	}
	data := discrete.Tokens{N: 3, L: 4, X: []int32{0, 1, 2, 3, 3, 2, 1, 0, 0, 0, 2, 2}}
	law, err := discrete.NewLaw(path, data, []float64{1, 2, 1})
	if err != nil {
		t.Fatal(err)
	}
	n, err := NewTokenNet(open(t), TokenConfig{Levels: 4, Length: 4, Mask: true, Width: 32, Depth: 2, Heads: 2,
		Dropout: 0.02}, 1)
	if err != nil {
		t.Fatal(err)
	}
	examples := func(step int) *TokenExamples {
		rng := rand.New(rand.NewPCG(uint64(step), 1))
		ex := &TokenExamples{X: discrete.NewTokens(64, 4), T: make([]float64, 64)}
		for i := range ex.X.N {
			ex.T[i] = rng.Float64()
			copy(ex.X.Row(i), data.Row([]int{0, 1, 1, 2}[rng.IntN(4)]))
		}
		ex.X1 = append(ex.X1, ex.X.X...)
		discrete.Noise(path, rng, ex.X, ex.T)
		ex.A, ex.B = make([]float64, 256), make([]float64, 256)
		for i, z := range ex.X.X {
			if z == 4 {
				ex.A[i] = 1
			}
		}
		return ex
	}
	tr, err := n.NewTrainer(Optimizer{EMADecay: new(0.98)})
	if err != nil {
		t.Fatal(err)
	}
	var middle State
	train := func(from, to int) (r StepResult) {
		for k := from; k < to; k++ {
			if r, err = tr.Step(examples(k), 4e-3); err != nil {
				t.Fatal(err)
			}
		}
		return r
	}
	train(0, 395)
	if middle, err = tr.State(); err != nil {
		t.Fatal(err)
	}
	want := train(395, 400)
	if err := tr.Restore(middle); err != nil {
		t.Fatal(err)
	}
	if got := train(395, 400); got != want {
		t.Errorf("restored: %+v; went on: %+v", got, want)
	}
	learnt, err := tr.Averaged()
	if err != nil {
		t.Fatal(err)
	}
	ex, k := examples(10000), 4
	p, exact := make([]float64, len(ex.X.X)*k), make([]float64, len(ex.X.X)*k)
	if err := learnt.Posterior(context.Background(), p, ex.T, ex.X); err != nil {
		t.Fatal(err)
	}
	if err := law.Posterior(context.Background(), exact, ex.T, ex.X); err != nil {
		t.Fatal(err)
	}
	worst, far := 0.0, 0.0
	for i, z := range ex.X.X {
		if z != 4 {
			continue
		}
		d := 0.0
		for j := range k {
			d += math.Abs(p[i*k+j]-exact[i*k+j]) / 2
		}
		worst, far = max(worst, d), far+d/256
	}
	if far > 0.03 {
		t.Errorf("posteriors are %.3f off in the mean, %.3f at most", far, worst)
	}
}

func TestTokensSayWhatDoesNotFit(t *testing.T) {
	for want, cfg := range map[string]TokenConfig{
		"2 levels and 1 token":       {Levels: 1, Length: 3},
		"multiple of twice the 4":    {Levels: 3, Length: 3, Width: 12},
		"dropout is 1":               {Levels: 3, Length: 3, Dropout: 1},
		"mlp_ratio is -1":            {Levels: 3, Length: 3, MLPRatio: -1},
		"must not be negative":       {Levels: 3, Length: 3, Classes: -1},
		"depth -1 and heads 4 must ": {Levels: 3, Length: 3, Depth: -1},
	} {
		if _, err := NewTokenNet(open(t), cfg, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want %q", cfg, err, want)
		}
	}
	n := smallTokens(t, nil)
	for want, change := range map[string]func(*TokenExamples){
		"is 9; it must be from 0 to 5":     func(ex *TokenExamples) { ex.X.X[1] = 9 },
		"is 5; it must be from 0 to 4":     func(ex *TokenExamples) { ex.X1[1] = 5 },
		"a time for each":                  func(ex *TokenExamples) { ex.T = ex.T[:1] },
		"each token has one of each":       func(ex *TokenExamples) { ex.A = nil },
		"labels do not fit":                func(ex *TokenExamples) { ex.Given.Label[0] = 3 },
		"contexts do not fit":              func(ex *TokenExamples) { ex.Given.Context = flow.NewBatch(3, 5) },
		"tokens that are known are in Tok": func(ex *TokenExamples) { ex.Given.Shown = flow.NewBatch(3, 6) },
	} {
		ex := tokenExamples(3, n.Config(), 2)
		change(ex)
		if _, _, err := n.LossGradient(ex); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	if _, _, err := new(TokenNet).LossGradient(nil); err == nil {
		t.Error("an empty network has a gradient")
	}
	var none *TokenTrainer
	if _, err := none.Step(nil, 1); err == nil {
		t.Error("an empty trainer takes a step")
	}
}

// More sequences than go through the network in one call have the answers that each has alone, and a posterior that
// is not wanted any more is not computed to its end.
func TestManyTokensGoThroughInPartsThatCanEnd(t *testing.T) {
	n := smallTokens(t, func(c *TokenConfig) { c.Classes, c.Context, c.Depth = 0, 0, 1 })
	l, k := n.Config().Length, n.Config().Levels
	count := tokensAtOnce/l + 3
	rng := rand.New(rand.NewPCG(5, 5))
	x, times := discrete.NewTokens(count, l), make([]float64, count)
	for i := range x.X {
		x.X[i] = int32(rng.IntN(k + 1))
	}
	for i := range times {
		times[i] = rng.Float64()
	}
	p, one := make([]float64, len(x.X)*k), make([]float64, l*k)
	if err := n.Posterior(t.Context(), p, times, x); err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{0, count - 4, count - 3, count - 1} {
		if err := n.Posterior(t.Context(), one, times[i:i+1], discrete.Tokens{N: 1, L: l, X: x.Row(i)}); err != nil {
			t.Fatal(err)
		}
		for j, want := range one {
			if got := p[i*l*k+j]; math.Abs(got-want) > 1e-6 {
				t.Fatalf("sequence %d of %d: probability %d is %g, and alone %g", i, count, j, got, want)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.Posterior(ctx, p, times, x); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
