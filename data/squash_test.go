package data_test

import (
	"math"
	"testing"

	"flowmatch/data"
	"flowmatch/flow"
)

func TestASquashedContextIsTheInverseHyperbolicSine(t *testing.T) {
	s := data.Standardizer{Mean: []float64{1, -2}, Std: []float64{2, 0.5}, Squash: true}
	x := flow.Batch{N: 3, D: 2, X: []float64{1, -2, 3, -1.99, 2e6, -5e5}}
	z := x.Clone()
	s.Apply(z)
	for i, want := range []float64{0, 0, 0.962423650119, 0.019999666682, 27.631020115930, -27.631013115915} {
		if math.Abs(z.X[i]-want) > 1e-9*max(1, math.Abs(want)) {
			t.Errorf("number %d: %.12f, want %.12f", i, z.X[i], want)
		}
	}
	s.Invert(z)
	for i, want := range x.X {
		if math.Abs(z.X[i]-want) > 1e-9*max(1, math.Abs(want)) {
			t.Errorf("number %d comes back as %g, want %g", i, z.X[i], want)
		}
	}
}
