package metrics

import (
	"cmp"
	"context"
	"math"
	"slices"

	"flowmatch/flow"
	"flowmatch/internal/assign"
)

// Associations returns how much the columns of a table have to do with each other, [C, C]: of two
// columns of numbers Spearman's correlation of ranks, from -1 to 1; of levels and numbers the
// correlation ratio of ranks, and of levels Cramér's V, both from 0 to 1. Ranks do not
// depend on the scale of a column, nor on how far its outliers are.
//
// The correlation ratio and V are corrected for what chance gives to few rows of many levels: ε² =
// 1 - (1 - η²)(n-1)/(n-k) (Kelley 1935), and Bergsma (2013). What comes out below 0 is 0.
//
// Rows in which one of both is missing are left out. NaN: too few are left, or one of both is
// constant in them. When ctx ends, its error is returned.
func Associations(ctx context.Context, t Table) (flow.Batch, error) {
	if err := t.check("Associations", "the table"); err != nil {
		return flow.Batch{}, err
	}
	c := t.X.D
	out := flow.NewBatch(c, c)
	whole := make([][]float64, c) // ranks of columns without missing values, which all of their pairs share
	for k := 0; k < c && ctx.Err() == nil; k++ {
		if v := t.present(k); len(v) == t.X.N && t.Levels[k] == 0 {
			whole[k] = ranks(v)
		}
	}
	assign.Parallel(c, 1, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			out.Row(i)[i] = 1
			for j := 0; j < i && ctx.Err() == nil; j++ {
				out.Row(i)[j] = t.association(i, j, whole)
			}
		}
	})
	for i := range c {
		for j := range i {
			out.Row(j)[i] = out.Row(i)[j]
		}
	}
	return out, ctx.Err()
}

// AssociationError returns the mean of |a - b| over the pairs of different columns, of associations
// [C, C] of which both are numbers, and the pair where it is largest. NaN: there is no such pair.
func AssociationError(a, b flow.Batch) (mean float64, i, j int) {
	n, worst := 0, -1.0
	for r := range a.N {
		for k := range r {
			d := math.Abs(a.Row(r)[k] - b.Row(r)[k])
			if math.IsNaN(d) {
				continue
			}
			if mean, n = mean+d, n+1; d > worst {
				worst, i, j = d, k, r
			}
		}
	}
	return mean / float64(n), i, j
}

// association returns that of columns i and j; whole are the ranks of those that are known.
func (t Table) association(i, j int, whole [][]float64) float64 {
	if whole[i] != nil && whole[j] != nil {
		return pearson(whole[i], whole[j])
	}
	var a, b []float64
	for row := range t.X.N {
		if x, y := t.X.Row(row)[i], t.X.Row(row)[j]; !math.IsNaN(x) && !math.IsNaN(y) {
			a, b = append(a, x), append(b, y)
		}
	}
	switch first, second := t.Levels[i], t.Levels[j]; {
	case first > 0 && second > 0:
		return cramer(a, b, first, second)
	case first > 0:
		return ratio(a, ranks(b), first)
	case second > 0:
		return ratio(b, ranks(a), second)
	}
	return pearson(ranks(a), ranks(b))
}

// ranks returns the rank of each value, from 0 on, and of equal ones their mean.
func ranks(v []float64) []float64 {
	order := make([]int, len(v))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(v[a], v[b]) })
	r := make([]float64, len(v))
	for lo := 0; lo < len(v); {
		hi := lo + 1
		for hi < len(v) && v[order[hi]] == v[order[lo]] {
			hi++
		}
		for _, i := range order[lo:hi] {
			r[i] = float64(lo+hi-1) / 2
		}
		lo = hi
	}
	return r
}

// pearson returns the correlation of a and b, whose mean is that of ranks.
func pearson(a, b []float64) float64 {
	var ab, aa, bb float64
	mean := float64(len(a)-1) / 2
	for i := range a {
		x, y := a[i]-mean, b[i]-mean
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	if !(aa > 0 && bb > 0) {
		return math.NaN()
	}
	return ab / math.Sqrt(aa*bb)
}

// ratio returns ε of ranks by levels.
func ratio(level, rank []float64, levels int) float64 {
	n, mean := float64(len(rank)), float64(len(rank)-1)/2
	count, sum := make([]float64, levels), make([]float64, levels)
	total, between, groups := 0.0, 0.0, 0.0
	for i, r := range rank {
		count[int(level[i])]++
		sum[int(level[i])] += r - mean
		total += (r - mean) * (r - mean)
	}
	for k := range count {
		if count[k] > 0 {
			between += sum[k] * sum[k] / count[k]
			groups++
		}
	}
	if !(total > 0 && groups > 1 && n > groups) {
		return math.NaN()
	}
	return math.Sqrt(max(0, 1-(1-between/total)*(n-1)/(n-groups)))
}

// cramer returns V of two columns of levels.
func cramer(a, b []float64, first, second int) float64 {
	n := float64(len(a))
	table := flow.NewBatch(first, second)
	rows, columns := make([]float64, first), make([]float64, second)
	for i := range a {
		table.Row(int(a[i]))[int(b[i])]++
		rows[int(a[i])]++
		columns[int(b[i])]++
	}
	phi, r, c := 0.0, 0.0, 0.0
	for i, p := range rows {
		if p > 0 {
			r++
		}
		for j, q := range columns {
			if p*q > 0 {
				expected := p * q / n
				phi += (table.Row(i)[j] - expected) * (table.Row(i)[j] - expected) / expected / n
			}
		}
	}
	for _, q := range columns {
		if q > 0 {
			c++
		}
	}
	if r < 2 || c < 2 {
		return math.NaN()
	}
	phi = max(0, phi-(r-1)*(c-1)/(n-1))
	least := min(r-(r-1)*(r-1)/(n-1), c-(c-1)*(c-1)/(n-1)) - 1
	if !(least > 0) {
		return math.NaN()
	}
	return math.Sqrt(min(1, phi/least))
}
