package metrics

import (
	"math"
	"slices"

	"flowmatch/flow"
	"flowmatch/internal/assign"
	"flowmatch/internal/stat"
)

// MMD returns the squared maximum mean discrepancy between a, [N, D], and b,
// [M, D], with N, M ≥ 2, by the unbiased estimator of Gretton et al. 2012
// (lemma 6):
//
//	MMD² = mean_{i≠j} k(a_i, a_j) + mean_{i≠j} k(b_i, b_j) − 2 mean_{i,j} k(a_i, b_j)
//	k(x, y) = exp(−|x−y|² / (2h²)),  h the median distance between two points of the union
//
// It is squared and has no unit; between samples of one law its mean is zero, so it
// may be negative; it never exceeds 2. The median is taken over at
// most 500 points of either batch, evenly spread over its rows; should it be zero,
// the root mean square distance stands in.
func MMD(a, b flow.Batch) (float64, error) {
	if err := fit("MMD", a, b, 2); err != nil {
		return 0, err
	}
	scale := 1 / (2 * squareBandwidth(a, b))
	if math.IsInf(scale, 0) {
		return 0, nil // all points coincide
	}
	k := func(square float64) float64 { return math.Exp(-square * scale) }
	n, m := float64(a.N), float64(b.N)
	return 2*pairsWithin(a, k)/(n*(n-1)) + 2*pairsWithin(b, k)/(m*(m-1)) - 2*pairsBetween(a, b, k)/(n*m), nil
}

// squareBandwidth is h² of [MMD].
func squareBandwidth(a, b flow.Batch) float64 {
	const most = 500
	var x []float64
	for _, side := range []flow.Batch{a, b} {
		n := min(side.N, most)
		for i := range n {
			x = append(x, side.Row(i*side.N/n)...)
		}
	}
	n := len(x) / a.D
	all := make([]float64, n*n)
	assign.SquaredDistances(all, x, x, a.D)
	squares := all[:0] // i·(i−1)/2 <= i·n: what is written has been read
	for i := range n {
		squares = append(squares, all[i*n:i*n+i]...)
	}
	slices.Sort(squares)
	if h := squares[len(squares)/2]; h > 0 {
		return h
	}
	return stat.Mean(squares)
}

// EnergyDistance returns the energy distance between a, [N, D], and b, [M, D]
// (Székely and Rizzo 2013),
//
//	2 mean_{i,j} |a_i − b_j| − mean_{i,j} |a_i − a_j| − mean_{i,j} |b_i − b_j|
//
// in units of the points, without a square root. It is that of the two empirical
// distributions (pairs i = j are in the means): never negative but for rounding,
// and zero only if they are equal. Between samples of one law its mean is
// E|x − x'| (1/N + 1/M).
func EnergyDistance(a, b flow.Batch) (float64, error) {
	if err := fit("EnergyDistance", a, b, 1); err != nil {
		return 0, err
	}
	n, m := float64(a.N), float64(b.N)
	between, ofA, ofB := pairsBetween(a, b, math.Sqrt), pairsWithin(a, math.Sqrt), pairsWithin(b, math.Sqrt)
	return 2*between/(n*m) - 2*ofA/(n*n) - 2*ofB/(m*m), nil
}

// pairsWithin returns Σ_{i<j} k(|x_i − x_j|²).
func pairsWithin(x flow.Batch, k func(square float64) float64) float64 {
	return pairs(x, k, func(lo int) flow.Batch { return x.Slice(lo, x.N) }, func(i int) int { return i + 1 })
}

// pairsBetween returns Σ_{i,j} k(|a_i − b_j|²).
func pairsBetween(a, b flow.Batch, k func(square float64) float64) float64 {
	return pairs(a, k, func(int) flow.Batch { return b }, func(int) int { return 0 })
}

// pairs sums k over the points of a, strip after strip: the strip that begins at
// row lo is compared with others(lo), and its i-th row with those from(i) and
// later. Each row is summed alone and the rows in order, so the result does not
// depend on the cores.
func pairs(a flow.Batch, k func(float64) float64, others func(lo int) flow.Batch, from func(i int) int) float64 {
	const strip = 128
	var square []float64
	sum := 0.0
	for lo := 0; lo < a.N; lo += strip {
		rows, b := a.Slice(lo, min(lo+strip, a.N)), others(lo)
		if square == nil {
			square = make([]float64, rows.N*b.N) // later strips are no larger
		}
		assign.SquaredDistances(square[:rows.N*b.N], rows.X, b.X, a.D)
		sums := make([]float64, rows.N)
		assign.Parallel(rows.N, 16, func(begin, end int) {
			for i := begin; i < end; i++ {
				s := 0.0
				for _, d := range square[i*b.N+from(i) : (i+1)*b.N] {
					s += k(d)
				}
				sums[i] = s
			}
		})
		for _, s := range sums {
			sum += s
		}
	}
	return sum
}
