package field_test

import (
	"math"
	"testing"

	"flowmatch/field"
)

// constant is a field that is the same everywhere.
type constant float64

func (constant) Dim() int { return 1 }

func (c constant) Velocity(v []float64, _ float64, _ []float64) error {
	for i := range v {
		v[i] = float64(c)
	}
	return nil
}

func TestGuidanceGoesFromTheUnconditionalFieldThroughTheConditionalOne(t *testing.T) {
	for scale, want := range map[float64]float64{0: 2, 1: 5, 1.5: 6.5, -1: -1} {
		g := field.Guided{Conditional: constant(5), Unconditional: constant(2), Scale: scale}
		v := make([]float64, 2)
		if err := g.Velocity(v, 0.5, []float64{7, 8}); err != nil {
			t.Fatal(err)
		}
		if g.Dim() != 1 || math.Abs(v[0]-want) > 1e-15 || v[1] != v[0] {
			t.Errorf("scale %g: got %v, want %g", scale, v, want)
		}
	}
}
