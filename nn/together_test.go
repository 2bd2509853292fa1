package nn

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"

	"flowmatch/cluster"
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

// A sum of gradients that goes on while others are computed has the bits of one that waits.
func TestRanksSumWhileTheyCompute(t *testing.T) {
	ranks := clustertest.In(t, 2)
	if ranks == nil {
		return
	}
	eng, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	cfg := optionNets["unet"]
	net, err := New(eng, cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer func(n int) { leastHidden = n }(leastHidden)
	for _, how := range []StepOptions{{}, {Accumulate: 3}} {
		var weights [3][]float32
		var hidden [3]float64
		for k, least := range []int{math.MaxInt, 1, 1} { // one stage; two, of which the sums wait; or do not
			leastHidden = least
			tr, err := net.NewTrainer(Optimizer{ClipNorm: 1}, how)
			if err != nil {
				t.Fatal(err)
			}
			if err := tr.Together(ranks); err != nil {
				t.Fatal(err)
			}
			tr.parts.early.late = k == 1
			before := ranks.Stats()
			for step := range 4 {
				if _, err := tr.Step(optionExamples(cfg, 13, uint64(step)), 1e-3); err != nil {
					t.Fatal(err)
				}
			}
			after := ranks.Stats()
			hidden[k] = after.Hidden - before.Hidden
			if sent := after.Bytes - before.Bytes; sent < int64(4*4*(net.NumWeights()-1)) {
				t.Errorf("%+v: %d bytes were sent in 4 steps of %d weights", how, sent, net.NumWeights())
			}
			if weights[k], err = tr.RawWeights(); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(weights[1], weights[2]) {
			t.Errorf("%+v: the weights are other bits with sums that are hidden", how)
		}
		if d := apart(weights[2], weights[0]); !(d <= 1e-4) {
			t.Errorf("%+v: the weights are %.2g apart with two stages", how, d)
		}
		t.Logf("%+v: hidden %.2g s", how, hidden)
		if hidden[0] > 0 || !(hidden[2] > 0) {
			t.Errorf("%+v: %.2g s of sums were hidden, want some of the last alone", how, hidden)
		}
	}
	if tr, err := net.NewTrainer(Optimizer{}, StepOptions{Recompute: true}); err != nil {
		t.Fatal(err)
	} else if err := tr.Together(ranks); err != nil || tr.parts.early.tensor != 0 {
		t.Errorf("a step that recomputes has two stages (%v)", err)
	}
}

// Ranks share the matrices of Muon: the step is that of one rank, where each has some, where one has none,
// with an engine that has memory of its own, and in the second step, which begins with moments.
func TestRanksShareTheStepsOfMatrices(t *testing.T) {
	ranks := clustertest.In(t, 3)
	if ranks == nil {
		return
	}
	for _, c := range []struct {
		hidden  []int
		backend string
	}{{[]int{32, 24, 40, 32, 16}, ""}, {[]int{32, 24, 40}, ""}, {[]int{32, 24, 40}, inTurn}, {[]int{32, 24}, ""}} {
		cfg := Config{Dim: 2, Hidden: c.hidden}
		eng, err := Open(c.backend)
		if err != nil {
			t.Fatal(err)
		}
		net, err := New(eng, cfg, 1)
		if err != nil {
			t.Fatal(err)
		}
		var weights [2][]float32
		for k, with := range []*cluster.Comm{nil, ranks} {
			tr, err := net.NewTrainer(Optimizer{Name: Muon, ClipNorm: 0.5, WeightDecay: 0.1}, StepOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if err := tr.Together(with); err != nil {
				t.Fatal(err)
			}
			for step := range 3 {
				if _, err := tr.Step(optionExamples(cfg, 24, uint64(step)), 1e-2); err != nil {
					t.Fatal(err)
				}
			}
			if weights[k], err = tr.RawWeights(); err != nil {
				t.Fatal(err)
			}
			if shares := k == 1 && len(c.hidden) > 2; shares != (tr.parts != nil && tr.parts.turn != nil) {
				t.Errorf("%v: the matrices are shared: %v, want %v", c.hidden, !shares, shares)
			}
		}
		if d := apart(weights[1], weights[0]); !(d <= 1e-5) {
			t.Errorf("%v on %q: the weights are %.2g apart", c.hidden, c.backend, d)
		}
		all, err := ranks.Gather([]byte(fmt.Sprint(weights[1])))
		if err != nil || !bytes.Equal(all[0], all[1]) || !bytes.Equal(all[0], all[2]) {
			t.Errorf("%v on %q: the weights of the ranks are not the same (%v)", c.hidden, c.backend, err)
		}
	}
}
