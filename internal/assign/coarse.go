package assign

import (
	"math"
	"math/rand/v2"
	"slices"
)

// shrink is the ratio of a problem to its coarse one.
const shrink = 4

// coarsePrices estimates the column prices from a random subproblem of n/shrink
// rows and columns: v_j = min_i c_ij - u_i over its rows, which extends its
// optimal prices to all columns. Any prices lead to the optimum in the end; these
// leave little to do, as columns that are alike have like prices.
func (w *Workspace) coarsePrices(n int, row rowFunc) {
	m := n / shrink
	// A fixed generator: what it draws decides the speed, not the optimum.
	rng := rand.New(rand.NewPCG(uint64(n), 0x61737369676e))
	rows, cols := rng.Perm(n)[:m], rng.Perm(n)[:m]
	slices.Sort(rows)
	slices.Sort(cols)
	if w.next == nil {
		w.next = new(Workspace)
	}
	sub := w.next
	sub.cost = grow(sub.cost, m*m)
	Parallel(m, rowGrain, func(lo, hi int) {
		buf := make([]float64, n)
		for r := lo; r < hi; r++ {
			c := row(buf, rows[r])
			for s, j := range cols {
				sub.cost[r*m+s] = c[j]
			}
		}
	})
	scale := 0.0
	for _, c := range sub.cost {
		scale = max(scale, math.Abs(c))
	}
	sub.solveMatrix(sub.cost, m, scale)
	w.extendPrices(sub.u[:m], rows, row)
}

// extendPrices sets v_j to the minimum over the given rows of c_ij - u_i.
func (w *Workspace) extendPrices(u []float64, rows []int, row rowFunc) {
	const parts = 8 // any number: a minimum is the same in every order
	n, m := w.n, len(rows)
	least := make([]float64, parts*n)
	Parallel(parts, 1, func(p, _ int) {
		buf := make([]float64, n)
		v := least[p*n : (p+1)*n]
		for j := range v {
			v[j] = math.Inf(1)
		}
		for r := p * m / parts; r < (p+1)*m/parts; r++ {
			for j, c := range row(buf, rows[r])[:len(v)] {
				if h := c - u[r]; h < v[j] {
					v[j] = h
				}
			}
		}
	})
	for j := range w.v {
		w.v[j] = least[j]
		for p := 1; p < parts; p++ {
			w.v[j] = min(w.v[j], least[p*n+j])
		}
	}
}
