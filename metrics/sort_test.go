package metrics

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestNumbersAreSortedByTheirBytes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for name, draw := range map[string]func() float64{
		"normal":         rng.NormFloat64,
		"of every size":  func() float64 { return (rng.Float64() - 0.5) * math.Ldexp(1, rng.IntN(2098)-1074) },
		"few values":     func() float64 { return float64(rng.IntN(5) - 2) },
		"with infinites": func() float64 { return 1 / float64(rng.IntN(7)-3) },
	} {
		for _, n := range []int{0, 1, 100, 8192, 20001} {
			got := make([]float64, n)
			for i := range got {
				got[i] = draw()
			}
			want := slices.Sorted(slices.Values(got))
			if sortNumbers(got); !slices.Equal(got, want) {
				t.Errorf("%d numbers, %s: not in order", n, name)
			}
		}
	}
}

func BenchmarkSortNumbers(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	from, x := make([]float64, 20000), make([]float64, 20000)
	for i := range from {
		from[i] = rng.NormFloat64()
	}
	for name, sort := range map[string]func([]float64){"bytes": sortNumbers, "compare": slices.Sort[[]float64]} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				copy(x, from)
				sort(x)
			}
		})
	}
}
