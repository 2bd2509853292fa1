package assign

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// repeat returns each point of x k times.
func repeat(x []float64, d, k int) []float64 {
	var out []float64
	for i := 0; i < len(x); i += d {
		for range k {
			out = append(out, x[i:i+d]...)
		}
	}
	return out
}

// Points of different number are copies of as many points: each of n is m/g of them.
func TestTransportIsTheAssignmentOfCopies(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 17))
	for _, c := range []struct{ n, m, d int }{
		{1, 1, 2}, {1, 7, 2}, {7, 1, 3}, {12, 18, 2}, {18, 12, 5}, {9, 10, 2}, {40, 40, 3}, {60, 90, 2}, {13, 11, 1},
	} {
		for _, p := range []Power{Distance, Squared} {
			a, b := points(rng, c.n, c.d), points(rng, c.m, c.d)
			g := gcd(c.n, c.m)
			x, y := repeat(a, c.d, c.m/g), repeat(b, c.d, c.n/g)
			copies := c.n * c.m / g
			want, err := new(Workspace).SolvePoints(make([]int, copies), x, y, c.d, p)
			if err != nil {
				t.Fatal(err)
			}
			want /= float64(copies)
			if got, err := Transport(a, b, c.d, p); err != nil || math.Abs(got-want) > 1e-10*want {
				t.Errorf("%+v power %d: %.12g, %v, want %.12g", c, p, got, err, want)
			}
		}
	}
}

func TestTransportOfPointsWithSomeOfThemAndAnOutlier(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 17))
	a := points(rng, 60, 2)
	a[0], a[1] = 3e7, 3e7
	if got, err := Transport(a, repeat(a, 2, 3), 2, Squared); err != nil || got != 0 {
		t.Errorf("with three copies of themselves: %g, %v, want 0", got, err)
	}
	if _, err := Transport([]float64{1, math.NaN()}, []float64{1, 1}, 2, Squared); err == nil {
		t.Error("a NaN is no error")
	}
	if got, err := Transport([]float64{1, 1, 1, 1}, []float64{1, 1}, 2, Squared); err != nil || got != 0 {
		t.Errorf("points that coincide: %g, %v", got, err)
	}
}

// A plan for an outlier does not spoil that for the others: to every point twice it costs as much
// as to every point once.
func TestAnOutlierSpoilsNoPlan(t *testing.T) {
	const n, d = 300, 2
	for _, far := range []float64{1e4, 3e7, 1e12} {
		for _, p := range []Power{Distance, Squared} {
			rng := rand.New(rand.NewPCG(5, 16))
			x, y := points(rng, n, d), points(rng, n, d)
			x[0], y[0] = far, far
			want, err := new(Workspace).SolvePoints(make([]int, n), x, y, d, p)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Transport(x, slices.Concat(y, y), d, p)
			if err != nil || math.Abs(got-want/n) > 1e-9*want/n {
				t.Errorf("%g away, power %d: %.12g, %v; want %.12g", far, p, got, err, want/n)
			}
		}
	}
}
