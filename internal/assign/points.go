package assign

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Which method solves a problem of points. A tree pays off in few dimensions, and
// soon; in many it looks at all points, and serves only where the matrix of costs
// would be too large (2 GiB).
const (
	treeDims  = 4
	treeMin   = 160
	matrixMax = 16384
	// Up to which width the tree is exact to 1e-8 of a usual cost, and squared distances
	// from products of coordinates to 1e-11.
	treeWidth, productWidth = 0x1p24, 0x1p12
	// From which width on it is faster to solve without outliers first.
	innerWidth = 0x1p12
)

// coarsest is the largest n of a coarse problem that is not made coarser still.
const coarsest = 32

// SolvePoints fills perm, of length n = len(a)/d, with the permutation that
// minimises Σ_i |a_i - b_perm[i]|^p over n points a and n points b of R^d,
// row-major, and returns that sum. A coordinate that is not finite is an error
// that names point and coordinate. For d <= 4 and n > 160, and for any d where
// n > 16384, no matrix of n² costs is stored, and in few dimensions few of its
// entries are computed, save of points beside an outlier; see solveWide. Where among more
// than 16384 of these the best pairs cannot be told, that is an error.
func (w *Workspace) SolvePoints(perm []int, a, b []float64, d int, p Power) (total float64, err error) {
	n := len(perm)
	if len(a) != n*d || len(b) != n*d || p != Distance && p != Squared {
		panic(fmt.Sprintf("assign: %d pairs in dimension %d from %d and %d coordinates, power %d", n, d,
			len(a), len(b), p))
	}
	center := make([]float64, d)
	scale, err := extent(center, a, b, p)
	if err != nil {
		return 0, err
	}
	usual := usualSquare(a, b, d)
	wide := scale / p.of(usual)
	if p == Distance {
		wide *= wide
	}
	switch {
	case d == 1:
		w.solveLine(a, b, p)
	case n > treeMin && wide >= innerWidth && w.solveWide(a, b, d, p, usual):
	case n > treeMin && wide >= treeWidth:
		if err := w.solveAsMatrix(a, b, d, p); err != nil {
			return 0, err
		}
	default:
		w.solveNear(a, b, center, p, scale, wide)
	}
	copy(perm, w.x)
	var one [1]float64
	for i, j := range perm {
		squaredRow(one[:], a[i*d:(i+1)*d], b[j*d:(j+1)*d])
		power(one[:], p)
		total += one[0]
	}
	return total, nil
}

// solveNear solves the problem of points of which none is far from the others, but so wide at
// the most: the largest cost beside a usual one, both squared.
func (w *Workspace) solveNear(a, b, center []float64, p Power, scale, wide float64) {
	d := len(center)
	n := len(a) / d
	if n > matrixMax || n > treeMin && d <= treeDims {
		w.solveTree(a, b, center, p, scale)
		return
	}
	w.cost = grow(w.cost, n*n)
	if d > treeDims && p == Squared && wide < productWidth {
		productDistances(w.cost, a, b, center)
	} else {
		w.fillCosts(a, b, d, p)
	}
	w.solveMatrix(w.cost, n, scale)
	if w.needsRefinement(w.cost, n, scale) {
		w.refine(w.cost, w.cost, n)
	}
}

// fillCosts sets w.cost to the matrix of the costs of points.
func (w *Workspace) fillCosts(a, b []float64, d int, p Power) {
	SquaredDistances(w.cost, a, b, d)
	Parallel(len(w.cost), 1<<16, func(lo, hi int) { power(w.cost[lo:hi], p) })
}

// solveTree solves the problem of points without their matrix: in the order of a
// tree, in which neighbours are near in memory too.
func (w *Workspace) solveTree(a, b, center []float64, p Power, scale float64) {
	d := len(center)
	n := len(a) / d
	var order [2][]int
	var sorted [2][]float64
	Parallel(2, 1, func(s, _ int) {
		x := [2][]float64{a, b}[s]
		order[s], sorted[s] = treeOrder(x, d), make([]float64, n*d)
		for k, i := range order[s] {
			for c, z := range center { // far from the origin bounds would be all rounding
				sorted[s][k*d+c] = x[i*d+c] - z
			}
		}
	})
	w.solveOrdered(sorted[0], sorted[1], d, p, scale)
	rows, cols := order[0], order[1]
	x, u, v := slices.Clone(w.x), slices.Clone(w.u), slices.Clone(w.v)
	for k, i := range rows {
		j := cols[x[k]]
		w.x[i], w.y[j], w.u[i] = j, i, u[k]
	}
	for k, j := range cols {
		w.v[j] = v[k]
	}
}

// solveOrdered solves the problem of points in [treeOrder]. Prices to begin with
// come from the coarse problem of the means of runs of the order. It keeps the
// balance of mass over all distances larger than a group, so what remains to be
// done is local.
func (w *Workspace) solveOrdered(a, b []float64, d int, p Power, scale float64) {
	n := len(a) / d
	if n <= coarsest {
		w.cost = grow(w.cost, n*n)
		SquaredDistances(w.cost, a, b, d)
		power(w.cost, p)
		w.solveDense(w.cost, n, scale)
		return
	}
	m := 1 // a power of two: then the groups are the nodes of one level
	for m*leafPoints < n {
		m *= 2
	}
	groups, ends := means(a, m, d), means(b, m, d)
	sub := w.coarse()
	sub.solveOrdered(groups, ends, d, p, scale)
	w.reset(n)
	near := w.interpolate(groups, ends, b, d, p, scale)
	c := &cloud{d: d, rows: a}
	c.cols.build(b, near, w.v, d, p, scale)
	w.solveCore(c, scale, pointsEps, func(i int) int { return sub.x[i*m/n] * n / m })
}

// means returns the means of m runs of the points x.
func means(x []float64, m, d int) []float64 {
	n := len(x) / d
	mean := make([]float64, m*d)
	for g := range m {
		lo, hi := g*n/m, (g+1)*n/m
		for j := lo; j < hi; j++ {
			for c, y := range x[j*d : (j+1)*d] {
				mean[g*d+c] += y / float64(hi-lo)
			}
		}
	}
	return mean
}

// interpolate sets the prices of the columns b to v_j = min_g |a_g - b_j|^p - u_g over the
// groups of the coarse problem, matched to ends. It returns for each column the
// group that attains the minimum, as a point.
func (w *Workspace) interpolate(groups, ends, b []float64, d int, p Power, scale float64) (near []float64) {
	sub, m := w.next, len(groups)/d
	partner := make([]float64, m*d)
	for g, j := range sub.x[:m] {
		copy(partner[g*d:(g+1)*d], ends[j*d:(j+1)*d])
	}
	var t index
	t.build(groups, partner, sub.u[:m], d, p, scale)
	near = make([]float64, len(b))
	Parallel(w.n, 256, func(lo, hi int) {
		for j := lo; j < hi; j++ {
			least := [1]edge{{0, math.Inf(1)}}
			w.v[j] = t.nearest(least[:], b[j*d:(j+1)*d], math.Inf(1), 1)
			copy(near[j*d:(j+1)*d], groups[least[0].col*d:])
		}
	})
	return near
}

// A cloud is the [source] of a problem of points.
type cloud struct {
	d    int
	rows []float64
	cols index
}

func (c *cloud) row(i int) []float64 { return c.rows[i*c.d : (i+1)*c.d] }

func (c *cloud) price(i, j int) float64 { return c.cols.cost(c.row(i), j) }

func (c *cloud) within(list []edge, i int, limit float64) []edge {
	return c.cols.within(list, c.row(i), limit, 1)
}

func (c *cloud) nearest(list []edge, i int, limit float64) {
	c.cols.nearest(list, c.row(i), limit, 1)
}

func (c *cloud) fit() { c.cols.fit() }

// extent sets center to the middle of the box that holds all points, and returns an
// upper bound of every |a_i - b_j|^p, its diagonal, or an error where a coordinate is not finite or so large
// that the bound is not.
func extent(center, a, b []float64, p Power) (float64, error) {
	d := len(center)
	least, most := make([]float64, d), make([]float64, d)
	for k := range d {
		least[k], most[k] = math.Inf(1), math.Inf(-1)
	}
	for s, set := range [2][]float64{a, b} {
		for at := 0; at < len(set); at += d {
			for k, c := range set[at : at+d] {
				if !(math.Abs(c) <= 1e150) {
					return 0, fmt.Errorf(
						"assign: point %d of the %s set has coordinate %d = %v: it must be finite, and its square too",
						at/d, [2]string{"first", "second"}[s], k, c)
				}
				least[k], most[k] = min(least[k], c), max(most[k], c)
			}
		}
	}
	square := 0.0
	for k := range d {
		if width := most[k] - least[k]; width > 0 {
			square += width * width
			center[k] = least[k] + width/2
		}
	}
	if p == Distance {
		return math.Sqrt(square), nil
	}
	return square, nil
}

// usualSquare returns the squared distance of a usual pair of points: the median of a sample,
// which has not those of an outlier.
func usualSquare(a, b []float64, d int) float64 {
	n, m := len(a)/d, len(b)/d
	if n == 0 || m == 0 {
		return 1
	}
	squares := make([]float64, min(max(n, m), 64))
	for k := range squares {
		i, j := k*n/len(squares), (k*m/len(squares)+m/2)%m
		squaredRow(squares[k:k+1], a[i*d:(i+1)*d], b[j*d:(j+1)*d])
	}
	slices.Sort(squares)
	return max(squares[len(squares)/2], math.SmallestNonzeroFloat64)
}

// solveLine solves the problem of points on the line: for the cost is a convex
// function of the difference, the k-th smallest a is matched with the k-th smallest b.
// Such costs have the Monge property, which makes prices that are tight between
// neighbours, v_(k+1) - v_(k) = c_(k)(k+1) - c_(k)(k), feasible for all pairs.
func (w *Workspace) solveLine(a, b []float64, p Power) {
	n := len(a)
	w.reset(n)
	order := func(x []float64) []int {
		at := make([]int, n)
		for i := range at {
			at[i] = i
		}
		slices.SortStableFunc(at, func(i, j int) int { return cmp.Compare(x[i], x[j]) })
		return at
	}
	cost := func(i, j int) float64 {
		e := math.Abs(a[i] - b[j])
		if p == Squared {
			e *= e
		}
		return e
	}
	rows, cols := order(a), order(b)
	for k, i := range rows {
		j := cols[k]
		w.x[i], w.y[j] = j, i
		if k > 0 {
			before := w.y[cols[k-1]]
			w.v[j] = w.v[cols[k-1]] + cost(before, j) - cost(before, cols[k-1])
		}
		w.u[i] = cost(i, j) - w.v[j]
	}
}
