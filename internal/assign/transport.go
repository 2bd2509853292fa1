package assign

import (
	"fmt"
)

// TransportMax is the largest number of costs, of pairs of points, of [Transport]: 2 GiB.
const TransportMax = 1 << 28

// Transport returns the least mean cost of carrying the points a to the points b of R^d,
// row-major, n = len(a)/d and m = len(b)/d of them, which may differ: every a_i has the mass
// 1/n and every b_j the mass 1/m, and a mass x carried from a_i to b_j costs x |a_i - b_j|^p.
// For n = m it is what [Workspace.SolvePoints] finds, in units of the mean. It stores the n·m
// costs, of which there may be [TransportMax].
//
// The method is the network simplex, from a plan that an assignment of as many points as the
// smaller side has suggests; see plan. In whole units, m/g for each a_i and n/g for each b_j
// with g their greatest common divisor, no mass is rounded. The mean may exceed the least by a
// trillionth of itself; where points are so far away that no more can be told, that is an error.
func Transport(a, b []float64, d int, p Power) (float64, error) {
	n, m := len(a)/d, len(b)/d
	scale, err := extent(make([]float64, d), a, b, p)
	if err != nil {
		return 0, err
	}
	if n > TransportMax/max(m, 1) {
		return 0, fmt.Errorf("assign: %d by %d points have more than the %d costs that a transport can hold", n, m,
			TransportMax)
	}
	if scale == 0 {
		return 0, nil
	}
	if n > m { // rows are the fewer
		a, b, n, m = b, a, m, n
	}
	cost := make([]float64, n*m)
	SquaredDistances(cost, a, b, d)
	Parallel(n*m, 1<<16, func(lo, hi int) { power(cost[lo:hi], p) })
	t := newPlan(cost, a, d, n, m)
	sum, gap := t.refine(func(i, j int) float64 {
		var square [1]float64
		squaredRow(square[:], a[i*d:(i+1)*d], b[j*d:(j+1)*d])
		return p.of(square[0])
	})
	if gap > gapShare*sum {
		return 0, fmt.Errorf("assign: of %d and %d points some are so far from the others that the best plan cannot "+
			"be told in float64; leave those out, or give as many of both", n, m)
	}
	return sum / (float64(n) * float64(m/gcd(n, m))), nil
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
