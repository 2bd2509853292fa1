package assign

import (
	"fmt"
	"math"
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
// with g their greatest common divisor, no mass is rounded. Points beside outliers are as in
// solveWide; where the best plan cannot be told, that is an error.
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
	usual := usualSquare(a, b, d)
	if wide := scale / p.of(usual); wide < math.Sqrt(treeWidth) || p == Squared && wide < treeWidth {
		mean, _ := planned(a, b, a, b, d, p)
		return mean, nil
	}
	middle := medians(a, b, d)
	for _, reach := range p.reaches() { // as in solveWide
		reach *= math.Sqrt(usual)
		mean, gap := planned(a, b, pulled(a, middle, reach), pulled(b, middle, reach), d, p)
		if gap <= provenShare*p.of(usual) {
			return mean, nil
		}
	}
	return 0, fmt.Errorf("assign: of %d and %d points some are so far from the others that the best plan cannot be "+
		"told in float64; leave those out, or give as many of both", n, m)
}

// planned returns the mean cost of carrying a to b by the best plan for the points near and ends
// in their places, and by how much it may exceed the least, as the prices of that plan prove.
// There are no more points a than b.
func planned(a, b, near, ends []float64, d int, p Power) (mean, gap float64) {
	n, m := len(a)/d, len(b)/d
	cost := make([]float64, n*m)
	fill := func(a, b []float64) {
		SquaredDistances(cost, a, b, d)
		Parallel(n*m, 1<<16, func(lo, hi int) { power(cost[lo:hi], p) })
	}
	fill(near, ends)
	t := newPlan(cost, near, d, n, m)
	t.solve()
	fill(a, b)
	Parallel(n, 16, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			t.price[i] = math.Inf(1)
			for j, c := range cost[i*m : (i+1)*m] {
				t.price[i] = min(t.price[i], c-t.price[n+j])
			}
		}
	})
	for k, units := range t.flow {
		if units == 0 {
			continue
		}
		i, j := t.arc(k)
		c, share := cost[i*m+j], float64(units)/(float64(n)*float64(m/gcd(n, m)))
		mean += share * c
		gap += share * max(0, c-t.price[n+j]-t.price[i]-ownShare*c)
	}
	return mean, gap
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
