package nn

import (
	"math"
	"math/rand/v2"
	"testing"

	"flowmatch/engine/native/machine"
)

// Losses, weights and the state of the optimizer have the same bits with other sizes: a run that is
// resumed where others are in use is as if it had not stopped.
func TestTrainingIsTheSameWithOtherSizes(t *testing.T) {
	first := machine.Choose(machine.Model{}, 2)
	small := machine.Sizes{Tile: 64 << 10, Rows: 16, Strip: 256, Block: 28, Columns: 64, Pixels: 1 << 10}
	large := machine.Sizes{Tile: 64 << 20, Rows: 1024, Strip: 4096, Block: 672, Columns: 2048, Pixels: 1 << 20}
	unet := UNet{Image: []int{8, 8, 1}, Channels: 8, Mult: []int{1, 2}, Blocks: 1, Attention: []int{4},
		HeadChannels: 8}
	for name, c := range map[string]struct {
		cfg  Config
		rows int
	}{
		"a perceptron": {Config{Dim: 2, Hidden: []int{96, 96}}, 1100},
		"a UNet":       {Config{Dim: 64, UNet: &unet}, 90},
	} {
		t.Run(name, func(t *testing.T) {
			want := trained(t, c.cfg, c.rows, first)
			for _, s := range []machine.Sizes{small, large} {
				for i, x := range trained(t, c.cfg, c.rows, s) {
					if math.Float64bits(x) != math.Float64bits(want[i]) {
						t.Fatalf("number %d is %g with %v, and %g with %v", i, x, s, want[i], first)
					}
				}
			}
		})
	}
}

// trained is the losses of some steps of training, and the state after them.
func trained(t *testing.T, cfg Config, rows int, s machine.Sizes) (out []float64) {
	t.Helper()
	eng, err := OpenSized(s)
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	net, err := New(eng, cfg, 7)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := net.NewTrainer(Optimizer{}, StepOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 8))
	for range 3 {
		r, err := tr.Step(randomExamples(rows, cfg.Dim, rng), 1e-2)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r.Loss, r.GradNorm)
	}
	state, err := tr.State()
	if err != nil {
		t.Fatal(err)
	}
	for _, slab := range [][]float32{state.Weights, state.EMA, state.Moment1, state.Var2} {
		for _, x := range slab {
			out = append(out, float64(x))
		}
	}
	return out
}
