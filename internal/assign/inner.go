package assign

import (
	"math"
	"slices"
)

// fewOutside is the share of the points that may be outliers, or go with them, for the others to
// be solved first.
const fewOutside = 4

// inner is a part of a problem without its outliers, and without as many other points, those
// that are nearest to where the outliers are.
type inner struct {
	n          int
	rows, cols []int // of the part
	out, ends  []int // rows and columns that are left out, of the same number

	w *Workspace // solves it
}

// innerOf divides the problem of the points a and b, of which those beyond reach are outliers.
// It returns nil where these are many.
func innerOf(a, b, middle []float64, reach float64) *inner {
	d := len(middle)
	in := &inner{n: len(a) / d, w: new(Workspace)}
	in.rows, in.out = divided(a, middle, reach)
	in.cols, in.ends = divided(b, middle, reach)
	if len(in.out)+len(in.ends) > in.n/fewOutside {
		return nil
	}
	far, ends := in.out, in.ends
	in.cols, in.ends = without(in.cols, in.ends, b, gather(a, far, d), d)
	in.rows, in.out = without(in.rows, in.out, a, gather(b, ends, d), d)
	return in
}

// solve solves the part.
func (in *inner) solve(a, b []float64, d int, p Power) {
	x, y := gather(a, in.rows, d), gather(b, in.cols, d)
	center := make([]float64, d)
	scale := mustExtent(center, x, y, p)
	wide := scale / p.of(usualSquare(x, y, d))
	if p == Distance {
		wide *= wide
	}
	in.w.solveNear(x, y, center, p, scale, wide)
}

// mustExtent is extent of points that are known to be finite.
func mustExtent(center, a, b []float64, p Power) float64 {
	scale, err := extent(center, a, b, p)
	if err != nil {
		panic(err)
	}
	return scale
}

// polish brings those points into order that are within reach of middle, and whose partners are:
// prices of the size of the costs of outliers have rounded off what those cost. It goes on from
// the prices that there are, and keeps the other pairs.
func (w *Workspace) polish(a, b, middle []float64, reach float64, p Power) {
	d := len(middle)
	in := &inner{}
	place := make(map[int]int, len(w.x))
	for i, j := range w.x {
		if radius(a[i*d:(i+1)*d], middle) <= reach && radius(b[j*d:(j+1)*d], middle) <= reach {
			place[j] = len(in.rows)
			in.rows, in.cols = append(in.rows, i), append(in.cols, j)
		}
	}
	sub := new(Workspace)
	sub.again(gather(a, in.rows, d), gather(b, in.cols, d), gather(w.v, in.cols, 1), d, p)
	for k, i := range in.rows {
		j := in.cols[sub.x[k]]
		w.x[i], w.y[j] = j, i
	}
	for k, j := range in.cols {
		w.v[j] = sub.v[k]
	}
}

// without moves from which to out the points of x that are the nearest to each of the points
// far, each once.
func without(which, out []int, x, far []float64, d int) (rest, all []int) {
	gone := make(map[int]bool)
	square := make([]float64, 1)
	for k := 0; k < len(far); k += d {
		at, least := -1, math.Inf(1)
		for _, i := range which {
			if squaredRow(square, far[k:k+d], x[i*d:(i+1)*d]); square[0] < least && !gone[i] {
				at, least = i, square[0]
			}
		}
		gone[at] = true
	}
	for _, i := range which {
		if gone[i] {
			out = append(out, i)
		} else {
			rest = append(rest, i)
		}
	}
	return rest, out
}

// join solves the problem of the points a and b from the solution of its inner part: each row that
// was left out gets a column along a shortest path.
func (w *Workspace) join(in *inner, a, b []float64, d int, p Power) {
	x, v := make([]int, in.n), make([]float64, in.n)
	for i := range x {
		x[i] = -1
	}
	for k, i := range in.rows {
		x[i] = in.cols[in.w.x[k]]
	}
	for k, j := range in.cols {
		v[j] = in.w.v[k]
	}
	in.priceEnds(v, a, b, d, p)
	w.resume(x, a, b, v, d, p)
}

// again solves the problem of the points a and b, of which the k-th of both are nearly the best
// pairs, and v nearly the prices.
func (w *Workspace) again(a, b, v []float64, d int, p Power) {
	x := make([]int, len(v))
	for i := range x {
		x[i] = i
	}
	w.resume(x, a, b, v, d, p)
}

// resume solves the problem of the points a and b from the pairs x, -1 of a row without one, and the
// prices v of the columns: pairs that the prices do not prove are undone, and each row without a
// column gets one along a shortest path.
func (w *Workspace) resume(x []int, a, b, v []float64, d int, p Power) {
	n, scale := len(x), mustExtent(make([]float64, d), a, b, p)
	order := make([]int, n) // of the columns
	for j := range order {
		order[j] = j
	}
	tree := d <= treeDims || n > matrixMax
	if tree {
		order = treeOrder(b, d)
	}
	place := make([]int, n)
	for k, j := range order {
		place[j] = k
	}
	ends := gather(b, order, d)
	w.reset(n)
	copy(w.v, gather(v, order, 1))
	partner := slices.Clone(ends)
	for i, j := range x {
		if j >= 0 {
			k := place[j]
			w.x[i], w.y[k] = k, i
			copy(partner[k*d:(k+1)*d], a[i*d:(i+1)*d])
		}
	}
	var all source
	if tree {
		c := &cloud{d: d, rows: a}
		c.cols.build(ends, partner, w.v, d, p, scale)
		all = c
	} else {
		w.cost = grow(w.cost, n*n)
		w.fillCosts(a, ends, d, p)
		all = &matrix{n, w.cost, w.v}
	}
	w.finish(all, scale)
	at := w.x
	w.x, v = make([]int, n), slices.Clone(w.v)
	for i, k := range at {
		w.x[i], w.y[order[k]] = order[k], i
		w.u[i] = w.core.paid[i] - v[k]
	}
	for k, j := range order {
		w.v[j] = v[k]
	}
}

// priceEnds sets the prices of the columns that were left out to the most that the rows of the
// part allow.
func (in *inner) priceEnds(v, a, b []float64, d int, p Power) {
	rows := gather(a, in.rows, d)
	Parallel(len(in.ends), 1, func(lo, hi int) {
		cost := make([]float64, len(in.rows))
		for _, j := range in.ends[lo:hi] {
			squaredRow(cost, b[j*d:(j+1)*d], rows)
			power(cost, p)
			least := math.Inf(1)
			for k, c := range cost {
				least = min(least, c-in.w.u[k])
			}
			v[j] = least
		}
	})
}

// finish gives each row whose pair the prices v do not prove a column along a shortest path.
func (w *Workspace) finish(all source, scale float64) {
	w.fillCore(all, nil)
	c := &w.core
	c.tol = 0x1p-50 * scale
	for i, j := range w.x {
		if j >= 0 {
			c.paid[i] = all.price(i, j)
		}
	}
	w.keepNear(0, w.best)
	for _, i := range w.free {
		w.augment(i)
	}
}
