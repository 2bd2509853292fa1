package nn

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// The cases of the peers: an MLP flow in two dimensions (hidden, layers, batch).
func BenchmarkTrainerStep(b *testing.B) {
	for _, c := range []struct{ width, depth, batch int }{{64, 3, 256}, {256, 4, 1024}} {
		b.Run(fmt.Sprintf("mlp%dx%d/batch%d", c.width, c.depth, c.batch), func(b *testing.B) {
			eng, err := Open(DefaultBackend)
			if err != nil {
				b.Fatal(err)
			}
			cfg := Config{Dim: 2}
			for range c.depth {
				cfg.Hidden = append(cfg.Hidden, c.width)
			}
			net, err := New(eng, cfg, 1)
			if err != nil {
				b.Fatal(err)
			}
			tr, err := net.NewTrainer(Optimizer{}, StepOptions{})
			if err != nil {
				b.Fatal(err)
			}
			ex := randomExamples(c.batch, 2, rand.New(rand.NewPCG(1, 2)))
			if _, err := tr.Step(ex, 1e-3); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tr.Step(ex, 1e-3); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// randomExamples draws examples of the OT path between two Gaussians.
func randomExamples(n, d int, rng *rand.Rand) *Examples {
	ex := NewExamples(n, d)
	for i := range ex.X0.X {
		ex.X0.X[i], ex.X1.X[i] = rng.NormFloat64(), 2+0.5*rng.NormFloat64()
	}
	for i := range n {
		t := rng.Float64()
		ex.T[i], ex.Alpha[i], ex.Sigma[i], ex.G1[i], ex.G0[i], ex.Weight[i] = t, t, 1-t, 1, -1, 1
	}
	return ex
}

// The targets of average velocities, a quarter of the batch, beside a plain regression.
func BenchmarkAverageStep(b *testing.B) {
	for name, l := range map[string]Loss{
		"plain": {}, "identity": {Average: ByIdentity, Rows: 64}, "identity/all": {Average: ByIdentity, Rows: 256},
		"parts": {Average: ByParts, Parts: 2, Rows: 64},
	} {
		b.Run(name, func(b *testing.B) {
			tr := newTrainer(b, Config{Dim: 2, Average: true}, Optimizer{})
			ex := averageExamples(Config{Dim: 2}, 256, 1)
			ex.Loss = l
			for b.Loop() {
				if _, err := tr.Step(ex, 1e-9); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
