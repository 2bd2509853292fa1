package assign

import "math"

// solveDense is the method of Jonker and Volgenant on a full matrix.
func (w *Workspace) solveDense(cost []float64, n int) {
	w.reset(n)
	w.columnReduction(cost, n)
	w.transferReduction(cost, n)
	for range 2 { // the paper's two passes
		w.rowReduction(func(i int) (int, int, float64, float64) { return twoLeast(cost[i*n:(i+1)*n], w.v) })
	}
	for _, i := range w.free {
		w.augmentDense(cost, n, i)
	}
	for i, j := range w.x {
		w.u[i] = cost[i*n+j] - w.v[j]
	}
}

// columnReduction sets v_j = min_i c_ij and gives column j to that row if the row is free.
func (w *Workspace) columnReduction(cost []float64, n int) {
	v, arg := w.v, w.pred
	for j := range v {
		v[j] = math.Inf(1)
	}
	for i := range n {
		row := cost[i*n : (i+1)*n]
		for j, c := range row[:len(v)] {
			if c < v[j] {
				v[j], arg[j] = c, i
			}
		}
	}
	for j := n - 1; j >= 0; j-- {
		if i := arg[j]; w.x[i] < 0 {
			w.x[i], w.y[j] = j, i
		}
	}
}

// transferReduction lowers the price of every matched column as far as its row
// allows, min_{k≠j} c_ik - v_k, so that the free rows find it cheaper, and lists
// the free rows.
func (w *Workspace) transferReduction(cost []float64, n int) {
	for i, j := range w.x {
		if j < 0 {
			w.free = append(w.free, i)
			continue
		}
		row, least := cost[i*n:(i+1)*n], math.Inf(1)
		for k, c := range row {
			if h := c - w.v[k]; h < least && k != j {
				least = h
			}
		}
		if n > 1 {
			w.v[j] -= least - (row[j] - w.v[j])
		}
	}
}

// rowReduction lets each free row take its cheapest column at the price at which
// it would as soon take its second: an auction without increments. A row that
// loses its column bids at once if the price moved, in the next pass otherwise.
// best(i) returns the columns of least and second least c_ij - v_j, and these values.
func (w *Workspace) rowReduction(best func(i int) (j1, j2 int, least, second float64)) {
	todo := w.free
	w.free = w.free[:0] // one entry at most for each one read: never overtakes todo
	limit := 4 * w.n    // rounding must not let rows outbid each other for ever
	for _, i := range todo {
		for i >= 0 {
			limit--
			j1, j2, least, second := best(i)
			price := w.v[j1] - (second - least)
			moved := price < w.v[j1] && limit > 0
			if !moved && w.y[j1] >= 0 && second <= least {
				j1 = j2 // equally cheap, perhaps free
			}
			loser := w.y[j1]
			if !moved && loser >= 0 && limit <= 0 {
				w.free = append(w.free, i)
				break
			}
			if moved {
				w.v[j1] = price
			}
			w.x[i], w.y[j1] = j1, i
			if loser >= 0 {
				w.x[loser] = -1
			}
			if loser >= 0 && !moved {
				w.free = append(w.free, loser)
				break
			}
			i = loser
		}
	}
}

// twoLeast returns the columns of the least and second least row_j - v_j, and
// these values. Needs two columns at least.
func twoLeast(row, v []float64) (j1, j2 int, least, second float64) {
	least, second = math.Inf(1), math.Inf(1)
	v = v[:len(row)]
	for j, c := range row {
		if h := c - v[j]; h < second {
			if h < least {
				j2, second = j1, least
				j1, least = j, h
			} else {
				j2, second = j, h
			}
		}
	}
	return j1, j2, least, second
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
			mu = dist[cols[up]]
			for k := up; k < n; k++ {
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
	for j := end; j >= 0; { // exchange matched and free edges along the path
		i := pred[j]
		w.y[j] = i
		w.x[i], j = j, w.x[i]
	}
}
