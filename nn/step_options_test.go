package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
)

// optionNets are networks with layers wide enough for bfloat16.
var optionNets = map[string]Config{
	"mlp":     {Dim: 2, Hidden: []int{64, 48}, TimeFrequencies: 2},
	"average": {Dim: 3, Hidden: []int{32, 32}, Average: true, Classes: 3},
	"unet": {Dim: 8 * 8 * 2, Classes: 20,
		UNet: &UNet{Image: []int{8, 8, 2}, Channels: 16, Mult: []int{1, 2}, Blocks: 1, Attention: []int{4}, Heads: 2}},
	"unet with dropout": {Dim: 8 * 8 * 2,
		UNet: &UNet{Image: []int{8, 8, 2}, Channels: 16, Mult: []int{1}, Blocks: 1, Dropout: 0.3}},
	"dit with a context": {Dim: 8 * 6 * 2, Classes: 3, Context: 8 * 6,
		DiT: &DiT{Image: []int{8, 6, 2}, Width: 32, Depth: 1, Heads: 2}},
}

// optionExamples are examples of every kind that the network takes.
func optionExamples(cfg Config, n int, seed uint64) *Examples {
	ex := averageExamples(cfg, n, seed)
	if cfg.Average {
		ex.Loss = Loss{Average: ByParts, Parts: 2, Rows: n / 4}
	} else {
		ex.S = nil
	}
	if c := cfg.Context; c > 0 {
		ex.Given.Context = flow.Batch{N: n, D: c, X: randomPoints(n, c, seed+7)}
	}
	return ex
}

// stepped is the state and the result of one step: the first moment is a tenth of
// the gradient.
func stepped(t *testing.T, net *Net, ex *Examples, how StepOptions) (State, StepResult) {
	t.Helper()
	tr, err := net.NewTrainer(Optimizer{}, how)
	if err != nil {
		t.Fatal(err)
	}
	r, err := tr.Step(ex, 1e-3)
	if err != nil {
		t.Fatal(err)
	}
	s, err := tr.State()
	if err != nil {
		t.Fatal(err)
	}
	return s, r
}

// apart is the distance of two slabs, as a part of the length of the second.
func apart(x, y []float32) float64 {
	dist, norm := 0.0, 0.0
	for i, v := range y {
		norm += float64(v) * float64(v)
		dist += (float64(x[i]) - float64(v)) * (float64(x[i]) - float64(v))
	}
	return math.Sqrt(dist / norm)
}

// On the same engine, in one or many parts, computed again or kept, in float32 or in
// bfloat16, a step is the same step, as far as the numbers are.
func TestOptionsDoNotChangeTheStep(t *testing.T) {
	const half = 1. / 256 // a rounding to bfloat16, at most
	for name, cfg := range optionNets {
		net := scrambled(t, cfg)
		ex := optionExamples(cfg, 24, 1)
		want, plain := stepped(t, net, ex, StepOptions{})
		for _, c := range []struct {
			how StepOptions
			tol float64
		}{
			{StepOptions{Accumulate: 2}, 1e-5},
			{StepOptions{Accumulate: 5}, 1e-5}, // does not divide
			{StepOptions{Recompute: true}, 1e-5},
			{StepOptions{Precision: BFloat16}, 4 * half},
			{StepOptions{Precision: BFloat16, Accumulate: 3, Recompute: true}, 4 * half},
		} {
			got, r := stepped(t, net, ex, c.how)
			d := apart(got.Moment1, want.Moment1)
			t.Logf("%s %+v: gradient off by %.2g, loss by %.2g", name, c.how, d, r.Loss/plain.Loss-1)
			if !(d <= c.tol) || !(math.Abs(r.Loss/plain.Loss-1) <= c.tol) ||
				!(math.Abs(r.GradNorm/plain.GradNorm-1) <= c.tol) {
				t.Errorf("%s %+v: gradient off by %.2g of its length, loss %g and norm %g; want %g and %g",
					name, c.how, d, r.Loss, r.GradNorm, plain.Loss, plain.GradNorm)
			}
			if c.how.Precision == BFloat16 && d < half/32 {
				t.Errorf("%s %+v: gradient off by %.2g: was it bfloat16?", name, c.how, d)
			}
		}
	}
}

// The engines agree on a step under any options.
func TestEnginesAgreeOnAStepUnderOptions(t *testing.T) {
	for name, cfg := range optionNets {
		net := scrambled(t, cfg)
		w, err := net.Weights()
		if err != nil {
			t.Fatal(err)
		}
		eng, err := Open(inTurn)
		if err != nil {
			t.Fatal(err)
		}
		other, err := New(eng, cfg, 1)
		if err != nil {
			t.Fatal(err)
		}
		if other, err = other.WithWeights(w); err != nil {
			t.Fatal(err)
		}
		ex := optionExamples(cfg, 8, 1)
		for _, how := range []StepOptions{{Accumulate: 2, Recompute: true}, {Precision: BFloat16}} {
			tol := 1e-5
			if how.Precision == BFloat16 {
				tol = 4. / 256
			}
			got, r := stepped(t, other, ex, how)
			want, s := stepped(t, net, ex, how)
			if d := apart(got.Moment1, want.Moment1); !(d <= tol) || !(math.Abs(r.Loss/s.Loss-1) <= tol) {
				t.Errorf("%s %+v: gradients are %.2g apart, losses are %g and %g", name, how, d, r.Loss, s.Loss)
			}
		}
	}
}

func TestTrainingUnderOptionsIsResumedBitByBit(t *testing.T) {
	how := StepOptions{Precision: BFloat16, Accumulate: 4, Recompute: true}
	cfg := optionNets["mlp"]
	begin := func() *NetTrainer {
		tr, err := newNet(t, cfg).NewTrainer(Optimizer{ClipNorm: 1}, how)
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	run := func(tr *NetTrainer, from, to int) State {
		for k := from; k < to; k++ {
			if _, err := tr.Step(randomExamples(64, 2, rand.New(rand.NewPCG(1, uint64(k)))), 1e-2); err != nil {
				t.Fatal(err)
			}
		}
		s, err := tr.State()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	want, half, resumed := run(begin(), 0, 20), run(begin(), 0, 9), begin()
	if err := resumed.Restore(half); err != nil {
		t.Fatal(err)
	}
	got := run(resumed, 9, 20)
	if !slices.Equal(got.Weights, want.Weights) || !slices.Equal(got.EMA, want.EMA) ||
		!slices.Equal(got.Var2, want.Var2) {
		t.Error("the state after a restore differs from that of the run that went on")
	}
}

// A trainer goes on from a good state after one that had diverged.
func TestRestoreAfterDivergenceInParts(t *testing.T) {
	tr, err := newNet(t, Config{Dim: 1}).NewTrainer(Optimizer{}, StepOptions{Accumulate: 2})
	if err != nil {
		t.Fatal(err)
	}
	s, err := tr.State()
	if err != nil {
		t.Fatal(err)
	}
	ex := randomExamples(8, 1, rand.New(rand.NewPCG(3, 3)))
	x := ex.X1.X[3]
	ex.X1.X[3] = math.NaN()
	if _, err := tr.Step(ex, 1e-3); err == nil {
		t.Fatal("a NaN went unnoticed")
	}
	ex.X1.X[3] = x
	if err := tr.Restore(s); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Step(ex, 1e-3); err != nil {
		t.Error(err)
	}
}

// Computing again saves memory of our engine; parts do not, for a batch is taken in
// tiles of a few images anyway.
func TestRecomputingSavesMemory(t *testing.T) {
	cfg := Config{Dim: 32 * 32, UNet: &UNet{Image: []int{32, 32, 1}, Channels: 16, Mult: []int{1, 2}, Blocks: 2}}
	memory := func(rows int, how StepOptions) float64 {
		tr, err := newNet(t, cfg).NewTrainer(Optimizer{}, how)
		if err != nil {
			t.Fatal(err)
		}
		p := tr.progs.of(Loss{})
		if tr.parts != nil {
			p, rows = tr.parts.progs.of(Loss{}), rows/how.Accumulate
		}
		f, err := p.frame(rows, 0)
		if err != nil {
			t.Fatal(err)
		}
		return float64(f.c.exec.(interface{ Memory() int }).Memory())
	}
	whole := memory(32, StepOptions{})
	for _, c := range []struct {
		how  StepOptions
		most float64
	}{{StepOptions{Accumulate: 16}, 1.01}, {StepOptions{Recompute: true}, 0.6}} {
		got := memory(32, c.how)
		t.Logf("%+v: %.2f of %.3g MiB", c.how, got/whole, whole/(1<<20))
		if got > c.most*whole {
			t.Errorf("%+v: %.2f of the memory of a plain step; want at most %g", c.how, got/whole, c.most)
		}
	}
}

func TestBadStepOptionsAreNamed(t *testing.T) {
	net := newNet(t, Config{Dim: 2})
	for want, how := range map[string]StepOptions{
		`precision "fp8"; it must be one of float32, bf16`: {Precision: "fp8"}, "accumulate is -1": {Accumulate: -1},
	} {
		if _, err := net.NewTrainer(Optimizer{}, how); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v", how, err)
		}
	}
}

// What each option costs and saves, beside the plain step.
func BenchmarkStepOptions(b *testing.B) {
	wide := []int{512, 512, 512, 512, 512}
	for _, c := range []struct {
		name  string
		cfg   Config
		batch int
	}{
		{"mlp512x5", Config{Dim: 2, Hidden: wide}, 4096},
		{"unet32",
			Config{Dim: 784, UNet: &UNet{Image: []int{28, 28, 1}, Channels: 32, Mult: []int{1, 2, 2}, Blocks: 1}}, 64},
	} {
		for _, how := range []StepOptions{
			{}, {Precision: BFloat16}, {Accumulate: 4}, {Accumulate: 16}, {Recompute: true},
			{Precision: BFloat16, Recompute: true, Accumulate: 16},
		} {
			b.Run(fmt.Sprintf("%s/%+v", c.name, how), func(b *testing.B) {
				net, err := New(open(b), c.cfg, 1)
				if err != nil {
					b.Fatal(err)
				}
				tr, err := net.NewTrainer(Optimizer{}, how)
				if err != nil {
					b.Fatal(err)
				}
				ex := randomExamples(c.batch, c.cfg.Dim, rand.New(rand.NewPCG(1, 2)))
				if _, err := tr.Step(ex, 1e-4); err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					if _, err := tr.Step(ex, 1e-4); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
