package assign

import "math"

// core is what solveCore remembers of the cost matrix: of every row the few edges
// of least reduced cost, and a bound for the edges left out.
type core struct {
	row   rowFunc
	edges []edge    // rowEdges of each row, row by row
	bound []float64 // every other edge of row i has c_ij - v_j >= bound[i]
	tol   float64   // reduced costs closer than this are a tie
	paid  []float64 // c_ij of row i and its column j
	turn  []int     // rows that bid in this round of the auction
	bufs  []float64 // row buffers of the goroutines that refresh

	// Of the search for a shortest path:
	epoch  int
	stamp  []int     // stamp[j] == 2·epoch: column j is reached, 2·epoch+1: scanned
	step   []float64 // cost of the edge by which a column was reached
	height []float64 // of a row reached: its price less its distance
	open   []int     // rows of which all edges were used
	heap   []node
	buf    []float64
}

// An edge pairs the row that holds it with a column.
type edge struct {
	col  int
	cost float64
}

// rowFunc returns row i of the cost matrix, in buf (length n) or elsewhere. It
// must be safe for concurrent use with distinct buffers.
type rowFunc func(buf []float64, i int) []float64

// Figures that decide the speed, never the answer; found by trial on normal and
// clustered points of dimension 2, n = 256 to 4096.
const (
	rowEdges   = 16      // edges of a row in the core
	firstEps   = 2       // first increment of the auction, in mean spreads of the core
	lastEps    = 0.01    // last increment, likewise
	divideEps  = 5       // from one stage to the next
	smallest   = 0x1p-40 // of all increments, relative to the costs: above rounding
	bidsPerRow = 40      // a stage that needs more has too small an increment
	rowGrain   = 32      // rows a goroutine takes at a time
)

// solveCore finds the optimum of a large problem, n > rowEdges. Three steps:
//
//   - the prices of a random subproblem, extended to all columns;
//   - the auction algorithm with ε-scaling (Bertsekas, Annals of Operations
//     Research 14, 1988), which ends with prices that are optimal within n·ε;
//   - shortest augmenting paths for the rows that are not on their cheapest
//     column exactly. With prices so good these paths are short.
//
// All through prices of columns only fall, so a reduced cost c_ij - v_j only
// grows and bound[i] stays true: a row looks at its edges in the core, and at the
// whole matrix again only when they have become dearer than the bound.
// scale bounds |c_ij|.
func (w *Workspace) solveCore(n int, row rowFunc, scale float64) {
	w.reset(n)
	w.coarsePrices(n, row)
	w.fillCore(n, row)
	// Without a tolerance degenerate problems, where differences of prices are all
	// rounding, would have each row look at the whole matrix for every path.
	w.core.tol = 0x1p-50 * scale
	spread := w.spread()
	w.auctions(firstEps*spread, max(lastEps*spread, smallest*scale), w.best, w.refresh)
	for _, i := range w.free {
		w.augment(i)
	}
	for i, j := range w.x {
		w.u[i] = w.core.paid[i] - w.v[j]
	}
}

// fillCore makes room for n rows and fills the core under the prices v.
func (w *Workspace) fillCore(n int, row rowFunc) {
	c := &w.core
	c.row, c.epoch = row, 0
	c.edges, c.bound, c.paid = grow(c.edges, n*rowEdges), grow(c.bound, n), grow(c.paid, n)
	c.step, c.height, c.buf = grow(c.step, n), grow(c.height, n), grow(c.buf, n)
	c.stamp, c.turn = grow(c.stamp, n), grow(c.turn, n)
	clear(c.stamp)
	Parallel(n, rowGrain, func(lo, hi int) {
		buf := make([]float64, n)
		for i := lo; i < hi; i++ {
			for k := range rowEdges {
				c.edges[i*rowEdges+k].col = k // any distinct columns
			}
			w.rescan(i, buf)
		}
	})
}

// spread returns the mean over rows of the range of reduced costs in the core:
// how far apart the choices of a row are.
func (w *Workspace) spread() float64 {
	sum := 0.0
	for i := range w.n {
		own := w.core.own(i)
		sum += w.core.bound[i] - (own[0].cost - w.v[own[0].col]) // sorted by rescan
	}
	return sum / float64(w.n)
}

func (c *core) own(i int) []edge { return c.edges[i*rowEdges : (i+1)*rowEdges] }

// rescan takes the edges of row i into the core that are cheapest now, in
// increasing order of reduced cost. len(buf) == n.
func (w *Workspace) rescan(i int, buf []float64) {
	own, v := w.core.own(i), w.v[:w.n]
	cost := w.core.row(buf, i)[:w.n]
	// The edges held so far bound what the new ones may cost; most columns then
	// fail one comparison.
	bound := math.Inf(-1)
	for k, e := range own {
		bound = max(bound, cost[e.col]-v[e.col])
		own[k].cost = math.Inf(1)
	}
	bound = math.Nextafter(bound, math.Inf(1))
	last := &own[rowEdges-1]
	for j, c := range cost {
		if h := c - v[j]; h < bound {
			insert(own, edge{j, h})
			bound = min(bound, last.cost)
		}
	}
	w.core.bound[i] = last.cost
	for k := range own {
		own[k].cost = cost[own[k].col]
	}
}

// insert puts e into the sorted list, whose last edge drops out. Among equals the
// earlier stays first.
func insert(list []edge, e edge) {
	k := len(list) - 1
	for ; k > 0 && list[k-1].cost > e.cost; k-- {
		list[k] = list[k-1]
	}
	list[k] = e
}

// best is the [bestFunc] of the core.
func (w *Workspace) best(i int, slack float64) (first edge, least, second float64) {
	for {
		least, second = math.Inf(1), math.Inf(1)
		for _, e := range w.core.own(i) {
			if h := e.cost - w.v[e.col]; h < least {
				first, least, second = e, h, least
			} else if h < second {
				second = h
			}
		}
		second = min(second, w.core.bound[i])
		if least <= second+slack {
			return first, least, second
		}
		w.rescan(i, w.core.buf)
	}
}

// refresh does in advance, on all cores, the rescans that best would do one by
// one. Which rows need one is decided at the prices of the call, so that the
// outcome does not depend on the scheduling.
func (w *Workspace) refresh(rows []int, slack float64) {
	if len(rows)*w.n < 1<<14 {
		return
	}
	c := &w.core
	const parts = 16
	c.bufs = grow(c.bufs, parts*w.n)
	grain := max(rowGrain, (len(rows)+parts-1)/parts)
	Parallel(len(rows), grain, func(lo, hi int) {
		buf := c.bufs[lo/grain*w.n : (lo/grain+1)*w.n]
		for _, i := range rows[lo:hi] {
			least := math.Inf(1)
			for _, e := range c.own(i) {
				least = min(least, e.cost-w.v[e.col])
			}
			if least > c.bound[i]+slack {
				w.rescan(i, buf)
			}
		}
	})
}
