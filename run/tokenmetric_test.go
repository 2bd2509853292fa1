package run

import (
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"flowmatch/data/table"
	"flowmatch/discrete"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/train"
)

// A run over a distance of levels learns the law of pairs of whole numbers, and draws it by the jumps of its path.
func TestARunOverADistanceLearnsItsData(t *testing.T) {
	const levels, rows = 5, 4000
	var x []int32
	rng, law := seed.Rand(1, "run/tokenmetric", 0), make([]float64, levels*levels)
	for range rows {
		a := rng.IntN(levels)
		b := min(max(a+rng.IntN(3)-1, 0), levels-1) // near the first
		x = append(x, int32(a), int32(b))
		law[a*levels+b] += 1.0 / rows
	}
	file := filepath.Join(t.TempDir(), "pairs.npy")
	if err := table.WriteIntNPY(file, rows, 2, x); err != nil {
		t.Fatal(err)
	}
	cfg, err := ParseTokenConfig(fmt.Appendf(nil, `
space: tokens
data: {path: %q, val: 50}
path: {metric: {distance: levels, scale: 2}}
net: {width: 32, depth: 1, heads: 2}
train: {steps: 1000, batch: 64, lr: 1e-2, val_every: 0, optimizer: {ema_decay: 0.98}}
eval: {steps: 48}
`, file), nil)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Train.Loss != train.CrossEntropy || cfg.Eval.Solver != discrete.Euler {
		t.Errorf("loss %s and solver %s, want those of a metric path", cfg.Train.Loss, cfg.Eval.Solver)
	}
	dir := t.TempDir()
	if _, err := TrainTokens(t.Context(), cfg, dir, TokenOptions{}); err != nil {
		t.Fatal(err)
	}
	r, err := OpenTokens(dir, OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := r.Model.Sample(t.Context(), model.TokenSampling{N: rows, Sampler: r.Config.Eval.Sampling(3)})
	if err != nil {
		t.Fatal(err)
	}
	apart := make([]float64, len(law))
	for i := range got.N {
		apart[int(got.Row(i)[0])*levels+int(got.Row(i)[1])] += 1.0 / rows
	}
	tv := 0.0
	for k := range law {
		tv += math.Abs(law[k]-apart[k]) / 2
	}
	if tv > 0.08 { // two samples of the law are 0.03 apart
		t.Errorf("samples are %.3f in total variation from the data", tv)
	}
	corpus, err := r.Text()
	if err != nil {
		t.Fatal(err)
	}
	held, _ := corpus.Testing(200)
	b, _, err := r.Model.Bound(t.Context(), held, nil, discrete.ELBOOptions{Draws: 16, Seed: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	exact := exactBound(t, r, law, held)
	if apart := b.Bits - exact; apart < -4*b.BitsSE || apart > 0.25+4*b.BitsSE {
		t.Errorf("the bound is %.3f ± %.3f bits a token; by the exact posterior it is %.3f", b.Bits, b.BitsSE, exact)
	}
}

// exactBound is the bound of sequences of two tokens by the exact posterior of their law, in bits a token.
func exactBound(t *testing.T, r *TokenRun, law []float64, held discrete.Tokens) float64 {
	t.Helper()
	levels := r.Model.Path().Levels()
	pairs := discrete.NewTokens(len(law), 2)
	for k := range law {
		pairs.Row(k)[0], pairs.Row(k)[1] = int32(k/levels), int32(k%levels)
	}
	posterior, err := discrete.NewLaw(r.Model.Path(), pairs, law)
	if err != nil {
		t.Fatal(err)
	}
	bound, se := make([]float64, held.N), make([]float64, held.N)
	if err := discrete.ELBO(t.Context(), posterior, r.Model.Path(), held, discrete.ELBOOptions{Draws: 16, Seed: 1},
		bound, se); err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, v := range bound {
		sum += v
	}
	return sum / math.Ln2 / float64(len(held.X))
}
