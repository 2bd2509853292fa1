package assign

import (
	"fmt"
	"math"
	"slices"
)

// Points beside outliers. Prices are numbers of the size of the largest cost, and so round off
// what is much smaller: one point at 3e7 deviations hides the costs of all other pairs. But how
// far away an outlier is hardly matters for what it is paired with. So the problem is solved
// with the outliers pulled in, and its prices are tried on the costs as they are: prices that
// no cost is below, and that the pairs attain, prove the optimum, wherever they come from.

// provenShare is the share of the cost of a usual pair, by which the mean cost may exceed what
// the prices prove; ownShare is that of the cost of each pair itself, for its rounding.
const provenShare, ownShare = 0x1p-30, 0x1p-44

// reaches are how far from the middle points are left where they are, in usual distances: the
// nearer the others are pulled, the less prices round, and the more the problem changes.
func (p Power) reaches() []float64 {
	if p == Distance {
		return []float64{0x1p2, 0x1p8, 0x1p14, 0x1p20}
	}
	return []float64{0x1p2, 0x1p6, 0x1p11}
}

// solveWide solves the problem of points some of which are far away from the others, beside
// which a usual pair has so small a squared distance. It is an error where the optimum cannot
// be proven, which takes the matrix of costs, and that would be too large.
func (w *Workspace) solveWide(a, b []float64, d int, p Power, usual float64) error {
	n := len(a) / d
	middle := medians(a, b, d)
	for _, reach := range p.reaches() {
		near, ends := pulled(a, middle, reach*math.Sqrt(usual)), pulled(b, middle, reach*math.Sqrt(usual))
		center := make([]float64, d)
		scale, err := extent(center, near, ends, p)
		if err != nil {
			return err
		}
		w.solveNear(near, ends, center, p, scale, scale)
		if w.proven(a, b, d, p) <= provenShare*p.of(usual)*float64(n) {
			return nil
		}
	}
	if n > matrixMax {
		return fmt.Errorf("assign: of %d points some are so far from the others that the best pairs cannot be told "+
			"in float64; leave those out, or give at most %d points", n, matrixMax)
	}
	w.cost = grow(w.cost, n*n)
	w.fillCosts(a, b, d, p)
	w.refine(w.cost, w.cost, n) // from the pairs and prices of the last problem
	return nil
}

// of returns the cost of a squared distance.
func (p Power) of(square float64) float64 {
	s := [1]float64{square}
	power(s[:], p)
	return s[0]
}

// proven sets the prices of the rows to the largest that no cost of the points is below, and
// returns by how much the cost of the pairs may exceed the least.
func (w *Workspace) proven(a, b []float64, d int, p Power) (gap float64) {
	n := len(a) / d
	excess := make([]float64, n)
	Parallel(n, 16, func(lo, hi int) {
		cost := make([]float64, n)
		for i := lo; i < hi; i++ {
			squaredRow(cost, a[i*d:(i+1)*d], b)
			power(cost, p)
			least := math.Inf(1)
			for j, c := range cost {
				least = min(least, c-w.v[j])
			}
			j := w.x[i]
			w.u[i] = least
			excess[i] = max(0, cost[j]-w.v[j]-least-ownShare*cost[j])
		}
	})
	for _, e := range excess {
		gap += e
	}
	return gap
}

// pulled returns the points x with those farther than reach from middle nearer: in their
// direction, and the nearest first still, but of twice the reach, and little more.
func pulled(x, middle []float64, reach float64) []float64 {
	d, out := len(middle), slices.Clone(x)
	for lo := 0; lo < len(x); lo += d {
		r := 0.0
		for c, m := range middle {
			r = math.Hypot(r, x[lo+c]-m)
		}
		if r <= reach {
			continue
		}
		shrink := (2 - reach/r + math.Log(r/reach)/64) * (reach / r)
		for c, m := range middle {
			out[lo+c] = m + (x[lo+c]-m)*shrink
		}
	}
	return out
}

// medians returns the median of each coordinate of all points.
func medians(a, b []float64, d int) []float64 {
	middle := make([]float64, d)
	for c := range d {
		var all []float64
		for _, set := range [2][]float64{a, b} {
			for i := c; i < len(set); i += d {
				all = append(all, set[i])
			}
		}
		slices.Sort(all)
		middle[c] = all[len(all)/2]
	}
	return middle
}
