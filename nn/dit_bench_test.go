package nn

import (
	"fmt"
	"testing"

	"flowmatch/flow"
)

// benchDiT is DiT-S/2 on the latents of an image of 256x256.
func benchDiT(b *testing.B) *Net {
	eng, err := Open("")
	if err != nil {
		b.Fatal(err)
	}
	net, err := New(eng, Config{Dim: 4096, Classes: 1000, DiT: &DiT{Image: []int{32, 32, 4}}}, 1)
	if err != nil {
		b.Fatal(err)
	}
	return net
}

// The velocities of a transformer.
func BenchmarkDiTVelocity(b *testing.B) {
	for _, batch := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("batch%d", batch), func(b *testing.B) {
			net := benchDiT(b)
			x, v := randomPoints(batch, 4096, 1), make([]float64, batch*4096)
			f, err := net.Bind(flow.Given{Label: make([]int32, batch)})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := f.Velocity(v, 0.5, x); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A training step of a transformer.
func BenchmarkDiTStep(b *testing.B) {
	net := benchDiT(b)
	tr, err := net.NewTrainer(Optimizer{}, StepOptions{})
	if err != nil {
		b.Fatal(err)
	}
	const batch = 4
	ex := NewExamples(batch, 4096)
	for i := range ex.T {
		ex.T[i], ex.Alpha[i], ex.Sigma[i], ex.G1[i], ex.G0[i], ex.Weight[i] = 0.5, 0.5, 0.5, 1, -1, 1
	}
	ex.Given.Label = make([]int32, batch)
	copy(ex.X0.X, randomPoints(batch, 4096, 1))
	copy(ex.X1.X, randomPoints(batch, 4096, 2))
	for b.Loop() {
		if _, err := tr.Step(ex, 1e-4); err != nil {
			b.Fatal(err)
		}
	}
}
