package nn

import (
	"math"
	"slices"
	"testing"

	"flowmatch/cluster/clustertest"
)

// A step of three ranks is that of one, also of an engine with memory of its own, in parts, and of fewer
// examples than there are ranks.
func TestRanksTakeTheStepOfOne(t *testing.T) {
	ranks := clustertest.In(t, 3)
	if ranks == nil {
		return
	}
	for _, c := range []struct {
		net, backend string
		n            int
		how          StepOptions
	}{
		{"mlp", "", 24, StepOptions{}}, {"mlp", "", 2, StepOptions{}}, {"mlp", "", 23, StepOptions{Accumulate: 4}},
		{"average", "", 10, StepOptions{}}, {"average", inTurn, 10, StepOptions{}},
		{"unet with dropout", "", 8, StepOptions{Recompute: true}},
	} {
		cfg := optionNets[c.net]
		eng, err := Open(c.backend)
		if err != nil {
			t.Fatal(err)
		}
		net, err := New(eng, cfg, 1)
		if err != nil {
			t.Fatal(err)
		}
		ex := optionExamples(cfg, c.n, 1)
		want, alone := stepped(t, net, ex, StepOptions{})
		tr, err := net.NewTrainer(Optimizer{}, c.how)
		if err != nil {
			t.Fatal(err)
		}
		if err := tr.Together(ranks); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second step begins with the sum of the first
			if err := tr.Restore(State{Weights: startOf(t, net), EMA: startOf(t, net),
				Moment1: make([]float32, len(want.EMA)), Var2: make([]float32, len(want.EMA))}); err != nil {
				t.Fatal(err)
			}
			r, err := tr.Step(ex, 1e-3)
			if err != nil {
				t.Fatal(err)
			}
			got, err := tr.State()
			if err != nil {
				t.Fatal(err)
			}
			if d := apart(got.Moment1, want.Moment1); !(d <= 1e-5) || !(math.Abs(r.Loss/alone.Loss-1) <= 1e-6) {
				t.Errorf("%s on %q, %d examples, %+v: gradients are %.2g apart, losses are %g and %g", c.net, c.backend,
					c.n, c.how, d, r.Loss, alone.Loss)
			}
			bits := make([]byte, 0, len(got.Weights))
			for _, w := range got.Weights {
				bits = append(bits, byte(math.Float32bits(w)))
			}
			all, err := ranks.Gather(bits)
			if err != nil || !slices.Equal(all[0], all[1]) || !slices.Equal(all[0], all[2]) {
				t.Errorf("%s on %q: the weights of the ranks are not the same (%v)", c.net, c.backend, err)
			}
		}
	}
}

// startOf returns the weights of a network.
func startOf(t *testing.T, net *Net) []float32 {
	t.Helper()
	w, err := net.Weights()
	if err != nil {
		t.Fatal(err)
	}
	return w
}
