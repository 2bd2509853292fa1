package assign

import (
	"math"
	"slices"
)

// carried says that row gives a share of the mass to col.
type carried struct {
	row, col int
	share    float64
}

// A proof looks for prices u, v of rows and columns that show a plan to be optimal:
//
//	u_i + v_j <= c_ij for all i, j, with equality where mass is carried.
//
// Each may miss by ownShare of c_ij, its rounding. Beside outliers that is what can be asked:
// their costs round off what the others cost.
type proof struct {
	u, v  []float64
	pairs []carried
	costs func(c []float64, first, j int) // fills in c_ij of rows from the first on

	give, take [][]carried // the pairs of each row, and of each column
	cost       []float64
}

// gap mends the prices, where u is the most that the columns but those outside allow, and
// returns by how much the plan may cost more than the best. Prices of columns outside are a first
// guess where known is set, and else say nothing.
//
// A column costs what its rows pay for it; rows for which that is too much get cheaper, which
// makes their other columns dearer, and so on (Bellman and Ford). For the best plan
// this ends; another has a cycle along which it goes on for ever.
func (f *proof) gap(outside []int, known bool) float64 {
	f.sort()
	f.cost = make([]float64, len(f.u))
	if !known {
		for _, j := range outside {
			f.v[j] = math.Inf(-1)
		}
	}
	queue := slices.Clone(outside)
	for _, e := range f.pairs {
		if len(outside) > 0 && f.excess(e) > 0 && !math.IsInf(f.v[e.col], -1) {
			queue = append(queue, e.col)
		}
	}
	for budget := 32*len(queue) + 512; len(queue) > 0; budget-- {
		if budget == 0 {
			return math.Inf(1)
		}
		queue = f.serve(queue[0], queue[1:])
	}
	gap := 0.0
	for _, e := range f.pairs {
		gap += e.share * f.excess(e)
	}
	return gap
}

// excess returns by how much a pair costs more than its prices.
func (f *proof) excess(e carried) float64 {
	var c [1]float64
	f.costs(c[:], e.row, e.col)
	return max(0, c[0]-f.v[e.col]-f.u[e.row]-ownShare*c[0])
}

// serve prices column j for what its rows pay, and the rows for what it costs. It appends to queue
// the columns that this makes too cheap.
func (f *proof) serve(j int, queue []int) []int {
	f.costs(f.cost, 0, j)
	price := f.v[j]
	for _, e := range f.take[j] {
		c := f.cost[e.row]
		if h := c - f.u[e.row]; !(h <= price+ownShare*c) {
			price = h
		}
	}
	f.v[j] = price
	for i, c := range f.cost {
		if h := c - price; h < f.u[i]-ownShare*c {
			f.u[i] = h
			for _, e := range f.give[i] {
				if e.col != j && f.excess(e) > 0 {
					queue = append(queue, e.col)
				}
			}
		}
	}
	return queue
}

// sort finds the pairs of each row and of each column.
func (f *proof) sort() {
	f.give, f.take = make([][]carried, len(f.u)), make([][]carried, len(f.v))
	for _, e := range f.pairs {
		f.give[e.row] = append(f.give[e.row], e)
		f.take[e.col] = append(f.take[e.col], e)
	}
}
