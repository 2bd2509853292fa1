package assign

// A bestFunc returns the edge of row i with the least c_ij - v_j, that value, and
// a lower bound of the value of every other edge. The edge may miss the true
// least value by slack.
type bestFunc func(i int, slack float64) (first edge, least, second float64)

// auctions runs the auction with increments from first down to last, and leaves
// in w.free the rows that are not on their cheapest column exactly. refresh, which
// may be nil, is called with the rows that bid next.
func (w *Workspace) auctions(first, last float64, best bestFunc, refresh func(rows []int, slack float64)) {
	raises := 3
	for eps := first; eps > last; {
		if !w.auction(eps, best, refresh) && raises > 0 {
			eps *= divideEps * divideEps
			raises--
			continue
		}
		eps /= divideEps
	}
	w.keepNear(0, best)
}

// keepNear lists in w.free the rows without a column, after setting those free
// whose column exceeds their cheapest by more than eps.
func (w *Workspace) keepNear(eps float64, best bestFunc) {
	w.free = w.free[:0]
	for i, j := range w.x {
		if j >= 0 {
			_, least, second := best(i, eps/2)
			if w.core.paid[i]-w.v[j] <= min(least, second)+eps {
				continue
			}
			w.x[i], w.y[j] = -1, -1
		}
		w.free = append(w.free, i)
	}
}

// auction matches all rows such that each is within eps of its cheapest column:
// rows in turn take their cheapest column and lower its price until it is eps
// dearer than their second choice. It reports false, and leaves rows free, where
// that takes more than bidsPerRow: then rows that compete for too few columns are
// far, in units of eps, from the next choice.
func (w *Workspace) auction(eps float64, best bestFunc, refresh func(rows []int, slack float64)) bool {
	w.keepNear(eps, best)
	turn, next := append(w.core.turn[:0], w.free...), w.free[:0]
	for limit := bidsPerRow * w.n; len(turn) > 0; {
		if limit -= len(turn); limit < 0 {
			return false
		}
		if refresh != nil {
			refresh(turn, eps/2)
		}
		for _, i := range turn {
			e, least, second := best(i, eps/2)
			j := e.col
			w.v[j] -= second - least + eps // eps/2 at least
			if k := w.y[j]; k >= 0 {
				w.x[k] = -1
				next = append(next, k)
			}
			w.x[i], w.y[j], w.core.paid[i] = j, i, e.cost
		}
		turn, next = next, turn[:0]
	}
	return true
}
