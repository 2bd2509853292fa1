package assign

import (
	"cmp"
	"math"
	"slices"
)

// A plan carries the units of n rows to m columns, n <= m, by a spanning tree of their nodes:
// row i is node i, column j is node n + j. All pairs outside of the tree carry nothing. The
// network simplex (Cunningham, Mathematical Programming 11, 1976) exchanges one pair of the tree
// at a time for one outside that is too dear at the prices of the tree.
//
// The tree is strongly feasible: where a pair of it carries nothing, the row is the child. Then
// no sequence of exchanges that move no mass comes back to a tree it had.
type plan struct {
	cost  []float64 // [n, m]
	n, m  int
	tol   float64   // prices closer than this are equal
	price []float64 // of nodes: price_i + price_(n+j) = c_ij where the tree joins i and j

	parent, depth, flow []int // flow: units between a node and its parent, 0 of the root
	child, next, before []int // the first child of a node, and its siblings; -1: none
	stack               []int
}

// newPlan returns a plan to begin with, of n rows near and m columns of the given costs. Rows in
// the order of a tree, and columns in that of the rows to which an assignment brings
// them, are near each other; so along both orders, each row gives what it has to the next
// columns that want it (the rule of the north-west corner).
func newPlan(cost, near []float64, d, n, m int) *plan {
	all := n + m
	t := &plan{
		cost: cost, n: n, m: m, price: make([]float64, all),
		parent: make([]int, all), depth: make([]int, all), flow: make([]int, all),
		child: make([]int, all), next: make([]int, all), before: make([]int, all),
	}
	for k := range all {
		t.parent[k], t.child[k], t.next[k], t.before[k] = -1, -1, -1, -1
	}
	rows := treeOrder(near, d)
	cols := t.columns(rows)
	g := gcd(n, m)
	give, take := m/g, n/g
	for i, j := 0, 0; ; {
		units := min(give, take)
		give, take = give-units, take-units
		row, col := rows[i], n+cols[j]
		if t.parent[row] < 0 && i > 0 {
			t.hang(row, col, units)
		} else {
			t.hang(col, row, units)
		}
		if i == n-1 && j == m-1 {
			break
		}
		// Where both are done, the next row, a child, begins with nothing.
		if take == 0 && (give > 0 || i == n-1) {
			j, take = j+1, n/g
		} else {
			i, give = i+1, m/g
		}
	}
	t.settle()
	return t
}

// columns returns the columns in the order of the rows to which they are likely to go: by an
// assignment of n of them, and the prices of that for the others.
func (t *plan) columns(rows []int) []int {
	n, m := t.n, t.m
	place := make([]int, n)
	for k, i := range rows {
		place[i] = k
	}
	sub := make([]float64, n*n)
	for i := range n {
		for s := range n {
			sub[i*n+s] = t.cost[i*m+s*m/n]
		}
	}
	w, perm := new(Workspace), make([]int, n)
	if _, err := w.Solve(perm, sub, n); err != nil {
		panic(err) // the costs are finite
	}
	u, _ := w.duals()
	least, at := make([]float64, m), make([]int, m)
	for j := range least {
		least[j] = math.Inf(1)
	}
	for i := range n {
		for j, c := range t.cost[i*m : (i+1)*m] {
			if c-u[i] < least[j] {
				least[j], at[j] = c-u[i], place[i]
			}
		}
	}
	for i, s := range perm {
		at[s*m/n] = place[i]
	}
	cols := make([]int, m)
	for j := range cols {
		cols[j] = j
	}
	slices.SortStableFunc(cols, func(j, k int) int { return cmp.Compare(at[j], at[k]) })
	return cols
}

// arc returns the row and the column of the pair of node k, not the root, and its parent.
func (t *plan) arc(k int) (i, j int) {
	if k < t.n {
		return k, t.parent[k] - t.n
	}
	return t.parent[k], k - t.n
}

// solve exchanges pairs until none is too dear, row after row and round again.
func (t *plan) solve() {
	t.tol = 0x1p-50 * slices.Max(t.cost)
	// Rounding may make ties come and go for ever: the caller looks at what the prices prove.
	for round := 0; round < 64; round++ {
		t.settle()
		if !t.improve() {
			return
		}
	}
}

// refine solves, and then again for what the prices leave of the costs, as [Workspace.refine] does:
// beside outliers prices round off what the other pairs cost. It returns the cost of the plan, of units
// that each cost what paid says, and by how much it may exceed the least. The costs of t are lost.
func (t *plan) refine(paid func(i, j int) float64) (sum, gap float64) {
	for round := 0; ; round++ {
		t.solve()
		if sum, gap = t.total(paid), t.residual(); gap <= gapShare*sum || round == refinements {
			return sum, gap
		}
		// A better plan has no pair that costs more than the present one in all.
		Parallel(len(t.cost), 1<<16, func(lo, hi int) {
			for k, r := range t.cost[lo:hi] {
				t.cost[lo+k] = min(r, 2*gap)
			}
		})
	}
}

// total returns what the units of the plan cost.
func (t *plan) total(cost func(i, j int) float64) (sum float64) {
	for k, units := range t.flow {
		if units > 0 {
			sum += float64(units) * cost(t.arc(k))
		}
	}
	return sum
}

// residual makes the costs those that the prices leave, with prices of the rows so low that
// none is negative, and returns what the plan costs by them.
func (t *plan) residual() (gap float64) {
	u, v := t.price[:t.n], t.price[t.n:]
	Parallel(t.n, 16, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row := t.cost[i*t.m : (i+1)*t.m]
			for j, c := range row {
				row[j] = difference(c, u[i], v[j])
			}
			least := slices.Min(row)
			for j := range row {
				row[j] -= least
			}
		}
	})
	return t.total(func(i, j int) float64 { return t.cost[i*t.m+j] })
}

// improve exchanges pairs until a look at all rows finds none that is too dear. It reports
// whether there was one.
func (t *plan) improve() bool {
	quiet, some := 0, false
	limit := 1000 * (t.n + t.m)
	for i := 0; quiet < t.n && limit > 0; i = (i + 1) % t.n {
		quiet++
		at, least := -1, t.price[i]-t.tol
		v := t.price[t.n:]
		for j, c := range t.cost[i*t.m : (i+1)*t.m][:len(v)] {
			if h := c - v[j]; h < least {
				at, least = j, h
			}
		}
		if at >= 0 {
			t.exchange(i, t.n+at)
			quiet, some = 0, true
			limit--
		}
	}
	return some
}

// exchange takes the pair of a row and a column into the tree, and sends along the cycle
// that it closes as many units as can be, so that another pair leaves.
func (t *plan) exchange(row, col int) {
	a, b := row, col
	for a != b {
		if t.depth[a] >= t.depth[b] {
			a = t.parent[a]
		} else {
			b = t.parent[b]
		}
	}
	top, units, out, below := a, math.MaxInt, -1, row
	// Of several that empty first, the last in the direction of the cycle leaves, seen from its
	// top: that keeps the tree strongly feasible.
	for k := row; k != top; k = t.parent[k] {
		if k < t.n && t.flow[k] < units {
			units, out = t.flow[k], k
		}
	}
	for k := col; k != top; k = t.parent[k] {
		if k >= t.n && t.flow[k] <= units {
			units, out, below = t.flow[k], k, col
		}
	}
	for k := row; k != top; k = t.parent[k] {
		t.flow[k] += sign(k >= t.n) * units
	}
	for k := col; k != top; k = t.parent[k] {
		t.flow[k] += sign(k < t.n) * units
	}
	above := row + col - below
	rise := t.cost[row*t.m+col-t.n] - t.price[row] - t.price[col]
	t.turn(below, out)
	t.hang(below, above, units)
	t.raise(below, rise)
}

func sign(up bool) int {
	if up {
		return 1
	}
	return -1
}

// turn cuts the tree above node out, and makes node k below it the root of what is cut off.
func (t *plan) turn(k, out int) {
	var path []int
	for ; k != out; k = t.parent[k] {
		path = append(path, k)
	}
	t.cut(out)
	for up := out; len(path) > 0; {
		k = path[len(path)-1]
		path = path[:len(path)-1]
		units := t.flow[k]
		t.cut(k)
		t.hang(up, k, units)
		up = k
	}
}

// hang makes node k, a root, the first child of node up.
func (t *plan) hang(k, up, units int) {
	t.parent[k], t.flow[k], t.before[k], t.next[k] = up, units, -1, t.child[up]
	if t.child[up] >= 0 {
		t.before[t.child[up]] = k
	}
	t.child[up] = k
}

// cut makes node k a root.
func (t *plan) cut(k int) {
	if t.before[k] >= 0 {
		t.next[t.before[k]] = t.next[k]
	} else {
		t.child[t.parent[k]] = t.next[k]
	}
	if t.next[k] >= 0 {
		t.before[t.next[k]] = t.before[k]
	}
	t.parent[k], t.flow[k] = -1, 0
}

// raise adds rise to the prices of the nodes of the kind of k, a row or a column, in the tree
// below k, and takes it from those of the other kind. It sets their depths.
func (t *plan) raise(k int, rise float64) {
	t.stack = append(t.stack[:0], k)
	kind := k < t.n
	for len(t.stack) > 0 {
		k := t.stack[len(t.stack)-1]
		t.stack = t.stack[:len(t.stack)-1]
		t.depth[k] = t.depth[t.parent[k]] + 1
		if (k < t.n) == kind {
			t.price[k] += rise
		} else {
			t.price[k] -= rise
		}
		for c := t.child[k]; c >= 0; c = t.next[c] {
			t.stack = append(t.stack, c)
		}
	}
}

// settle computes all prices and depths from the tree.
func (t *plan) settle() {
	root := slices.Index(t.parent, -1)
	t.depth[root], t.price[root] = 0, 0
	t.stack = append(t.stack[:0], root)
	for len(t.stack) > 0 {
		k := t.stack[len(t.stack)-1]
		t.stack = t.stack[:len(t.stack)-1]
		if k != root {
			i, j := t.arc(k)
			t.depth[k] = t.depth[t.parent[k]] + 1
			t.price[k] = t.cost[i*t.m+j] - t.price[t.parent[k]]
		}
		for c := t.child[k]; c >= 0; c = t.next[c] {
			t.stack = append(t.stack, c)
		}
	}
}
