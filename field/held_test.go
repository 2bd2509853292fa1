package field_test

import (
	"context"
	"math"
	"testing"

	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/ode"
	"flowmatch/path"
)

// completed solves from points x0 of the plane whose first coordinate is known to end
// at 1.5, along the exact field of a Gaussian of correlation rho.
func completed(t *testing.T, rho float64, x0 ...float64) flow.Batch {
	t.Helper()
	m, err := field.NewMixture(path.CondOT{}, field.Component{Weight: 1, Mean: []float64{0, 0},
		Cov: []float64{1, rho, rho, 1}})
	if err != nil {
		t.Fatal(err)
	}
	n := len(x0) / 2
	h := field.Held{Field: m, Scheduler: path.CondOT{}, X0: flow.Batch{N: n, D: 2, X: x0}, X1: flow.NewBatch(n, 2),
		Known: make([]bool, 2*n)}
	for i := range n {
		h.X1.X[2*i], h.X1.X[2*i+1], h.Known[2*i] = 1.5, math.NaN(), true // what is not known does not matter
	}
	end := h.X0.Clone()
	s := ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-10, ATol: 1e-10}}
	if _, err := s.Solve(context.Background(), h.Velocity, end.X, 0, 1); err != nil {
		t.Fatal(err)
	}
	return end
}

func TestAHeldCoordinateEndsWhereItIsKnownToEnd(t *testing.T) {
	// Apart from what is known, N(0, 1) goes to N(0, 1): the other comes back.
	end := completed(t, 0, 0.3, -1, -2, 0.5)
	for i, want := range []float64{1.5, -1, 1.5, 0.5} {
		if math.Abs(end.X[i]-want) > 1e-8 {
			t.Errorf("independent: number %d ends at %g, want %g", i, end.X[i], want)
		}
	}
	// With correlation ρ the other coordinate y, beside 1.5 t, solves by hand
	//	ẏ = (K [1.5 t, y])_2,  K = (tS − (1−t)I)(t²S + (1−t)²I)⁻¹.
	const rho, steps = 0.8, 20000
	slope := func(s, y float64) float64 {
		a, b := s*s+(1-s)*(1-s), s*s*rho
		d, e := 2*s-1, s*rho
		return ((e*a-d*b)*1.5*s + (d*a-e*b)*y) / (a*a - b*b)
	}
	y, h := 0.0, 1.0/steps
	for k := range steps { // midpoint
		s := float64(k) * h
		y += h * slope(s+h/2, y+h/2*slope(s, y))
	}
	if got := completed(t, rho, 0, 0).Row(0); math.Abs(got[0]-1.5) > 1e-8 || math.Abs(got[1]-y) > 1e-7 {
		t.Errorf("with correlation: %v, want 1.5 and %g", got, y)
	}
	// That is the approximation: what is known draws y towards its mean given it, and,
	// seen through noise, not all the way.
	if !(y > 0 && y < rho*1.5) {
		t.Errorf("y ends at %g, want it between 0 and %g", y, rho*1.5)
	}
}

func TestPointsOfAnotherNumberCannotBeHeld(t *testing.T) {
	h := field.Held{Field: constant(1), Scheduler: path.CondOT{}, X0: flow.NewBatch(2, 1), X1: flow.NewBatch(2, 1),
		Known: make([]bool, 2)}
	if h.Dim() != 1 {
		t.Errorf("dimension %d", h.Dim())
	}
	if err := h.Velocity(make([]float64, 3), 0, make([]float64, 3)); err == nil {
		t.Error("three points, of which two are held")
	}
	if err := h.Velocity(make([]float64, 1), 0, make([]float64, 2)); err == nil {
		t.Error("a velocity of one number for two points")
	}
}
