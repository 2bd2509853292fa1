package metrics

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"flowmatch/flow"
	"flowmatch/internal/assign"
)

// Table is the rows of a table, whose columns are numbers or levels.
type Table struct {
	X flow.Batch // [N, C]; NaN is a missing value
	// Levels is how many levels each column has, whose values are their places, from 0 on; 0: its values
	// are numbers.
	Levels []int
}

// level returns the level of a value of column k, one more for what is missing.
func (t Table) level(k int, v float64) int {
	if math.IsNaN(v) {
		return t.Levels[k]
	}
	return int(v)
}

// present returns the values of column k that are not missing.
func (t Table) present(k int) (v []float64) {
	for i := range t.X.N {
		if x := t.X.Row(i)[k]; !math.IsNaN(x) {
			v = append(v, x)
		}
	}
	return v
}

// check reports a table that is none.
func (t Table) check(name, which string) error {
	if err := whole(name, which, t.X); err != nil {
		return err
	}
	if t.X.N < 1 || t.X.D < 1 || len(t.Levels) != t.X.D {
		return fmt.Errorf("metrics: %s: %s has %d rows of %d columns, and levels of %d: %w", name, which, t.X.N, t.X.D,
			len(t.Levels), ErrSize)
	}
	for i, v := range t.X.X {
		row, k := i/t.X.D, i%t.X.D
		if n := t.Levels[k]; math.IsInf(v, 0) || n > 0 && !math.IsNaN(v) && (v != math.Trunc(v) || v < 0 ||
			v >= float64(n)) {
			return fmt.Errorf("metrics: %s: row %d of %s has %g in column %d of %d levels", name, row, which, v, k, n)
		}
	}
	return nil
}

// fitTables reports tables that name cannot compare.
func fitTables(name string, a, b Table) error {
	if err := cmp.Or(a.check(name, "the reference"), b.check(name, "the other table")); err != nil {
		return err
	}
	if !slices.Equal(a.Levels, b.Levels) {
		return fmt.Errorf("metrics: %s of tables with columns of %v and %v levels: %w: they must be alike", name,
			a.Levels, b.Levels, ErrSize)
	}
	return nil
}

// Marginal compares one column of two tables.
type Marginal struct {
	// W1 is, of numbers, the 1-Wasserstein distance of the values that are there, in standard deviations
	// of those of the reference (in their own unit where all of these are one); NaN: of levels, or of
	// no values.
	W1 float64
	// TV is, of levels, the total variation distance 1/2 Σ |p - q|, where what is missing is a level,
	// too; NaN: of numbers.
	TV float64
	// ReferenceMissing and Missing are the shares of values that are missing.
	ReferenceMissing, Missing float64
}

// Marginals compares each column of x with that of a reference.
func Marginals(reference, x Table) ([]Marginal, error) {
	if err := fitTables("Marginals", reference, x); err != nil {
		return nil, err
	}
	out := make([]Marginal, reference.X.D)
	for k, levels := range reference.Levels {
		a, b := reference.present(k), x.present(k)
		out[k] = Marginal{W1: math.NaN(), TV: math.NaN(), ReferenceMissing: 1 - float64(len(a))/float64(reference.X.N),
			Missing: 1 - float64(len(b))/float64(x.X.N)}
		if levels > 0 {
			out[k].TV = totalVariation(reference.Shares(k), x.Shares(k))
		} else if len(a) > 0 && len(b) > 0 {
			unit := deviation(a)
			if !(unit > 0) {
				unit = 1
			}
			slices.Sort(a)
			slices.Sort(b)
			out[k].W1 = lineCost(a, b, assign.Distance) / unit
		}
	}
	return out, nil
}

// Shares returns the share of each level of column k, and at the end of what is missing.
func (t Table) Shares(k int) []float64 {
	p := make([]float64, t.Levels[k]+1)
	for i := range t.X.N {
		p[t.level(k, t.X.Row(i)[k])]++
	}
	for l := range p {
		p[l] /= float64(t.X.N)
	}
	return p
}

func totalVariation(p, q []float64) float64 {
	sum := 0.0
	for i := range p {
		sum += math.Abs(p[i]-q[i]) / 2
	}
	return sum
}

// deviation returns the standard deviation of v.
func deviation(v []float64) float64 {
	mean, square := 0.0, 0.0
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		square += (x - mean) * (x - mean) / float64(len(v))
	}
	return math.Sqrt(square)
}

// Pattern is which columns are missing together in a row.
type Pattern struct {
	Columns []int // those that are missing; none: the row is whole
	// Reference and Other are the shares of the rows that are so.
	Reference, Other float64
}

// Patterns returns the patterns of missing values of both tables, the most frequent of the reference
// first, and the total variation distance of their shares.
func Patterns(reference, x Table) ([]Pattern, float64, error) {
	if err := fitTables("Patterns", reference, x); err != nil {
		return nil, 0, err
	}
	at := map[string]*Pattern{}
	for second, t := range []Table{reference, x} {
		for i := range t.X.N {
			var key strings.Builder
			var columns []int
			for k, v := range t.X.Row(i) {
				if math.IsNaN(v) {
					columns = append(columns, k)
					fmt.Fprint(&key, k, " ")
				}
			}
			p := at[key.String()]
			if p == nil {
				p = &Pattern{Columns: columns}
				at[key.String()] = p
			}
			if second == 0 {
				p.Reference++
			} else {
				p.Other++
			}
		}
	}
	var out []Pattern
	tv := 0.0
	for _, p := range at {
		p.Reference, p.Other = p.Reference/float64(reference.X.N), p.Other/float64(x.X.N)
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b Pattern) int {
		return cmp.Or(-cmp.Compare(a.Reference, b.Reference), -cmp.Compare(a.Other, b.Other),
			slices.Compare(a.Columns, b.Columns))
	})
	for _, p := range out { // in an order that is always the same
		tv += math.Abs(p.Reference-p.Other) / 2
	}
	return out, tv, nil
}
