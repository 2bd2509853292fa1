package assign

import (
	"fmt"
	"math"
)

// TransportMax is the largest number of costs, of pairs of points, of [Transport]: 2 GiB.
const TransportMax = 1 << 28

// meanShare is the share of itself by which a mean cost may exceed what prices prove.
const meanShare = 0x1p-40

// Transport returns the least mean cost of carrying the points a to the points b of R^d,
// row-major, n = len(a)/d and m = len(b)/d of them, which may differ: every a_i has the mass
// 1/n and every b_j the mass 1/m, and a mass x carried from a_i to b_j costs x |a_i - b_j|^p.
// For n = m it is what [Workspace.SolvePoints] finds, in units of the mean. It stores the n·m
// costs, of which there may be [TransportMax].
//
// The method is the network simplex, from a plan that an assignment of as many points as the
// smaller side has suggests; see plan. In whole units, m/g for each a_i and n/g for each b_j
// with g their greatest common divisor, no mass is rounded. Points beside outliers are as in
// solveWide; the mean may exceed the least by a trillionth of itself. Where the best plan
// cannot be told, that is an error.
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
	usual, middle := usualSquare(a, b, d), medians(a, b, d)
	if wide := scale / p.of(usual); wide < math.Sqrt(treeWidth) || p == Squared && wide < treeWidth {
		mean, _ := planned(a, b, middle, math.Inf(1), p)
		return mean, nil
	}
	for _, reach := range append(p.reaches(), math.Inf(1)) { // as in solveWide
		mean, gap := planned(a, b, middle, reach*math.Sqrt(usual), p)
		if gap <= max(provenShare*p.of(usual), meanShare*mean) {
			return mean, nil
		}
	}
	return 0, fmt.Errorf("assign: of %d and %d points some are so far from the others that the best plan cannot be "+
		"told in float64; leave those out, or give as many of both", n, m)
}

// planned returns the mean cost of carrying a to b by the best plan for these points with
// those farther than reach from middle pulled in, and by how much it may exceed the least.
// There are no more points a than b.
func planned(a, b, middle []float64, reach float64, p Power) (mean, gap float64) {
	d := len(middle)
	n, m := len(a)/d, len(b)/d
	cost := make([]float64, n*m)
	fill := func(a, b []float64) {
		SquaredDistances(cost, a, b, d)
		Parallel(n*m, 1<<16, func(lo, hi int) { power(cost[lo:hi], p) })
	}
	near := pulled(a, middle, reach)
	fill(near, pulled(b, middle, reach))
	t := newPlan(cost, near, d, n, m)
	t.solve()
	fill(a, b)
	f := &proof{u: t.price[:n], v: t.price[n:], costs: func(column []float64, first, j int) {
		for i := range column {
			column[i] = cost[(first+i)*m+j]
		}
	}}
	for k, units := range t.flow {
		if units > 0 {
			i, j := t.arc(k)
			share := float64(units) / (float64(n) * float64(m/gcd(n, m)))
			f.pairs = append(f.pairs, carried{i, j, share})
			mean += share * cost[i*m+j]
		}
	}
	inside, outside := f.divided(a, b, middle, reach)
	leastPrices(f.u, a, b, inside, f.v, d, p)
	return mean, f.gap(outside, false)
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
