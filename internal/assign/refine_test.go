package assign

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// An outlier, or two, as far away as numbers go does not hide the other pairs: of points
// with themselves, and of others with what they cost without it.
func TestAnOutlierLosesNoPairs(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 16))
	for _, far := range []float64{1e4, 3e7, 1e12, 1e60} {
		for _, n := range []int{40, 300, 700} {
			for _, d := range []int{2, 5} {
				for _, p := range []Power{Distance, Squared} {
					x, y := points(rng, n, d), points(rng, n, d)
					want, err := new(Workspace).SolvePoints(make([]int, n-2), x[2*d:], y[2*d:], d, p)
					if err != nil {
						t.Fatal(err)
					}
					copy(x, make([]float64, 2*d)) // two points of each side, at (far, 0) and (far, far/2^20)
					x[0], x[d], x[d+1] = far, far, far/(1<<20)
					copy(y, x[:2*d])
					perm := make([]int, n)
					got, err := new(Workspace).SolvePoints(perm, x, y, d, p)
					if err != nil || math.Abs(got-want) > 1e-9*want || perm[0] != 0 || perm[1] != 1 {
						t.Errorf("n=%d d=%d power %d, %g away: total %.12g, %v, outliers with %v; want %.12g, [0 1]",
							n, d, p, far, got, err, perm[:2], want)
					}
					if got, err := new(Workspace).SolvePoints(perm, x, x, d, p); err != nil || got != 0 {
						t.Errorf("n=%d d=%d power %d, %g away: with themselves %g, %v", n, d, p, far, got, err)
					}
				}
			}
		}
	}
}

// An outlier of one side alone has to be paired with some point of the other: the rest is
// optimal without the two.
func TestPairsBesideAnOutlierOfOneSideAreOptimal(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 16))
	for _, n := range []int{40, 700} {
		for _, d := range []int{2, 5} {
			x, y := points(rng, n, d), points(rng, n, d)
			x[0] = 3e8
			perm := make([]int, n)
			if _, err := new(Workspace).SolvePoints(perm, x, y, d, Squared); err != nil {
				t.Fatal(err)
			}
			rest, got := slices.Delete(slices.Clone(y), perm[0]*d, (perm[0]+1)*d), 0.0
			for i, j := range perm[1:] {
				for c := range d {
					e := x[(i+1)*d+c] - y[j*d+c]
					got += e * e
				}
			}
			want, err := new(Workspace).SolvePoints(perm[1:], x[d:], rest, d, Squared)
			if err != nil || math.Abs(got-want) > 1e-9*want {
				t.Errorf("n=%d d=%d: %.12g, %v, beside the outlier; want %.12g", n, d, got, err, want)
			}
		}
	}
}

// Many points of the plane beside an outlier are paired as exactly as few, without their
// matrix.
func TestAnOutlierOfManyPointsLosesNoPairs(t *testing.T) {
	const n, d = 9000, 2
	x := points(rand.New(rand.NewPCG(1, 16)), n, d)
	x[0] = 3e7
	w := new(Workspace)
	if got, err := w.SolvePoints(make([]int, n), x, x, d, Squared); err != nil || got != 0 || len(w.cost) > n*n/16 {
		t.Errorf("with themselves %g, %v, of %d costs; want 0 without a matrix", got, err, len(w.cost))
	}
}

// After a refinement the prices prove the pairs as they do without one.
func TestRefinedPricesProveThePairs(t *testing.T) {
	const n, d = 150, 3
	rng := rand.New(rand.NewPCG(3, 16))
	x, y := points(rng, n, d), points(rng, n, d)
	x[0], y[d] = 1e5, -1e6
	w, cost := new(Workspace), make([]float64, n*n)
	SquaredDistances(cost, x, y, d)
	if _, err := w.Solve(make([]int, n), cost, n); err != nil {
		t.Fatal(err)
	}
	u, v := w.duals()
	for i := range n {
		for j := range n {
			r := difference(cost[i*n+j], u[i], v[j])
			slack := 0x1p-48 * (cost[i*n+j] + math.Abs(u[i]) + math.Abs(v[j]) + 1)
			if r < -slack || w.x[i] == j && r > slack {
				t.Fatalf("c[%d, %d] = %g exceeds its prices %g and %g by %g; pair: %v", i, j, cost[i*n+j],
					u[i], v[j], r, w.x[i] == j)
			}
		}
	}
}

// Pairs that no prices prove are not proven by others.
func TestWrongPairsAreNotProven(t *testing.T) {
	const n, d = 200, 2
	rng := rand.New(rand.NewPCG(4, 16))
	x, y := points(rng, n, d), points(rng, n, d)
	w := new(Workspace)
	if _, err := w.SolvePoints(make([]int, n), x, y, d, Squared); err != nil {
		t.Fatal(err)
	}
	if gap := w.proven(x, y, make([]float64, d), math.Inf(1), Squared, false); gap > 1e-9 {
		t.Errorf("the optimum may be %g above the least", gap)
	}
	w.x[3], w.x[4] = w.x[4], w.x[3]
	if gap := w.proven(x, y, make([]float64, d), math.Inf(1), Squared, false); gap < 1e-3 {
		t.Errorf("two pairs exchanged may be %g above the least", gap)
	}
}

// Many outliers of both sides, as they are near each other far away, and heavy tails: each has to
// find its pair among the outliers. The total is that of the matrix of costs, which is solved
// in another way.
func TestPairsOfManyOutliersAreOptimal(t *testing.T) {
	const n, d = 200, 2
	for _, kind := range []string{"both", "one", "tails"} {
		for _, p := range []Power{Distance, Squared} {
			rng := rand.New(rand.NewPCG(8, 16))
			x, y := points(rng, n, d), points(rng, n, d)
			for k := range n {
				r, s := 1.0, 1.0
				switch {
				case kind == "tails":
					r, s = 1/rng.Float64(), 1/rng.Float64()
				case k < 20:
					r = 1e5
					if kind == "both" {
						s = 1e5
					}
				}
				for c := range d {
					x[k*d+c] *= r
					y[k*d+c] *= s
				}
			}
			w := new(Workspace)
			got, err := w.SolvePoints(make([]int, n), x, y, d, p)
			if err != nil {
				t.Fatal(err)
			}
			cost := make([]float64, n*n)
			SquaredDistances(cost, x, y, d)
			power(cost, p)
			want, err := Solve(make([]int, n), cost, n)
			if err != nil || math.Abs(got-want) > 1e-10*want {
				t.Errorf("%s, power %d: %.14g, the matrix %.14g, %v", kind, p, got, want, err)
			}
		}
	}
}
