package assign

import (
	"math"
	"slices"
)

// A proof looks for prices u, v of rows and columns that show pairs to be optimal:
//
//	u_i + v_j <= c_ij for all i, j, with equality for the pairs.
//
// Each may miss by ownShare of c_ij, its rounding. Beside outliers that is what can be asked:
// their costs round off what the others cost.
type proof struct {
	u, v  []float64
	to    []int                           // the column of each row
	costs func(c []float64, first, j int) // fills in c_ij of rows from the first on

	from []int // the row of each column
	cost []float64
}

// gap mends the prices, where u is the most that the columns but those outside allow, and
// returns by how much the pairs may cost more than the best. Prices of columns outside are a first
// guess where known is set, and else say nothing.
//
// A column costs what its row pays for it; rows for which that is too much get cheaper, which
// makes their own columns dearer, and so on (Bellman and Ford). For the best pairs
// this ends; others have a cycle along which it goes on for ever.
func (f *proof) gap(outside []int, known bool) float64 {
	f.from, f.cost = make([]int, len(f.v)), make([]float64, len(f.u))
	for i, j := range f.to {
		f.from[j] = i
	}
	if !known {
		for _, j := range outside {
			f.v[j] = math.Inf(-1)
		}
	}
	queue := slices.Clone(outside)
	for i, j := range f.to {
		if len(outside) > 0 && f.excess(i) > 0 && !math.IsInf(f.v[j], -1) {
			queue = append(queue, j)
		}
	}
	for budget := 32*len(queue) + 512; len(queue) > 0; budget-- {
		if budget == 0 {
			return math.Inf(1)
		}
		queue = f.serve(queue[0], queue[1:])
	}
	gap := 0.0
	for i := range f.to {
		gap += f.excess(i)
	}
	return gap
}

// excess returns by how much the pair of a row costs more than its prices.
func (f *proof) excess(row int) float64 {
	var c [1]float64
	col := f.to[row]
	f.costs(c[:], row, col)
	return max(0, c[0]-f.v[col]-f.u[row]-ownShare*c[0])
}

// serve prices column j for what its row pays, and the rows for what it costs. It appends to queue
// the columns that this makes too cheap.
func (f *proof) serve(j int, queue []int) []int {
	f.costs(f.cost, 0, j)
	price, own := f.v[j], f.cost[f.from[j]]
	if h := own - f.u[f.from[j]]; !(h <= price+ownShare*own) {
		price = h
	}
	f.v[j] = price
	for i, c := range f.cost {
		if h := c - price; h < f.u[i]-ownShare*c {
			f.u[i] = h
			if f.to[i] != j && f.excess(i) > 0 {
				queue = append(queue, f.to[i])
			}
		}
	}
	return queue
}
