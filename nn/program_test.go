package nn

import (
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// A program of many weights is kept for the sizes used last, and computes the same after it was let go; one of few
// weights is kept for all.
func TestAProgramOfManyWeightsIsKeptForFewSizes(t *testing.T) {
	for large, want := range map[int64]int{8: sizesOfLarge, 9: 4} {
		p := &program{eng: openNative(t), name: "sum", large: large,
			build: func(in []*Node) []*Node { return []*Node{Add(in[1], ReduceAllSum(in[0]))} },
			inputs: func(n, _ int) []shapes.Shape {
				return []shapes.Shape{shapes.Make(dtypes.Float32, 2), shapes.Make(dtypes.Float32, n)}
			}}
		for _, n := range []int{1, 2, 3, 4, 2, 1, 1, 3} {
			f, err := p.frame(n, 0)
			if err != nil {
				t.Fatal(err)
			}
			copy(f.floats(0), []float32{1, 2})
			copy(f.floats(1), slices.Repeat([]float32{4}, n))
			if err := f.run(); err != nil {
				t.Fatal(err)
			}
			if got := f.result(0); !slices.Equal(got, slices.Repeat([]float32{7}, n)) {
				t.Errorf("size %d: %v, want 7 each", n, got)
			}
			p.back(f)
		}
		_, one := p.compiled[size{1, 0}]
		_, three := p.compiled[size{3, 0}]
		if len(p.compiled) != want || !one || !three {
			t.Errorf("weights of 8 bytes, of which %d are many: %d sizes are kept, the last ones: %v", large,
				len(p.compiled), one && three)
		}
	}
}
