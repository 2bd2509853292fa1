package field_test

import (
	"math"
	"testing"

	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/flowtest"
	"flowmatch/internal/seed"
	"flowmatch/path"
)

func within(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s: got %.15g, want %.15g, difference %g, tolerance %g", what, got, want, got-want, tol)
	}
}

// density is what both fields of this room are.
type density interface {
	flow.Differentiable
	flow.Diverger
	LogProb(logp []float64, t float64, x []float64) error
}

func marginal(t testing.TB, s path.Scheduler, x1 flow.Batch, q []float64) *field.Marginal {
	t.Helper()
	m, err := field.NewMarginal(s, x1, q)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// normals returns n points of N(0, std² I_d).
func normals(n, d int, std float64, index uint64) flow.Batch {
	x := flow.NewBatch(n, d)
	flow.Gaussian{Std: std}.Sample(x, seed.Rand(11, "field tests", index))
	return x
}

// fivePoints is a small weighted data set in the plane.
func fivePoints(t testing.TB, s path.Scheduler) *field.Marginal {
	x1 := flow.Batch{N: 5, D: 2, X: []float64{-1, 0.5, 1.2, 0, 0, -1, 0.3, 0.9, -0.7, -0.6}}
	return marginal(t, s, x1, []float64{0.1, 0.3, 0.2, 0.15, 0.25})
}

// both returns the two kinds of field along s.
func both(t testing.TB, s path.Scheduler) map[string]density {
	return map[string]density{"marginal": fivePoints(t, s), "mixture": flowtest.TwoModes(s)}
}

func logp(t testing.TB, f density, at float64, x []float64) []float64 {
	t.Helper()
	out := make([]float64, len(x)/f.Dim())
	if err := f.LogProb(out, at, x); err != nil {
		t.Fatal(err)
	}
	return out
}

func velocity(t testing.TB, f flow.Field, at float64, x []float64) []float64 {
	t.Helper()
	v := make([]float64, len(x))
	if err := f.Velocity(v, at, x); err != nil {
		t.Fatal(err)
	}
	return v
}
