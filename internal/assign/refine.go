package assign

import (
	"math"
	"slices"
)

// Where prices are exact enough. They are numbers of the size of the largest cost, and so
// round off what is much smaller: an outlier at 3e7 deviations hides the costs of all other
// pairs.
const (
	// wholeShare is the least share of the largest cost that a usual pair must cost, for
	// rounding to be less than a millionth of a millionth of it.
	wholeShare = 0x1p-12
	// gapShare is the share of the cost of the usual pairs by which the total may exceed
	// what the prices prove.
	gapShare = 0x1p-40
	// refinements is the most often that a problem is solved again. Each makes the rest of
	// the costs a trillionth.
	refinements = 4
)

// needsRefinement reports a solution whose pairs cost so little beside the largest cost that
// its prices do not prove it.
func (w *Workspace) needsRefinement(cost []float64, n int, scale float64) bool {
	return w.usual(cost, n) < wholeShare*scale
}

// usual returns the median of |c_ij| over the pairs of the solution, which those of outliers
// do not change; 0 of none.
func (w *Workspace) usual(cost []float64, n int) float64 {
	if n == 0 {
		return 0
	}
	paid := make([]float64, n)
	for i, j := range w.x[:n] {
		paid[i] = math.Abs(cost[i*n+j])
	}
	slices.Sort(paid)
	return paid[n/2]
}

// refine mends what rounding kept the solution from: it solves again for what the prices
// leave of the costs,
//
//	r_ij = c_ij - u_i - v_j,
//
// computed without rounding but of the result, which has the same optimum. No edge of a
// better solution costs more than the r of the present one together, so that larger ones are
// cut off there: the costs of the new problem are as small as the error of the old prices.
// rest is memory for them, of the size of cost, and may be cost itself.
func (w *Workspace) refine(rest, cost []float64, n int) {
	enough := gapShare * w.usual(cost, n) * float64(n)
	u, v := make([]float64, n), make([]float64, n)
	for round := 0; ; round++ {
		gap := w.residual(rest, cost, n) // which may change prices: they are added even of the last
		for k := range n {
			u[k] += w.u[k]
			v[k] += w.v[k]
		}
		if gap <= enough || round == refinements {
			break
		}
		cost = rest
		Parallel(n*n, 1<<16, func(lo, hi int) {
			for k, r := range rest[lo:hi] {
				rest[lo+k] = min(r, 2*gap)
			}
		})
		w.solveMatrix(rest, n, 2*gap)
	}
	copy(w.u, u)
	copy(w.v, v)
}

// residual fills rest with c_ij - u_i - v_j, after lowering u until no entry is negative,
// and returns the sum over the pairs of the solution: how far it may be from the optimum.
func (w *Workspace) residual(rest, cost []float64, n int) (gap float64) {
	Parallel(n, 16, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row, u := rest[i*n:(i+1)*n], w.u[i]
			for j, c := range cost[i*n : (i+1)*n] {
				row[j] = difference(c, u, w.v[j])
			}
			least := slices.Min(row)
			for j := range row {
				row[j] -= least
			}
			w.u[i] += least
		}
	})
	for i, j := range w.x[:n] {
		gap += rest[i*n+j]
	}
	return gap
}

// difference returns c - u - v with one rounding, of the result (Knuth's TwoSum, twice).
func difference(c, u, v float64) float64 {
	s := c - v
	back := s - c
	e := (c - (s - back)) - (v + back)
	t := s - u
	back = t - s
	f := (s - (t - back)) - (u + back)
	return t + (e + f)
}
