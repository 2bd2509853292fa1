package assign

import (
	"math"
	"math/rand/v2"
	"slices"
)

// A matrix is the [source] of a problem given by its costs.
type matrix struct {
	n    int
	cost []float64
	v    []float64 // prices of the columns
}

func (m *matrix) row(i int) []float64 { return m.cost[i*m.n : (i+1)*m.n] }

func (m *matrix) price(i, j int) float64 { return m.cost[i*m.n+j] }

func (m *matrix) within(list []edge, i int, limit float64) []edge {
	v := m.v[:m.n]
	for j, c := range m.row(i)[:len(v)] {
		if c-v[j] < limit {
			list = append(list, edge{j, c})
		}
	}
	return list
}

func (m *matrix) nearest(list []edge, i int, limit float64) {
	insertBelow(list, m.row(i), m.v, 0, limit)
}

func (m *matrix) fit() {}

// shrink is the ratio of a problem to its coarse one.
const shrink = 4

// coarsePrices estimates the column prices from a random subproblem of n/shrink
// rows and columns: v_j = min_i c_ij - u_i over its rows, which extends its
// optimal prices to all columns. Any prices lead to the optimum in the end; these
// leave little to do, as columns that are alike have like prices.
func (w *Workspace) coarsePrices(all *matrix) {
	n, m := w.n, w.n/shrink
	// A fixed generator: what it draws decides the speed, not the optimum.
	rng := rand.New(rand.NewPCG(uint64(n), 0x61737369676e))
	rows, cols := rng.Perm(n)[:m], rng.Perm(n)[:m]
	slices.Sort(rows)
	slices.Sort(cols)
	sub := w.coarse()
	sub.cost = grow(sub.cost, m*m)
	scale := 0.0
	for r, i := range rows {
		row := all.row(i)
		for s, j := range cols {
			sub.cost[r*m+s] = row[j]
			scale = max(scale, math.Abs(row[j]))
		}
	}
	sub.solveMatrix(sub.cost, m, scale)
	w.extendPrices(sub.u[:m], rows, all)
}

// coarse returns the workspace of the coarse problem.
func (w *Workspace) coarse() *Workspace {
	if w.next == nil {
		w.next = new(Workspace)
	}
	return w.next
}

// extendPrices sets v_j to the minimum over the given rows of c_ij - u_i.
func (w *Workspace) extendPrices(u []float64, rows []int, all *matrix) {
	const grain = 256
	Parallel(w.n, grain, func(lo, hi int) {
		v := w.v[lo:hi]
		for j := range v {
			v[j] = math.Inf(1)
		}
		for r, i := range rows {
			for j, c := range all.row(i)[lo:hi][:len(v)] {
				if h := c - u[r]; h < v[j] {
					v[j] = h
				}
			}
		}
	})
}
