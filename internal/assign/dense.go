package assign

import "math"

// Increments of the auction on a full matrix, in mean distances of a row's costs
// from its least, found by trial like those of the core.
const (
	firstDense = 0.1
	lastDense  = 0.001
)

// solveDense is solveCore for a problem so small that every look at a row is a
// look at all of it.
func (w *Workspace) solveDense(cost []float64, n int, scale float64) {
	w.reset(n)
	w.core.paid, w.core.turn = grow(w.core.paid, n), grow(w.core.turn, n)
	if n == 1 {
		w.x[0], w.y[0], w.u[0] = 0, 0, cost[0]
		return
	}
	best := func(i int, _ float64) (edge, float64, float64) {
		return twoLeast(cost[i*n:(i+1)*n], w.v)
	}
	spread := w.columnReduction(cost, n)
	w.auctions(firstDense*spread, max(lastDense*spread, smallest*scale), best, nil)
	for _, i := range w.free {
		w.augmentDense(cost, n, i)
	}
	for i, j := range w.x {
		w.u[i] = cost[i*n+j] - w.v[j]
	}
}

// columnReduction sets v_j = min_i c_ij and returns the mean over the rows of the
// mean less the least of the reduced costs.
func (w *Workspace) columnReduction(cost []float64, n int) float64 {
	v := w.v
	for j := range v {
		v[j] = math.Inf(1)
	}
	for i := range n {
		for j, c := range cost[i*n : (i+1)*n][:len(v)] {
			if c < v[j] {
				v[j] = c
			}
		}
	}
	sum := 0.0
	for i := range n {
		mean, least := 0.0, math.Inf(1)
		for j, c := range cost[i*n : (i+1)*n][:len(v)] {
			h := c - v[j]
			mean += h / float64(n)
			if h < least {
				least = h
			}
		}
		sum += mean - least
	}
	return sum / float64(n)
}

// twoLeast returns the column of the least row_j - v_j, that value, and the least
// of the others.
func twoLeast(row, v []float64) (first edge, least, second float64) {
	least, second = math.Inf(1), math.Inf(1)
	at := 0
	v = v[:len(row)]
	for j, c := range row {
		if h := c - v[j]; h < second {
			if h < least {
				at, least, second = j, h, least
			} else {
				second = h
			}
		}
	}
	return edge{at, row[at]}, least, second
}

// augmentDense gives the free row i0 a column: along the shortest path, in
// reduced costs, from i0 to a free column (Dijkstra over all columns).
func (w *Workspace) augmentDense(cost []float64, n, i0 int) {
	v, dist, pred, cols := w.v[:n], w.dist[:n], w.pred[:n], w.cols[:n]
	row := cost[i0*n : (i0+1)*n]
	for j, c := range row {
		dist[j], pred[j], cols[j] = c-v[j], i0, j
	}
	// cols is [scanned | at distance mu, to scan | todo], split at low and up.
	low, up, ready := 0, 0, 0
	mu, end := 0.0, -1
	for end < 0 {
		if low == up {
			ready = low
			up, mu = nearest(cols, dist, low)
			for _, j := range cols[low:up] {
				if w.y[j] < 0 {
					end = j
					break
				}
			}
			if end >= 0 {
				break
			}
		}
		j1 := cols[low]
		low++
		i := w.y[j1]
		row = cost[i*n : (i+1)*n]
		h := row[j1] - v[j1] - mu
		for k := up; k < n; k++ {
			j := cols[k]
			d := row[j] - v[j] - h
			if d >= dist[j] {
				continue
			}
			dist[j], pred[j] = d, i
			if d <= mu {
				if w.y[j] < 0 {
					end = j
					break
				}
				cols[k], cols[up] = cols[up], j
				up++
			}
		}
	}
	for _, j := range cols[:ready] {
		v[j] += dist[j] - mu
	}
	w.flip(end)
}

// flip exchanges matched and free edges along the path that ends at column j.
func (w *Workspace) flip(j int) {
	for j >= 0 {
		i := w.pred[j]
		w.y[j] = i
		w.x[i], j = j, w.x[i]
	}
}

// nearest moves the columns of least distance mu among cols[low:] to cols[low:up].
func nearest(cols []int, dist []float64, low int) (up int, mu float64) {
	up, mu = low, dist[cols[low]]
	for k := low; k < len(cols); k++ {
		j := cols[k]
		d := dist[j]
		if d > mu {
			continue
		}
		if d < mu {
			up, mu = low, d
		}
		cols[k], cols[up] = cols[up], j
		up++
	}
	return up, mu
}
