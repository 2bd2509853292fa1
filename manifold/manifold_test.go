package manifold_test

import (
	"errors"
	"math"
	"testing"

	"flowmatch/flowtest"
	"flowmatch/internal/seed"
	"flowmatch/manifold"
)

// spaces are all that come with the package.
func spaces() []manifold.Manifold {
	return []manifold.Manifold{
		manifold.Sphere{D: 2}, manifold.Sphere{D: 3}, manifold.Sphere{D: 6}, manifold.Torus{D: 1}, manifold.Torus{D: 3},
		manifold.SO3{}, manifold.Poincare{D: 2}, manifold.Poincare{D: 4}, manifold.SPD{N: 2}, manifold.SPD{N: 3},
		manifold.Euclidean{D: 3}, manifold.Product{manifold.Sphere{D: 2}, manifold.Euclidean{D: 2}},
		manifold.Product{manifold.Torus{D: 1}, manifold.SO3{}},
	}
}

func TestEachManifoldKeepsItsLaws(t *testing.T) {
	for _, m := range spaces() {
		flowtest.TestManifold(t, m)
	}
}

// drawn returns a point of a compact or open manifold.
func drawn(m manifold.Manifold, n uint64) []float64 {
	x, mean := make([]float64, m.Ambient()), make([]float64, m.Ambient())
	m.Origin(mean)
	manifold.NewNormal(m, mean, 0.8).Draw(x, seed.Rand(7, "manifold/test", n))
	return x
}

func TestWhatHasNoShortestGeodesicIsRefused(t *testing.T) {
	turned := func(x []float64) []float64 { // half a turn about an axis of its own
		y := make([]float64, 9)
		v := make([]float64, 9)
		for i := range 3 { // RΩ of ω = (π, 0, 0)
			v[3*i+1], v[3*i+2] = math.Pi*x[3*i+2], -math.Pi*x[3*i+1]
		}
		manifold.Exp(manifold.SO3{}, y, x, v)
		return y
	}
	for _, c := range []struct {
		m    manifold.Manifold
		x, y []float64
	}{
		{manifold.Sphere{D: 2}, []float64{0, 0, 1}, []float64{0, 0, -1}},
		{manifold.Sphere{D: 2}, []float64{0.6, 0, 0.8}, []float64{-0.6, 0, -0.8}},
		{manifold.Torus{D: 2}, []float64{1, 0, 1, 0}, []float64{1, 0, -1, 0}},
		{manifold.SO3{}, []float64{1, 0, 0, 0, 1, 0, 0, 0, 1}, []float64{1, 0, 0, 0, -1, 0, 0, 0, -1}},
		{manifold.Product{manifold.Euclidean{D: 1}, manifold.Torus{D: 1}}, []float64{3, 1, 0}, []float64{4, -1, 0}},
	} {
		if err := c.m.Log(make([]float64, len(c.x)), c.x, c.y); !errors.Is(err, manifold.ErrCutLocus) {
			t.Errorf("%v: got %v", c.m, err)
		}
	}
	// Near the cut locus Log is right: to the end, and of a length near π.
	for _, c := range []struct {
		m manifold.Manifold
		y func(x []float64) []float64
	}{
		{manifold.Sphere{D: 2}, func(x []float64) []float64 {
			y := []float64{-x[0] + 1e-7*x[1], -x[1] - 1e-7*x[0], -x[2]}
			manifold.Sphere{D: 2}.Project(y)
			return y
		}},
		{manifold.SO3{}, turned},
	} {
		for n := range uint64(5) {
			x := drawn(c.m, n)
			y := c.y(x)
			v, z := make([]float64, len(x)), make([]float64, len(x))
			if err := c.m.Log(v, x, y); errors.Is(err, manifold.ErrCutLocus) {
				continue
			} else if err != nil {
				t.Fatal(err)
			}
			manifold.Exp(c.m, z, x, v)
			for i := range z {
				if math.Abs(z[i]-y[i]) > 1e-10 {
					t.Errorf("%v: Exp(Log) %v, want %v", c.m, z, y)
					break
				}
			}
			if length := manifold.Norm(c.m, x, v); math.Abs(length-math.Pi) > 1e-6 || length > math.Pi+1e-15 {
				t.Errorf("%v: a length of %.17g near the cut locus", c.m, length)
			}
		}
	}
}

func TestNumbersThatAreNoPointAreRefused(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		m manifold.Manifold
		x []float64
		// nearest: there is a nearest point all the same
		nearest bool
	}{
		{manifold.Sphere{D: 2}, []float64{0, 0, 0}, false},
		{manifold.Sphere{D: 2}, []float64{1, 1, 0}, true},
		{manifold.Sphere{D: 2}, []float64{nan, 1, 0}, false},
		{manifold.Torus{D: 1}, []float64{0, 0}, false},
		{manifold.SO3{}, []float64{1, 0, 0, 0, 1, 0, 0, 0, -1}, false},
		{manifold.SO3{}, []float64{2, 0, 0, 0, 2, 0, 0, 0, 2}, true},
		{manifold.SO3{}, []float64{3, 0, 0, 0, 2, 0, 0, 0, -1}, true},
		{manifold.SO3{}, make([]float64, 9), false},
		{manifold.SO3{}, []float64{nan, 0, 0, 0, 1, 0, 0, 0, 1}, false},
		{manifold.Poincare{D: 2}, []float64{1, 0}, false},
		{manifold.Poincare{D: 2}, []float64{0.8, 0.7}, false},
		{manifold.SPD{N: 2}, []float64{1, 0, 0, 0}, false},
		{manifold.SPD{N: 2}, []float64{1, 2, 2, 1}, false},
		{manifold.SPD{N: 2}, []float64{1, 0.5, 0, 1}, true},
		{manifold.SPD{N: 2}, []float64{nan, 0, 0, 1}, false},
		{manifold.Product{manifold.Euclidean{D: 1}, manifold.Torus{D: 1}}, []float64{1, 0, 0}, false},
	} {
		if err := c.m.Check(c.x); !errors.Is(err, manifold.ErrNoPoint) {
			t.Errorf("%v: Check(%v) is %v", c.m, c.x, err)
		}
		z := append([]float64(nil), c.x...)
		err := c.m.Project(z)
		switch {
		case c.nearest && (err != nil || c.m.Check(z) != nil):
			t.Errorf("%v: Project(%v) is %v, %v", c.m, c.x, z, err)
		case !c.nearest && !errors.Is(err, manifold.ErrNoPoint):
			t.Errorf("%v: Project(%v) has error %v", c.m, c.x, err)
		}
	}
}

// Far out in the ball and beside tiny eigenvalues numbers keep what float64 can.
func TestNearTheBoundaryExpAndLogAreInverse(t *testing.T) {
	ball := manifold.Poincare{D: 2}
	for _, c := range []struct {
		m    manifold.Manifold
		x, y []float64
	}{
		{ball, []float64{0, 0}, []float64{1 - 1e-9, 0}},
		{ball, []float64{0.999, 0}, []float64{0, 0.9999}},
		{manifold.SPD{N: 2}, []float64{1, 0, 0, 1e-8}, []float64{2, 0, 0, 1}},
	} {
		v, z := make([]float64, len(c.x)), make([]float64, len(c.x))
		if err := c.m.Log(v, c.x, c.y); err != nil {
			t.Fatal(err)
		}
		manifold.Exp(c.m, z, c.x, v)
		for i := range z {
			if math.Abs(z[i]-c.y[i]) > 1e-10 {
				t.Errorf("%v: got %.15g, want %.15g", c.m, z, c.y)
				break
			}
		}
	}
	// The distance from the middle is 2 artanh of the length.
	if d, err := manifold.Distance(ball, []float64{0, 0}, []float64{0.6, 0}); err != nil ||
		math.Abs(d-2*math.Atanh(0.6)) > 1e-14 {
		t.Errorf("distance %v, %v", d, err)
	}
}

// Known distances and volumes.
func TestKnownFigures(t *testing.T) {
	for _, c := range []struct {
		m    manifold.Compact
		want float64
	}{
		{manifold.Sphere{D: 2}, 4 * math.Pi}, {manifold.Sphere{D: 3}, 2 * math.Pi * math.Pi},
		{manifold.Torus{D: 2}, 4 * math.Pi * math.Pi}, {manifold.SO3{}, 8 * math.Pi * math.Pi},
	} {
		if got := math.Exp(c.m.LogTotal()); math.Abs(got-c.want) > 1e-12*c.want {
			t.Errorf("the volume of %v is %g, want %g", c.m, got, c.want)
		}
	}
	// diag(e², 1) is at distance 2 of the identity.
	if d, err := manifold.Distance(manifold.SPD{N: 2}, []float64{1, 0, 0, 1},
		[]float64{math.Exp(2), 0, 0, 1}); err != nil || math.Abs(d-2) > 1e-14 {
		t.Errorf("distance %v, %v", d, err)
	}
}
