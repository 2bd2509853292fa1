package assign

import (
	"math"
	"slices"
)

// A source gives a [core] the edges of rows at the prices of the moment. Its
// methods must be safe for concurrent use, fit excepted.
type source interface {
	// price returns c_ij.
	price(i, j int) float64
	// within appends to list the edges of row i with c_ij - v_j < limit.
	within(list []edge, i int, limit float64) []edge
	// nearest improves list, edges of row i in increasing order of their cost, which
	// here is c_ij - v_j, by all that are below limit.
	nearest(list []edge, i int, limit float64)
	// fit is called between uses, after prices fell.
	fit()
}

// core is what solveCore remembers of the cost matrix: of every row the few edges
// of least reduced cost, and a bound for the edges left out.
type core struct {
	source
	edges  []edge    // rowCap places for each row
	count  []int     // of which this many are used
	bound  []float64 // every other edge of row i has c_ij - v_j >= bound[i]
	radius []float64 // how far above its least a row's edges reached when last counted
	tol    float64   // reduced costs closer than this are a tie
	paid   []float64 // c_ij of row i and its column j
	turn   []int     // rows that bid in this round of the auction
	bids   int       // until the next fit
	lists  [parts][]edge

	// Of the search for a shortest path:
	epoch  int
	stamp  []int     // stamp[j] == 2·epoch: column j is reached, 2·epoch+1: scanned
	step   []float64 // cost of the edge by which a column was reached
	height []float64 // of a row reached: its price less its distance
	open   []int     // rows of which all edges were used
	heap   []node
	all    []edge
}

// An edge pairs the row that holds it with a column.
type edge struct {
	col  int
	cost float64
}

// Figures that decide the speed, never the answer; found by trial on normal and
// clustered points of dimension 2, n = 256 to 8192.
const (
	rowEdges   = 16 // edges of a row in the core, when counted
	rowLeast   = 4  // fewer, or more than rowCap, are counted again
	rowCap     = 32
	firstEps   = 2       // first increment of the auction, in mean radii of the core
	pointsEps  = 0.2     // the same after the coarse problem of points, which comes close
	lastEps    = 0.01    // last increment, likewise
	divideEps  = 8       // from one stage to the next
	skewed     = 8       // mean radii in median ones at most: an outlier's says nothing of the others
	smallest   = 0x1p-40 // of all increments, relative to the costs: above rounding
	bidsPerRow = 100     // a stage that needs more has too small an increment
	rowGrain   = 32      // rows a goroutine takes at a time
	parts      = 16      // of the rows that are refreshed at once
)

// solveCore finds the optimum of a large problem, n > rowEdges, from prices v that
// are as good as they can be had cheaply:
//
//   - the auction algorithm with ε-scaling (Bertsekas, Annals of Operations
//     Research 14, 1988) ends with prices that are optimal within n·ε;
//   - shortest augmenting paths serve the rows that are not on their cheapest
//     column exactly. With prices so good these paths are short.
//
// All through prices of columns only fall, so a reduced cost c_ij - v_j only
// grows and bound[i] stays true: a row looks at its edges in the core, and at the
// source again only when they have become dearer than the bound.
// scale bounds |c_ij|; first is the first increment; start says where among the
// columns the choices of a row are, as far as known, or is nil.
func (w *Workspace) solveCore(all source, scale, first float64, start func(i int) int) {
	w.fillCore(all, start)
	c := &w.core
	// Without a tolerance degenerate problems, where differences of prices are all
	// rounding, would have each row look at the source for every path.
	c.tol = 0x1p-50 * scale
	mean := 0.0
	for _, r := range c.radius {
		mean += r / float64(w.n)
	}
	usual := slices.Clone(c.radius)
	slices.Sort(usual)
	mean = min(mean, skewed*usual[w.n/2])
	w.auctions(first*mean, max(lastEps*mean, smallest*scale), w.best, w.refresh)
	c.fit()
	for _, i := range w.free {
		w.augment(i)
	}
	for i, j := range w.x {
		w.u[i] = c.paid[i] - w.v[j]
	}
}

// fillCore makes room for n rows and fills the core under the prices v.
func (w *Workspace) fillCore(all source, start func(i int) int) {
	c, n := &w.core, w.n
	c.source, c.epoch, c.bids = all, 0, 0
	c.edges, c.count, c.bound, c.radius = grow(c.edges, n*rowCap), grow(c.count, n), grow(c.bound, n), grow(c.radius, n)
	c.paid, c.step, c.height = grow(c.paid, n), grow(c.step, n), grow(c.height, n)
	c.stamp, c.turn = grow(c.stamp, n), grow(c.turn, n)
	clear(c.stamp)
	Parallel(n, rowGrain, func(lo, hi int) {
		var list []edge
		for i := lo; i < hi; i++ {
			if start == nil {
				w.count(i, math.Inf(1))
				continue
			}
			c.count[i] = rowEdges
			j := max(0, min(n-rowEdges, start(i)-rowEdges/2))
			for k := range rowEdges {
				c.edges[i*rowCap+k] = edge{j + k, all.price(i, j+k)}
			}
			if i == lo {
				_, most := w.extremes(i)
				w.count(i, math.Nextafter(most, math.Inf(1)))
				continue
			}
			c.radius[i] = c.radius[i-1] // a guess: rows are in the order of a tree
			list = w.rescan(i, list)
		}
	})
}

// own returns the edges of row i in the core.
func (c *core) own(i int) []edge { return c.edges[i*rowCap : i*rowCap+c.count[i]] }

// extremes returns the least and the largest reduced cost of row i in the core.
func (w *Workspace) extremes(i int) (least, most float64) {
	least, most = math.Inf(1), math.Inf(-1)
	for _, e := range w.core.own(i) {
		h := e.cost - w.v[e.col]
		least, most = min(least, h), max(most, h)
	}
	return least, most
}

// rescan takes the edges of row i into the core that are cheapest now: those up
// to radius above the least of those held, which is faster than to count them, if
// that makes about as many as there should be. It returns list, which is scratch
// memory.
func (w *Workspace) rescan(i int, list []edge) []edge {
	c := &w.core
	least, most := w.extremes(i)
	limit := least + c.radius[i]
	list = c.within(list[:0], i, limit)
	if len(list) < rowLeast || len(list) > rowCap {
		w.count(i, math.Nextafter(most, math.Inf(1)))
		return list
	}
	c.bound[i], c.count[i] = limit, len(list)
	copy(c.own(i), list)
	return list
}

// count takes the rowEdges cheapest edges of row i into the core. So many at least
// are known to be below limit, unless it is infinite.
func (w *Workspace) count(i int, limit float64) {
	c := &w.core
	if c.count[i] < rowEdges {
		limit = math.Inf(1)
	}
	c.count[i] = rowEdges
	own := c.own(i)
	for k := range own {
		own[k] = edge{0, math.Inf(1)}
	}
	c.nearest(own, i, limit)
	c.bound[i] = own[rowEdges-1].cost
	c.radius[i] = c.bound[i] - own[0].cost
	for k, e := range own {
		own[k].cost = c.price(i, e.col)
	}
}

// insertBelow puts edges to the columns from first on, of costs c and prices v,
// into the sorted list if their reduced costs are below limit and below the
// list's last. It returns the lesser of the two bounds.
func insertBelow(list []edge, cost, v []float64, first int, limit float64) float64 {
	last := &list[len(list)-1]
	limit = min(limit, last.cost)
	v = v[:len(cost)]
	for j, c := range cost {
		if h := c - v[j]; h < limit {
			insert(list, edge{first + j, h})
			limit = min(limit, last.cost)
		}
	}
	return limit
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
	c, v := &w.core, w.v
	for {
		own, at := c.own(i), 0
		// Integers in the order of the floats: the compiler takes their minima
		// without branches, which nothing could predict here.
		low, next := infinity, infinity
		for k := range own {
			h := ordered(own[k].cost - v[own[k].col])
			next = min(next, max(h, low))
			if h < low {
				at = k
			}
			low = min(low, h)
		}
		least, second = value(low), min(value(next), c.bound[i])
		if least <= second+slack {
			return own[at], least, second
		}
		c.all = w.rescan(i, c.all)
	}
}

// refresh does in advance, on all cores, the rescans that best would do one by
// one. Which rows need one is decided at the prices of the call, so that the
// outcome does not depend on the scheduling.
func (w *Workspace) refresh(rows []int, slack float64) {
	c := &w.core
	if c.bids -= len(rows); c.bids < 0 {
		c.fit()
		c.bids = w.n / 2
	}
	if len(rows) < 2*rowGrain {
		return
	}
	grain := max(rowGrain, (len(rows)+parts-1)/parts)
	Parallel(len(rows), grain, func(lo, hi int) {
		list := c.lists[lo/grain]
		for _, i := range rows[lo:hi] {
			if least, _ := w.extremes(i); least > c.bound[i]+slack {
				list = w.rescan(i, list)
			}
		}
		c.lists[lo/grain] = list
	})
}

// ordered maps a float that is not NaN to an integer, in the same order.
func ordered(x float64) int64 {
	b := int64(math.Float64bits(x))
	return b ^ int64(uint64(b>>63)>>1)
}

// infinity is ordered(+Inf).
const infinity int64 = 0x7ff << 52

// value is the inverse of ordered.
func value(key int64) float64 {
	return math.Float64frombits(uint64(key ^ int64(uint64(key>>63)>>1)))
}
