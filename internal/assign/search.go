package assign

import "math"

// augment gives the free row i0 a column: along a shortest path, in reduced
// costs, from i0 to a free column (Dijkstra's method on the core). The edges of a
// row outside the core are no nearer than its bound; they wait in the heap under
// that distance as one node, and are used when it comes to the top.
func (w *Workspace) augment(i0 int) {
	c := &w.core
	c.epoch++
	c.heap, c.open, w.cols = c.heap[:0], c.open[:0], w.cols[:0]
	end, mu := -1, math.Inf(1) // nearest free column so far, and its distance
	end, mu = w.reach(i0, c.own(i0), 0, end, mu)
	for len(c.heap) > 0 {
		var top node
		top, c.heap = pop(c.heap)
		if top.d >= mu {
			break
		}
		if j := top.j; j < 0 {
			c.open = append(c.open, ^j)
			end, mu = w.reachAll(^j, end, mu)
		} else if c.stamp[j] == 2*c.epoch { // else an older, longer entry
			c.stamp[j]++
			w.cols = append(w.cols, j)
			i := w.y[j]
			end, mu = w.reach(i, c.own(i), c.paid[i]-w.v[j]-top.d, end, mu)
		}
	}
	for _, j := range w.cols {
		w.v[j] += w.dist[j] - mu
	}
	for j := end; j >= 0; { // exchange matched and free edges along the path
		i := w.pred[j]
		w.y[j], c.paid[i] = i, c.step[j]
		w.x[i], j = j, w.x[i]
	}
	for _, i := range c.open {
		c.all = w.rescan(i, c.all)
	}
}

// reach shortens the distances to the columns at the given edges of row i, whose
// price less its distance is h, and leaves a node for its other edges.
func (w *Workspace) reach(i int, edges []edge, h float64, end int, mu float64) (int, float64) {
	for _, e := range edges {
		end, mu = w.relax(i, e.col, e.cost, h, end, mu)
	}
	c := &w.core
	if d := c.bound[i] - h + c.tol; d < mu { // tol: on a tie the core goes first
		c.height[i] = h
		c.heap = push(c.heap, node{d, ^i})
	}
	return end, mu
}

// reachAll shortens the distances to all columns from row i that are nearer than mu.
func (w *Workspace) reachAll(i, end int, mu float64) (int, float64) {
	c := &w.core
	h := c.height[i]
	c.all = c.within(c.all[:0], i, mu+h)
	for _, e := range c.all {
		end, mu = w.relax(i, e.col, e.cost, h, end, mu)
	}
	return end, mu
}

// relax notes the way to column j from row i if it is the shortest so far and
// shorter than mu, the distance of the free column end. It returns the new end, mu.
func (w *Workspace) relax(i, j int, cost, h float64, end int, mu float64) (int, float64) {
	c := &w.core
	d := cost - w.v[j] - h
	reached := 2 * c.epoch
	if d >= mu || c.stamp[j] > reached || c.stamp[j] == reached && d >= w.dist[j] {
		return end, mu
	}
	w.dist[j], w.pred[j], c.step[j], c.stamp[j] = d, i, cost, reached
	if w.y[j] < 0 {
		return j, d
	}
	c.heap = push(c.heap, node{d, j})
	return end, mu
}

// A node of the heap is a column j at distance d, or, as ^i, the edges of row i
// that are not in the core.
type node struct {
	d float64
	j int
}

// push adds e to the binary heap h, least distance on top.
func push(h []node, e node) []node {
	h = append(h, e)
	k := len(h) - 1
	for k > 0 {
		up := (k - 1) / 2
		if h[up].d <= e.d {
			break
		}
		h[k] = h[up]
		k = up
	}
	h[k] = e
	return h
}

// pop removes the node of least distance from h.
func pop(h []node) (node, []node) {
	top, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	if len(h) == 0 {
		return top, h
	}
	k := 0
	for {
		down := 2*k + 1
		if down >= len(h) {
			break
		}
		if down+1 < len(h) && h[down+1].d < h[down].d {
			down++
		}
		if h[down].d >= last.d {
			break
		}
		h[k] = h[down]
		k = down
	}
	h[k] = last
	return top, h
}
