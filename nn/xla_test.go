//go:build xla

package nn

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// The same run on both engines: the same losses, up to float32 rounding that
// 100 steps of training have had time to amplify.
func TestXLAAndGoGiveTheSameLossesOver100Steps(t *testing.T) {
	run := func(backend string) (losses []float64) {
		eng, err := Open(backend)
		if errors.Is(err, ErrNoBackend) {
			t.Skipf("no XLA here: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		net, err := New(eng, Config{Dim: 2, TimeFrequencies: 2, SpaceFrequencies: 4}, 1)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := net.NewTrainer(Optimizer{ClipNorm: 1, WeightDecay: 0.01}, StepOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for k := range 100 {
			r, err := tr.Step(randomExamples(256, 2, rand.New(rand.NewPCG(1, uint64(k)))), 1e-3)
			if err != nil {
				t.Fatal(err)
			}
			losses = append(losses, r.Loss)
		}
		return losses
	}
	xla, pure := run("xla"), run("go")
	worst := 0.0
	for k := range pure {
		worst = max(worst, math.Abs(xla[k]-pure[k])/pure[k])
	}
	t.Logf("largest relative difference of a loss: %.2g (first %g, last %g)", worst, pure[0], pure[99])
	if worst > 1e-4 {
		t.Errorf("losses differ by %g relative, want at most 1e-4", worst)
	}
}

// xlaEngine opens XLA, or skips the test.
func xlaEngine(t *testing.T, name string) *Engine {
	t.Helper()
	eng, err := Open(name)
	if errors.Is(err, ErrNoBackend) {
		t.Skipf("no XLA here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return eng
}

// Steps on two devices are those on one, but for the order of sums, and both devices
// hold the same state; so are those under any other options.
func TestXLAStepsUnderOptionsAreTheSame(t *testing.T) {
	eng := xlaEngine(t, "xla:,devices=2")
	if eng.Devices() != 2 {
		t.Fatalf("%d devices, want 2", eng.Devices())
	}
	for name, cfg := range optionNets {
		w, err := scrambled(t, cfg).Weights()
		if err != nil {
			t.Fatal(err)
		}
		net, err := New(eng, cfg, 1)
		if err != nil {
			t.Fatal(err)
		}
		if net, err = net.WithWeights(w); err != nil {
			t.Fatal(err)
		}
		ex := optionExamples(cfg, 16, 1)
		want, plain := stepped(t, net, ex, StepOptions{})
		for _, c := range []struct {
			how StepOptions
			tol float64
		}{
			{StepOptions{Devices: 2}, 1e-5}, {StepOptions{Devices: 2, Accumulate: 2, Recompute: true}, 1e-5},
			{StepOptions{Recompute: true}, 1e-5}, {StepOptions{Accumulate: 2}, 1e-5},
			{StepOptions{Devices: 2, Precision: BFloat16}, 4. / 256},
		} {
			if name == "unet" && c.how != (StepOptions{Devices: 2}) {
				continue // XLA compiles each for a quarter of a minute
			}
			got, r := stepped(t, net, ex, c.how)
			d := apart(got.Moment1, want.Moment1)
			t.Logf("%s %+v: gradient off by %.2g, loss by %.2g", name, c.how, d, r.Loss/plain.Loss-1)
			if !(d <= c.tol) || !(math.Abs(r.Loss/plain.Loss-1) <= c.tol) {
				t.Errorf("%s %+v: gradient off by %.2g of its length, loss %g; want %g", name, c.how, d,
					r.Loss, plain.Loss)
			}
		}
	}
}

func TestXLAReplicasStayTheSame(t *testing.T) {
	net, err := New(xlaEngine(t, "xla:,devices=2"), optionNets["mlp"], 1)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := net.NewTrainer(Optimizer{ClipNorm: 1}, StepOptions{Devices: 2})
	if err != nil {
		t.Fatal(err)
	}
	for k := range 20 {
		if _, err := tr.Step(randomExamples(64, 2, rand.New(rand.NewPCG(1, uint64(k)))), 1e-2); err != nil {
			t.Fatal(err)
		}
	}
	for i := range stateSlabs {
		a, errA := download(tr.state[0][i])
		b, errB := download(tr.state[1][i])
		if errA != nil || errB != nil || !slices.Equal(a, b) {
			t.Errorf("slab %d differs between devices (%v, %v)", i, errA, errB)
		}
	}
	if _, err := tr.Step(randomExamples(63, 2, rand.New(rand.NewPCG(1, 2))), 1e-2); !errors.Is(err, ErrDevices) {
		t.Errorf("63 examples for 2 devices: got %v", err)
	}
}
