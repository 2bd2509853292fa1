package classify

import (
	"fmt"
	"testing"

	"flowmatch/nn"
)

func BenchmarkTwoSample(b *testing.B) {
	eng, err := nn.Open("")
	if err != nil {
		b.Fatal(err)
	}
	for _, dim := range []int{2, 10} {
		b.Run(fmt.Sprint("n10000d", dim), func(b *testing.B) {
			reference, x := normal(1, 10000, dim), each(normal(2, 10000, dim), linear(1, 0.2))
			for b.Loop() {
				if _, err := TwoSample(b.Context(), eng, reference, x, C2STOptions{Seed: 1}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
