package assign

import (
	"fmt"
	"math"
	"slices"
)

// Points beside outliers. Prices are numbers of the size of the largest cost, and so round off
// what is much smaller: one point at 3e7 deviations hides the costs of all other pairs. But how
// far away an outlier is hardly matters for what it is paired with. So the problem is solved
// with the outliers pulled in, and prices of the costs as they are are made from its own: prices
// that no cost is below, and that the pairs attain, prove the optimum, wherever they come from.

// provenShare is the share of the cost of a usual pair, by which the mean cost may exceed what
// the prices prove; ownShare is that of the cost of each pair itself, for its rounding.
const provenShare, ownShare = 0x1p-30, 0x1p-44

// reaches are how far from the middle points are left where they are, in usual distances: the
// nearer the others are pulled, the less prices round, and the more the problem changes.
func (p Power) reaches() []float64 {
	if p == Distance {
		return []float64{0x1p2, 0x1p5, 0x1p8, 0x1p14, 0x1p20}
	}
	return []float64{0x1p2, 0x1p5, 0x1p8, 0x1p11}
}

// solveWide solves the problem of points some of which are far away from the others, beside
// which a usual pair has so small a squared distance. It reports whether the optimum is proven.
func (w *Workspace) solveWide(a, b []float64, d int, p Power, usual float64) bool {
	n := len(a) / d
	middle := medians(a, b, d)
	enough := provenShare * p.of(usual) * float64(n)
	for _, reach := range p.reaches() {
		reach *= math.Sqrt(usual)
		near, ends := pulled(a, middle, reach), pulled(b, middle, reach)
		in := innerOf(near, ends, middle, reach)
		if in == nil {
			continue
		}
		in.solve(near, ends, d, p)
		w.join(in, near, ends, d, p)
		if w.proven(a, b, middle, reach, p, false) <= enough {
			return true
		}
		w.join(in, a, b, d, p)
		w.polish(a, b, middle, reach, p)
		return w.proven(a, b, middle, reach, p, true) <= enough
	}
	return false
}

// solveAsMatrix solves a problem of points by its matrix, as exactly as its costs are known.
func (w *Workspace) solveAsMatrix(a, b []float64, d int, p Power) error {
	n := len(a) / d
	if n > matrixMax {
		return fmt.Errorf("assign: of %d points some are so far from the others that the best pairs cannot be told "+
			"in float64; leave those out, or give at most %d points", n, matrixMax)
	}
	w.cost = grow(w.cost, n*n)
	w.fillCosts(a, b, d, p)
	w.solveMatrix(w.cost, n, slices.Max(w.cost))
	w.refine(w.cost, w.cost, n)
	return nil
}

// of returns the cost of a squared distance.
func (p Power) of(square float64) float64 {
	s := [1]float64{square}
	power(s[:], p)
	return s[0]
}

// proven makes prices of the points as they are from those of a problem in which only points
// within reach of middle were so, or, where known is set, all. It returns by how much
// the cost of the pairs may exceed the least.
func (w *Workspace) proven(a, b, middle []float64, reach float64, p Power, known bool) (gap float64) {
	d := len(middle)
	n := len(a) / d
	f := &proof{u: w.u, v: w.v, to: w.x[:n], costs: func(cost []float64, first, j int) {
		squaredRow(cost, b[j*d:(j+1)*d], a[first*d:][:len(cost)*d])
		power(cost, p)
	}}
	inside, outside := f.divided(a, b, middle, reach)
	leastPrices(w.u, a, b, inside, w.v, d, p)
	return f.gap(outside, known)
}

// divided returns the columns that are within reach of middle and have rows that are, whose prices
// are those of the pulled points, and the other columns.
func (f *proof) divided(a, b, middle []float64, reach float64) (inside, outside []int) {
	d := len(middle)
	far := make([]bool, len(f.v))
	for i, j := range f.to {
		far[j] = radius(a[i*d:(i+1)*d], middle) > reach
	}
	for j, is := range far {
		if is || radius(b[j*d:(j+1)*d], middle) > reach {
			outside = append(outside, j)
		} else {
			inside = append(inside, j)
		}
	}
	return inside, outside
}

// leastPrices sets the price of each row a_i to the least of the costs less the prices v of the
// columns b_j for j of inside.
func leastPrices(u, a, b []float64, inside []int, v []float64, d int, p Power) {
	n := len(u)
	ends, prices := gather(b, inside, d), make([]float64, len(inside))
	for k, j := range inside {
		prices[k] = v[j]
	}
	if d > treeDims || len(inside) <= leafMax {
		Parallel(n, 16, func(lo, hi int) {
			cost := make([]float64, len(inside))
			for i := lo; i < hi; i++ {
				squaredRow(cost, a[i*d:(i+1)*d], ends)
				power(cost, p)
				u[i] = math.Inf(1)
				for k, c := range cost {
					u[i] = min(u[i], c-prices[k])
				}
			}
		})
		return
	}
	order := treeOrder(ends, d)
	sorted, at := gather(ends, order, d), make([]float64, len(order))
	for k, j := range order {
		at[k] = prices[j]
	}
	var t index
	t.build(sorted, sorted, at, d, p, mustExtent(make([]float64, d), ends, ends, p))
	Parallel(n, 64, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			least := [1]edge{{0, math.Inf(1)}}
			u[i] = t.nearest(least[:], a[i*d:(i+1)*d], math.Inf(1), 1)
		}
	})
}

// gather returns the points of x of the given numbers.
func gather(x []float64, which []int, d int) []float64 {
	out := make([]float64, 0, len(which)*d)
	for _, i := range which {
		out = append(out, x[i*d:(i+1)*d]...)
	}
	return out
}

// divided returns which points of x are within reach of middle, and which are not.
func divided(x, middle []float64, reach float64) (inside, outside []int) {
	d := len(middle)
	for i := range len(x) / d {
		if radius(x[i*d:(i+1)*d], middle) <= reach {
			inside = append(inside, i)
		} else {
			outside = append(outside, i)
		}
	}
	return inside, outside
}

// radius returns |x - middle|.
func radius(x, middle []float64) float64 {
	r := 0.0
	for c, m := range middle {
		r = math.Hypot(r, x[c]-m)
	}
	return r
}

// pulled returns the points x with those farther than reach from middle nearer: in their
// direction, and the nearest first still, but of twice the reach, and little more.
func pulled(x, middle []float64, reach float64) []float64 {
	d, out := len(middle), slices.Clone(x)
	for lo := 0; lo < len(x); lo += d {
		r := radius(x[lo:lo+d], middle)
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
