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

// Outliers of one side, or of both, near each other or not: the plan costs what the best pairs of
// as many copies cost.
func TestPlansBesideOutliersAreOptimal(t *testing.T) {
	const n, m, d = 60, 90, 2
	for _, far := range []float64{1e4, 3e7, 1e12} {
		for _, c := range []struct{ rows, cols int }{{1, 0}, {0, 1}, {1, 1}, {7, 0}, {0, 7}, {7, 7}} {
			for _, p := range []Power{Distance, Squared} {
				rng := rand.New(rand.NewPCG(6, 16))
				x, y := points(rng, n, d), points(rng, m, d)
				for k := range c.rows * d {
					x[k] *= far
				}
				for k := range c.cols * d {
					y[k] *= far
				}
				copies := n * m / gcd(n, m)
				want, err := new(Workspace).SolvePoints(make([]int, copies), repeat(x, d, m/gcd(n, m)),
					repeat(y, d, n/gcd(n, m)), d, p)
				if err != nil {
					t.Fatal(err)
				}
				want /= float64(copies)
				got, err := Transport(x, y, d, p)
				back, err2 := Transport(y, x, d, p)
				if err != nil || err2 != nil || math.Abs(got-want) > 1e-9*want || math.Abs(back-want) > 1e-9*want {
					t.Errorf("%g away, %+v, power %d: %.12g and back %.12g, %v; want %.12g", far, c, p, got, back,
						err, want)
				}
			}
		}
	}
}

// Sets of many points, and nearly as many, are compared in a second: shortest paths took 27.
func TestTransportOfManyPointsIsProven(t *testing.T) {
	const n, m, d = 500, 499, 2
	rng := rand.New(rand.NewPCG(7, 16))
	x, y := points(rng, n, d), points(rng, m, d)
	cost := make([]float64, n*m)
	SquaredDistances(cost, y, x, d)
	of := slices.Clone(cost)
	sum, gap := newPlan(cost, y, d, m, n).refine(func(i, j int) float64 { return of[i*n+j] })
	if gap > 1e-12*sum || sum <= 0 {
		t.Errorf("a cost of %g, which may be %g above the least", sum, gap)
	}
}

// On the line the best plan takes both sets in order, however far apart their points are and
// whatever share of their mass is far away. So it is known, and none is refused.
func TestPlansOfOutliersOnTheLineAreInOrder(t *testing.T) {
	far := map[string]func(rng *rand.Rand, x []float64){
		"spread": func(rng *rand.Rand, x []float64) {
			for i := range x {
				x[i] *= math.Pow(10, 10*rng.Float64())
			}
		},
		"geometric": func(_ *rand.Rand, x []float64) {
			for i := range x {
				x[i] = math.Pow(10, 14*float64(i)/float64(len(x)))
			}
		},
		"three groups": func(_ *rand.Rand, x []float64) { // of the same share of each set
			for g, at := range []float64{1e6, -3e9, 1e12} {
				for k := range len(x) / 15 {
					x[g*len(x)/15+k] += at
				}
			}
		},
		"groups of other shares": func(rng *rand.Rand, x []float64) {
			for g, at := range []float64{1e4, -1e8, 1e11} {
				for k := range 1 + rng.IntN(4) {
					x[5*g+k] += at
				}
			}
		},
	}
	for name, move := range far {
		for seed := range uint64(5) {
			rng := rand.New(rand.NewPCG(seed, 18))
			x, y := points(rng, 60, 1), points(rng, 90, 1)
			move(rng, x)
			move(rng, y)
			for _, p := range []Power{Distance, Squared} {
				got, err := Transport(x, y, 1, p)
				if want := inOrder(x, y, p); err != nil || math.Abs(got-want) > 1e-9*want {
					t.Errorf("%s, seed %d, power %d: %.12g, %v; want %.12g", name, seed, p, got, err, want)
				}
			}
		}
	}
}

// inOrder returns the mean cost of carrying points of the line to others in their order.
func inOrder(x, y []float64, p Power) (mean float64) {
	x, y = slices.Sorted(slices.Values(x)), slices.Sorted(slices.Values(y))
	for i, j, at := 0, 0, 0; i < len(x); { // at: of the mass, in units of 1/(n·m)
		next := min((i+1)*len(y), (j+1)*len(x))
		square := (x[i] - y[j]) * (x[i] - y[j])
		mean += float64(next-at) / float64(len(x)*len(y)) * p.of(square)
		if at = next; at == (i+1)*len(y) {
			i++
		}
		if at == (j+1)*len(x) {
			j++
		}
	}
	return mean
}
