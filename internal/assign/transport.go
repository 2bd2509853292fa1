package assign

import (
	"cmp"
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
// The method is that of shortest augmenting paths, from the prices of an assignment of as
// many points as the smaller side has. In whole units, m/g for each a_i and n/g for each b_j
// with g their greatest common divisor, no mass is rounded. It takes up to (n + m) n m steps,
// the most where n and m are large and nearly equal: 2000 by 1000 points of the plane take a
// second, 2000 by 1999 half a minute. Points beside outliers are as in solveWide; where the best
// plan cannot be told, that is an error.
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
func planned(a, b, near, ends []float64, d int, p Power) (mean, gap float64) {
	n, m := len(a)/d, len(b)/d
	cost := make([]float64, n*m)
	fill := func(a, b []float64) {
		SquaredDistances(cost, a, b, d)
		Parallel(n*m, 1<<16, func(lo, hi int) { power(cost[lo:hi], p) })
	}
	fill(near, ends)
	t := newTransport(cost, n, m)
	for i := range n {
		for t.supply[i] > 0 {
			t.augment(i)
		}
	}
	fill(a, b)
	Parallel(n, 16, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			t.u[i] = math.Inf(1)
			for j, c := range t.row(i) {
				t.u[i] = min(t.u[i], c-t.v[j])
			}
		}
	})
	for j, arcs := range t.from {
		for _, f := range arcs {
			c, share := cost[f.row*m+j], float64(f.units)/float64(n*t.each)
			mean += share * c
			gap += share * max(0, c-t.v[j]-t.u[f.row]-ownShare*c)
		}
	}
	return mean, gap
}

// transport is a problem under way: rows have units to give, columns to take.
type transport struct {
	cost           []float64 // [n, m]
	n, m           int
	each           int // units of a row
	supply, demand []int
	u, v           []float64   // prices: u_i + v_j <= c_ij, with equality where there is flow
	from           [][]carried // of each column

	dist, reach []float64 // of columns, and of the rows visited
	pred        []int     // row before each column on the shortest path to it
	via         []int     // column before each row; -1: none, -2: not visited
	cols        []int     // scanned first, then those still to scan
	rows        []int     // visited
}

// carried are units that come from a row.
type carried struct{ row, units int }

func newTransport(cost []float64, n, m int) *transport {
	g := gcd(n, m)
	t := &transport{
		cost: cost, n: n, m: m, each: m / g,
		supply: make([]int, n), demand: make([]int, m), u: make([]float64, n), v: make([]float64, m),
		from: make([][]carried, m), dist: make([]float64, m), reach: make([]float64, n), pred: make([]int, m),
		via: make([]int, n), cols: make([]int, m),
	}
	for i := range t.supply {
		t.supply[i], t.via[i] = m/g, -2
	}
	for j := range t.demand {
		t.demand[j], t.cols[j] = n/g, j
	}
	t.price()
	return t
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func (t *transport) row(i int) []float64 { return t.cost[i*t.m : (i+1)*t.m] }

// price sets prices that no edge is below: those of an assignment between as many rows and
// columns as there are of the fewer, evenly spread, and what they make of the others.
func (t *transport) price() {
	k := min(t.n, t.m)
	sub := make([]float64, k*k)
	for r := range k {
		row := t.row(r * t.n / k)
		for s := range k {
			sub[r*k+s] = row[s*t.m/k]
		}
	}
	w := new(Workspace)
	if _, err := w.Solve(make([]int, k), sub, k); err != nil {
		return // the costs are finite
	}
	u, _ := w.duals()
	for j := range t.v {
		t.v[j] = math.Inf(1)
	}
	for r, price := range u {
		for j, c := range t.row(r * t.n / k) {
			t.v[j] = min(t.v[j], c-price)
		}
	}
	for i := range t.u {
		t.u[i] = math.Inf(1)
		for j, c := range t.row(i) {
			t.u[i] = min(t.u[i], c-t.v[j])
		}
	}
}

// augment carries units of row i0, as many as fit, along the shortest path in reduced costs
// to a column that takes more (Dijkstra over all columns).
func (t *transport) augment(i0 int) {
	for j := range t.dist {
		t.dist[j] = math.Inf(1)
	}
	t.rows = t.rows[:0]
	t.visit(i0, -1, 0, 0)
	scanned, end := 0, -1
	for end < 0 {
		j := t.nearest(scanned)
		scanned++
		if t.demand[j] > 0 {
			end = j
			break
		}
		for _, f := range t.from[j] {
			if t.via[f.row] == -2 {
				t.visit(f.row, j, t.dist[j], scanned)
			}
		}
	}
	mu := t.dist[end]
	for _, i := range t.rows {
		t.u[i] += mu - t.reach[i]
		t.reach[i] = 0
	}
	for _, j := range t.cols[:scanned] {
		t.v[j] -= mu - t.dist[j]
	}
	t.carry(i0, end)
	for _, i := range t.rows {
		t.via[i] = -2
	}
}

// visit comes to row i at distance d by column j, and shortens the ways to the columns not
// scanned.
func (t *transport) visit(i, j int, d float64, scanned int) {
	t.via[i], t.reach[i], t.rows = j, d, append(t.rows, i)
	row, h := t.row(i), d-t.u[i]
	for _, k := range t.cols[scanned:] {
		if e := row[k] - t.v[k] + h; e < t.dist[k] {
			t.dist[k], t.pred[k] = max(e, d), i // rounding makes no way shorter
		}
	}
}

// nearest moves the nearest column that is not scanned to cols[scanned], and returns it. Of
// several those come first that take more.
func (t *transport) nearest(scanned int) int {
	at := scanned
	for k := scanned + 1; k < t.m; k++ {
		j, best := t.cols[k], t.cols[at]
		if c := cmp.Compare(t.dist[j], t.dist[best]); c < 0 || c == 0 && t.demand[j] > t.demand[best] {
			at = k
		}
	}
	t.cols[scanned], t.cols[at] = t.cols[at], t.cols[scanned]
	return t.cols[scanned]
}

// carry moves units along the path from row i0 to column end.
func (t *transport) carry(i0, end int) {
	units := min(t.supply[i0], t.demand[end])
	for j := end; ; {
		i := t.pred[j]
		if i == i0 {
			break
		}
		j = t.via[i]
		units = min(units, t.from[j][t.arc(i, j)].units)
	}
	t.supply[i0] -= units
	t.demand[end] -= units
	for j := end; ; {
		i := t.pred[j]
		if k := t.arc(i, j); k >= 0 {
			t.from[j][k].units += units
		} else {
			t.from[j] = append(t.from[j], carried{i, units})
		}
		if i == i0 {
			return
		}
		j = t.via[i]
		k := t.arc(i, j)
		if t.from[j][k].units -= units; t.from[j][k].units == 0 {
			t.from[j] = append(t.from[j][:k], t.from[j][k+1:]...)
		}
	}
}

// arc returns where in from[j] row i is; -1: nowhere.
func (t *transport) arc(i, j int) int {
	for k, f := range t.from[j] {
		if f.row == i {
			return k
		}
	}
	return -1
}
