package field_test

import (
	"math"
	"slices"
	"testing"

	"flowmatch/field"
	"flowmatch/flow"
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

// tilted is a field of two coordinates.
type tilted [2]float64

func (tilted) Dim() int { return 2 }

func (f tilted) Velocity(v []float64, _ float64, _ []float64) error {
	for i := range v {
		v[i] = f[i%2]
	}
	return nil
}

func (f tilted) AtTimes([]int, []float64) (flow.Field, error) { return f, nil }

func TestGuidanceKeepsToItsInterval(t *testing.T) {
	g := field.Guided{Conditional: tilted{1, 3}, Unconditional: tilted{0, 1}, Scale: 2,
		Interval: &[2]float64{0.25, 0.5}}
	for at, want := range map[float64]tilted{0: {1, 3}, 0.2499: {1, 3}, 0.25: {2, 5}, 0.5: {2, 5}, 0.5001: {1, 3}} {
		var v tilted
		if err := g.Velocity(v[:], at, make([]float64, 2)); err != nil || v != want {
			t.Errorf("t = %g: %v, %v; want %v", at, v, err, want)
		}
		if cost := g.Cost(at); cost != map[bool]int{true: 2, false: 1}[want == tilted{2, 5}] {
			t.Errorf("t = %g: an evaluation counts %d", at, cost)
		}
	}
	ts := []float64{0.1, 0.3, 0.9}
	each, err := g.AtTimes([]int{4, 5, 6}, ts)
	if err != nil {
		t.Fatal(err)
	}
	v, want := make([]float64, 6), []float64{1, 3, 2, 5, 1, 3}
	if err := each.Velocity(v, 0, make([]float64, 6)); err != nil || !slices.Equal(v, want) {
		t.Errorf("at times of their own %v, %v; want %v", v, err, want)
	}
	ts[1] = 0.6 // the solver writes times there
	if err := each.Velocity(v, 0, make([]float64, 6)); err != nil || !slices.Equal(v, []float64{1, 3, 1, 3, 1, 3}) {
		t.Errorf("after the interval %v, %v", v, err)
	}
}

// The deviation of (1, 3) is 1, and that of the guided (2, 5) is 3/2.
func TestRescaledGuidanceHasTheDeviationOfTheConditionalField(t *testing.T) {
	for phi, factor := range map[float64]float64{0: 1, 1: 2.0 / 3, 0.6: 0.6*2/3 + 0.4} {
		g := field.Guided{Conditional: tilted{1, 3}, Unconditional: tilted{0, 1}, Scale: 2, Rescale: phi}
		v := make([]float64, 4)
		if err := g.Velocity(v, 0.5, make([]float64, 4)); err != nil {
			t.Fatal(err)
		}
		for i, want := range []float64{2, 5, 2, 5} {
			if math.Abs(v[i]-factor*want) > 1e-14 {
				t.Errorf("rescale %g: %v, want %g times [2 5 2 5]", phi, v, factor)
			}
		}
	}
	same := field.Guided{Conditional: constant(5), Unconditional: constant(2), Scale: 2, Rescale: 1}
	v := make([]float64, 1)
	if err := same.Velocity(v, 0.5, v); err != nil || v[0] != 8 {
		t.Errorf("one coordinate has no deviation: %v, %v; want 8", v, err)
	}
}
