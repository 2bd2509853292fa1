package nn

import (
	"fmt"
	"testing"
)

// A training step of a UNet for digits.
func BenchmarkUNetStep(b *testing.B) {
	for _, c := range []struct{ channels, blocks, batch int }{{32, 1, 64}, {32, 2, 64}, {64, 2, 64}} {
		b.Run(fmt.Sprintf("c%d/b%d/batch%d", c.channels, c.blocks, c.batch), func(b *testing.B) {
			eng, err := Open("")
			if err != nil {
				b.Fatal(err)
			}
			u := &UNet{Image: []int{28, 28, 1}, Channels: c.channels, Mult: []int{1, 2, 2}, Blocks: c.blocks}
			net, err := New(eng, Config{Dim: 784, UNet: u}, 1)
			if err != nil {
				b.Fatal(err)
			}
			tr, err := net.NewTrainer(Optimizer{}, StepOptions{})
			if err != nil {
				b.Fatal(err)
			}
			ex := NewExamples(c.batch, 784)
			for i := range ex.T {
				ex.T[i], ex.Alpha[i], ex.Sigma[i], ex.G1[i], ex.G0[i], ex.Weight[i] = 0.5, 0.5, 0.5, 1, -1, 1
			}
			copy(ex.X0.X, randomPoints(c.batch, 784, 1))
			copy(ex.X1.X, randomPoints(c.batch, 784, 2))
			if _, err := tr.Step(ex, 1e-4); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(net.NumWeights()), "weights")
			for b.Loop() {
				if _, err := tr.Step(ex, 1e-4); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
