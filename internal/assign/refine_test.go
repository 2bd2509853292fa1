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
