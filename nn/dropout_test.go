package nn

import (
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"flowmatch/internal/seed"
)

// masks returns what dropped makes of ones [n, 6, 5, 8] in blocks 3 and 7, on an engine.
func masks(t *testing.T, backend string, n int, rate float64) (states []float32, out [2][]float32) {
	t.Helper()
	eng, err := Open(backend)
	if err != nil {
		t.Fatal(err)
	}
	prog := &program{eng: eng, name: "masks",
		inputs: func(rows, _ int) []shapes.Shape {
			return []shapes.Shape{shapes.Make(dtypes.Float32, rows, 6, 5, 8),
				shapes.Make(dtypes.Float32, len(dropPrimes), rows)}
		},
		build: func(in []*Node) []*Node {
			return []*Node{dropped(in[0], in[1], rate, 3), dropped(in[0], in[1], rate, 7)}
		}}
	f, err := prog.frame(n, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.floats(0) {
		f.floats(0)[i] = 1
	}
	drawn := drawDrops(n, seed.Rand(1, "test", 0))
	states = slices.Concat(drawn[:]...)
	copy(f.floats(1), states)
	if err := f.run(); err != nil {
		t.Fatal(err)
	}
	for i := range out {
		out[i] = slices.Clone(f.result(i))
	}
	return states, out
}

func TestDroppedIsTheHashInWholeNumbers(t *testing.T) {
	const n, pixels, channels, rate = 50, 30, 8, 0.3
	for _, backend := range []string{"", "go"} {
		states, out := masks(t, backend, n, rate)
		for k, block := range []uint64{3, 7} {
			rng := seed.Rand(block, "nn/dropout/tables", 0)
			u := make([]float64, n*pixels*channels)
			for lane, p := range dropPrimes {
				pixel, channel := make([]int, pixels), make([]int, channels)
				for _, v := range [][]int{pixel, channel} {
					for i := range v {
						v[i] = rng.IntN(p)
					}
				}
				cube := func(z int) int { return z * z % p * z % p }
				for i := range u {
					z := cube(int(states[lane*n+i/(pixels*channels)]) + pixel[i/channels%pixels])
					u[i] += float64(cube(z+channel[i%channels])) / float64(p)
				}
			}
			for i := range u {
				want := 0.0
				if u[i]-math.Floor(u[i]) >= rate {
					want = 1 / (1 - rate)
				}
				if math.Abs(float64(out[k][i])-want) > 1e-6 {
					t.Fatalf("backend %q, block %d, number %d: %g, want %g", backend, block, i, out[k][i], want)
				}
			}
		}
	}
}

// Coins fall as often as they should, and two of them together too: of neighbours in
// every axis, and of two blocks.
func TestDroppedTossesIndependentCoins(t *testing.T) {
	const n, rate = 2000, 0.2
	_, out := masks(t, "", n, rate)
	near := func(what string, hits, of int, p float64) {
		t.Helper()
		if got, within := float64(hits)/float64(of), 5*math.Sqrt(p*(1-p)/float64(of)); math.Abs(got-p) > within {
			t.Errorf("%s: a share of %g, want %g within %g", what, got, p, within)
		}
	}
	both := func(what string, a, b []float32) {
		t.Helper()
		hits := 0
		for i := range b {
			if a[i] == 0 && b[i] == 0 {
				hits++
			}
		}
		near(what, hits, len(b), rate*rate)
	}
	m := out[0]
	both("itself in another block", m, out[1])
	for what, by := range map[string]int{
		"the next channel": 1, "the next column": 8, "the next row": 40, "the next image": 240,
	} {
		both(what, m, m[by:])
	}
	hits, channel := 0, 0
	for i, v := range m {
		if v == 0 {
			hits++
			if i%8 == 5 {
				channel++
			}
		}
	}
	near("all", hits, len(m), rate)
	near("one channel", channel, len(m)/8, rate)
}

// droppings are networks with dropout, and examples for them.
var droppings = map[string]struct {
	of       func(rate float64) Config
	examples func(n int, cfg Config) *Examples
}{
	"unet": {func(rate float64) Config {
		u := *smallUNet.UNet
		u.Dropout = rate
		cfg := smallUNet
		cfg.UNet = &u
		return cfg
	}, imageExamples},
	"residual": {func(rate float64) Config {
		return Config{Dim: 3, Context: 2, Classes: 2, Residual: &Residual{Width: 16, Blocks: 2, Dropout: rate}}
	}, givenExamples},
}

func TestDropoutIsForStepsOnlyAndAFunctionOfSeedAndStep(t *testing.T) {
	for name, d := range droppings {
		t.Run(name, func(t *testing.T) { testDropout(t, d.of, d.examples) })
	}
}

func testDropout(t *testing.T, dropping func(float64) Config, examples func(int, Config) *Examples) {
	t.Helper()
	cfg := dropping(0.4)
	start, err := scrambled(t, cfg).Weights()
	if err != nil {
		t.Fatal(err)
	}
	trainer := func(cfg Config, seed uint64) *NetTrainer {
		net, err := newNet(t, cfg).WithWeights(start)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := net.NewTrainer(Optimizer{Seed: seed}, StepOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	ex := examples(8, cfg)
	steps := func(tr *NetTrainer, n int) (losses []float64) {
		for range n {
			r, err := tr.Step(ex, 0) // the weights stay, so only the coins change
			if err != nil {
				t.Fatal(err)
			}
			losses = append(losses, r.Loss)
		}
		return losses
	}
	whole := trainer(cfg, 1)
	losses := steps(whole, 4)
	if losses[0] == losses[1] {
		t.Errorf("losses %v: the same coins in every step", losses)
	}
	resumed := trainer(cfg, 1)
	steps(resumed, 2)
	s, err := resumed.State()
	if err != nil {
		t.Fatal(err)
	}
	resumed = trainer(cfg, 1)
	if err := resumed.Restore(s); err != nil {
		t.Fatal(err)
	}
	if got := steps(resumed, 2); !slices.Equal(got, losses[2:]) {
		t.Errorf("losses %v after a restore, want %v", got, losses[2:])
	}
	if got := steps(trainer(cfg, 2), 1); got[0] == losses[0] {
		t.Errorf("seeds 1 and 2 give the same loss %g", got[0])
	}
	// Without the coins nothing is left out.
	plain := trainer(dropping(0), 1)
	for i, tr := range []*NetTrainer{plain, whole} {
		net, err := tr.Raw()
		if err != nil {
			t.Fatal(err)
		}
		loss, _, err := net.LossGradient(ex)
		if err != nil {
			t.Fatal(err)
		}
		if want := steps(plain, 1)[0]; math.Abs(loss-want) > 1e-6*want {
			t.Errorf("network %d: loss %g, want %g", i, loss, want)
		}
	}
	if want := steps(plain, 1)[0]; math.Abs(losses[0]-want) < 1e-3*want {
		t.Errorf("loss %g with dropout, %g without", losses[0], want)
	}
}

// Coins belong to examples, so cutting the batch in parts, as the go engine does, tosses
// no others.
func TestEnginesAgreeOnStepsWithDropout(t *testing.T) {
	for name, d := range droppings {
		cfg := d.of(0.3)
		t.Run(name, func(t *testing.T) { testEnginesAgree(t, cfg, d.examples(6, cfg)) })
	}
}

func testEnginesAgree(t *testing.T, cfg Config, ex *Examples) {
	t.Helper()
	start, err := scrambled(t, cfg).Weights()
	if err != nil {
		t.Fatal(err)
	}
	var results [2]StepResult
	for i, backend := range []string{"", inTurn} {
		eng, err := Open(backend)
		if err != nil {
			t.Fatal(err)
		}
		net, err := New(eng, cfg, 1)
		if err != nil {
			t.Fatal(err)
		}
		if net, err = net.WithWeights(start); err != nil {
			t.Fatal(err)
		}
		tr, err := net.NewTrainer(Optimizer{Seed: 3}, StepOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if results[i], err = tr.Step(ex, 1e-3); err != nil {
			t.Fatal(err)
		}
	}
	a, b := results[0], results[1]
	if math.Abs(a.Loss-b.Loss) > 1e-5*b.Loss || math.Abs(a.GradNorm-b.GradNorm) > 1e-4*b.GradNorm {
		t.Errorf("loss %g and gradient norm %g, want %g and %g", a.Loss, a.GradNorm, b.Loss, b.GradNorm)
	}
}

// The derivative along a direction is that of the network with the same numbers left out.
func TestTangentsLeaveOutTheSameNumbers(t *testing.T) {
	cfg, n, h := Config{Dim: 3, Residual: &Residual{Width: 16, Blocks: 2, Dropout: 0.4}}, 6, 1e-2
	net := scrambled(t, cfg)
	p := &program{eng: net.eng, name: "tangents", inputs: func(n, _ int) []shapes.Shape {
		return []shapes.Shape{floats(net.arch.size), floats(n, 3), floats(n), floats(n, 3), floats(len(dropPrimes), n)}
	}, build: func(in []*Node) []*Node {
		w := net.arch.params(in[0])
		at := func(step float64) input {
			return input{x: Add(in[1], MulScalar(in[3], step)), t: in[2], drop: in[4]}
		}
		_, df := net.arch.tangents(w, at(0), direction{e: InsertAxes(in[3], 1)})
		whole := at(0)
		whole.drop = nil
		_, without := net.arch.tangents(w, whole, direction{e: InsertAxes(in[3], 1)})
		difference := Sub(net.arch.forward(w, at(h)), net.arch.forward(w, at(-h)))
		return []*Node{df, MulScalar(difference, 1/(2*h)), without}
	}}
	f, err := p.frame(n, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.give(0, net.theta)
	f.set(1, randomPoints(n, 3, 1))
	f.set(2, []float64{0, 0.1, 0.3, 0.5, 0.8, 1})
	f.set(3, randomPoints(n, 3, 2))
	drawn := drawDrops(n, seed.Rand(1, "test", 0))
	copy(f.floats(4), slices.Concat(drawn[:]...))
	if err := f.run(); err != nil {
		t.Fatal(err)
	}
	df, want, without := f.result(0), f.result(1), f.result(2)
	for i := range want {
		if math.Abs(float64(df[i]-want[i])) > 3e-3*(1+math.Abs(float64(want[i]))) {
			t.Errorf("number %d: derivative %g, want %g", i, df[i], want[i])
		}
	}
	if slices.Equal(df, without) {
		t.Error("nothing was left out")
	}
}
