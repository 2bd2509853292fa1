package assign

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func points(rng *rand.Rand, n, d int) []float64 {
	x := make([]float64, n*d)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	return x
}

func BenchmarkSolvePoints(b *testing.B) {
	for _, s := range []struct{ n, d int }{{64, 2}, {128, 2}, {256, 2}, {512, 2}, {1024, 2}, {2048, 2}, {4096, 2},
		{8192, 2}, {256, 784}, {1024, 784}} {
		for _, kind := range []string{"normal", "clusters"} {
			b.Run(fmt.Sprintf("n=%d/d=%d/%s", s.n, s.d, kind), func(b *testing.B) {
				rng := rand.New(rand.NewPCG(1, 2))
				x, y := points(rng, s.n, s.d), points(rng, s.n, s.d)
				if kind == "clusters" {
					centers := points(rng, 8, s.d)
					for i := range s.n {
						c := rng.IntN(8)
						for k := range s.d {
							y[i*s.d+k] = 3*centers[c*s.d+k] + 0.3*y[i*s.d+k]
						}
					}
				}
				perm := make([]int, s.n)
				w := new(Workspace)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := w.SolvePoints(perm, x, y, s.d, Squared); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
