//go:build xla

package nn

import (
	"errors"
	"math"
	"math/rand/v2"
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
		tr, err := net.NewTrainer(Optimizer{ClipNorm: 1, WeightDecay: 0.01})
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
