package table

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"flowmatch/data/internal/files"
	"flowmatch/flow"
)

// assembly makes a table of rows that come in pieces: what it knows of them but for their numbers.
type assembly struct {
	source
	read         int // rows of the file so far
	rows         int // of the table
	left         []int
	gap          string // where the first row that was left out has its gap
	large, first []int  // of each column: numbers of 2^53 or more, and the row of the first
	falls        []bool // of each column: whether it does not rise in every row, or has a number that is not whole
	last         []float64
	label        []int32
}

func (in source) begin() *assembly {
	d := len(in.chosen)
	return &assembly{source: in, large: make([]int, d), first: make([]int, d), falls: make([]bool, d),
		last: make([]float64, d)}
}

// add takes the row-major values of the next rows of the file, of the columns chosen, and returns those
// that the table has, in the same room.
func (a *assembly) add(x []float64) ([]float64, error) {
	d := len(a.chosen)
	x = a.drop(x)
	for i, v := range x {
		row, k := a.rows+i/d, i%d
		if math.IsNaN(v) || math.IsInf(v, 0) {
			at := fmt.Sprintf("%s, %s", a.at(row), column(a.names[a.chosen[k]]))
			return nil, gap(a.path, at, fmt.Sprintf("%g is not finite", v))
		}
		if math.Abs(v) >= wholeLimit {
			if a.large[k]++; a.large[k] == 1 {
				a.first[k] = row
			}
		}
		if !a.falls[k] {
			a.falls[k] = v != math.Trunc(v) || row > 0 && v <= a.last[k]
			a.last[k] = v
		}
	}
	if a.opts.Label != "" {
		if err := a.addLabels(x); err != nil {
			return nil, err
		}
	}
	a.rows += len(x) / d
	return x, nil
}

// at says where row i of the table is in the file.
func (a *assembly) at(i int) string { return a.where(original(a.left, i)) }

// original returns the number in a file of row i of those that are not left out.
func original(left []int, i int) int {
	return i + sort.Search(len(left), func(k int) bool { return left[k]-k > i })
}

// drop takes rows without a number that is not finite out of x, where that is asked for.
func (a *assembly) drop(x []float64) []float64 {
	d := len(a.chosen)
	n := len(x) / d
	defer func() { a.read += n }()
	if !a.opts.DropMissing {
		return x
	}
	kept := x[:0]
	for i := range n {
		row := x[i*d : (i+1)*d]
		gap := slices.IndexFunc(row, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
		if gap < 0 {
			kept = append(kept, row...)
			continue
		}
		if a.gap == "" {
			a.gap = fmt.Sprintf("%s, %s", a.where(a.read+i), column(a.names[a.chosen[gap]]))
		}
		a.left = append(a.left, a.read+i)
	}
	return kept
}

// split returns how many of the columns chosen are to be learnt, and how many are those of the context.
func (in source) split() (dim, context int) {
	dim, context = len(in.chosen), len(in.opts.Context)
	if in.opts.Label != "" {
		dim--
	}
	return dim - context, context
}

// end returns the table without its numbers.
func (a *assembly) end() (Table, error) {
	if a.read == 0 {
		return Table{}, files.Malformed(a.path, "no rows of data")
	}
	t := Table{Header: a.header, Read: a.read, Left: a.left, Where: a.where}
	if len(a.left) > 0 {
		if a.rows == 0 {
			return Table{}, files.Malformed(a.path, "every one of its %d rows has a number that is missing or not "+
				"finite, the first in %s: nothing is left", a.read, a.gap)
		}
		t.note("%d of %d rows are left out, since a number is missing or not finite in them: the first in %s",
			len(a.left), a.read, a.gap)
		where, left := a.where, a.left
		t.Where = func(row int) string { return where(original(left, row)) }
	}
	for k, c := range a.chosen {
		t.Columns = append(t.Columns, a.names[c])
		if a.large[k] > 0 && a.whole != nil && a.whole[k] {
			t.note("%s: %d whole numbers of 2^53 or more, the first of them in %s, are read as floats, which do not "+
				"tell all of these apart: leave the column out with the columns option, or take a constant off it",
				column(a.names[c]), a.large[k], a.at(a.first[k]))
		}
	}
	dim, context := a.split()
	t.Columns, t.ContextColumns = t.Columns[:dim:dim], t.Columns[dim:dim+context:dim+context]
	if context == 0 {
		t.ContextColumns = nil
	}
	for k, name := range t.Columns {
		if !a.falls[k] && a.rows >= countedRows {
			t.note("%s is a whole number that rises in every row: if it is an index, leave it out with the columns "+
				"option", column(name))
		}
	}
	t.X, t.Context = flow.Batch{N: a.rows, D: dim}, flow.Batch{}
	if context > 0 {
		t.Context = flow.Batch{N: a.rows, D: context}
	}
	if a.opts.Label == "" {
		return t, nil
	}
	var err error
	t.Label, t.ClassNames, err = a.classes()
	return t, err
}

// countedRows is from how many rows on a column that counts them, of which some may have been left out, is
// no accident: it is an index.
const countedRows = 20

// assemble makes a table of the row-major values of the columns chosen. It keeps x.
func (in source) assemble(x []float64) (Table, error) {
	a := in.begin()
	x, err := a.add(x)
	if err != nil {
		return Table{}, err
	}
	t, err := a.end()
	if err != nil {
		return Table{}, err
	}
	d := len(in.chosen)
	if t.X.D == d {
		t.X.X = x
		return t, nil
	}
	t.X = flow.NewBatch(t.X.N, t.X.D)
	if t.Context.D > 0 {
		t.Context = flow.NewBatch(t.X.N, t.Context.D)
	}
	for i := range t.X.N {
		row := x[i*d : (i+1)*d]
		copy(t.X.Row(i), row)
		if t.Context.D > 0 {
			copy(t.Context.Row(i), row[t.X.D:])
		}
	}
	return t, nil
}
