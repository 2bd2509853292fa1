package dataset

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/data/table"
	"flowmatch/flow"
	"flowmatch/internal/choice"
)

// ReadContexts reads contexts, in original units, from a table with columns of these names,
// among others, or from a table without names of as many columns: CSV, NPY or Parquet. An NPY array
// may have any number of axes, the first of which counts the contexts; one of a single context may
// lack it. The others must be those of g, where g has a shape; of a set (g.Marked) there may be fewer
// observations, and the rest of its numbers are 0: there is none.
func ReadContexts(path string, columns []string, g Grid) (flow.Batch, error) {
	c, err := NamedContexts(path, columns)
	if err == nil {
		return c, nil
	}
	array := files.Extension(path) == ".npy"
	all, other := table.Read(path, table.Options{Flat: true})
	switch nameless := array || other == nil && all.Columns[0] == files.Numbered(1)[0]; {
	case !nameless:
		return c, err
	case other != nil:
		return c, other
	case array:
		return g.arrayed(all, columns, path)
	case all.X.D != len(columns):
		return c, files.Malformed(path, "%d columns without names; want %d: %s", all.X.D, len(columns),
			choice.List(columns))
	}
	return all.X, nil
}

// arrayed returns the contexts of an array.
func (g Grid) arrayed(all table.Table, columns []string, path string) (flow.Batch, error) {
	rows := all.Shape // nil: of one axis
	single := append([]int{all.X.N}, rows...)
	if rows == nil && all.X.D > 1 {
		single = []int{all.X.N, all.X.D}
	}
	want := []int{len(columns)}
	if g.Shape != nil {
		want = g.Shape
	}
	switch {
	case all.X.D == len(columns) && (rows == nil || g.Shape == nil || sameAxes(rows, want)):
		return all.X, nil
	case all.X.N*all.X.D == len(columns) && (sameAxes(single, want) || len(single) == 1):
		return flow.Batch{N: 1, D: len(columns), X: all.X.X}, nil
	case g.Marked && g.Shape != nil && len(rows) == 2 && rows[1] == want[1] && rows[0] < want[0]:
		return filled(all.X, len(columns)), nil
	case g.Marked && g.Shape != nil && len(single) == 2 && single[1] == want[1] && single[0] < want[0]:
		return filled(flow.Batch{N: 1, D: len(all.X.X), X: all.X.X}, len(columns)), nil
	case g.Shape == nil:
		return flow.Batch{}, files.Malformed(path, "%d columns without names%s; want %d: %s", all.X.D, shapeOf(rows),
			len(columns), choice.List(columns))
	}
	// A set has more observations than any that was trained on.
	if n := len(single) - 1; g.Marked && (n == 1 || n == 2) && single[n] == want[1] {
		return flow.Batch{}, files.Malformed(path, "sets of %d observations; want at most %d, as in training",
			single[n-1], want[0])
	}
	is, hint := rows, ": "+otherAxes
	if rows == nil {
		is = []int{all.X.D}
	}
	if volume(is) != len(columns) {
		hint = ""
	}
	return flow.Batch{}, files.Malformed(path, "contexts of shape %v; want %v, or rows of %d numbers%s", is, want,
		len(columns), hint)
}

// filled returns rows with zeros behind them, so that each has d numbers.
func filled(x flow.Batch, d int) flow.Batch {
	out := flow.NewBatch(x.N, d)
	for i := range x.N {
		copy(out.Row(i), x.Row(i))
	}
	return out
}

// shapeOf says the shape of the rows of an array; empty for rows of one axis.
func shapeOf(rows []int) string {
	if rows == nil {
		return ""
	}
	return fmt.Sprintf(" (rows of shape %v)", rows)
}

// NamedContexts reads contexts from the columns of these names.
func NamedContexts(path string, columns []string) (flow.Batch, error) {
	t, err := table.Read(path, table.Options{Columns: columns})
	return t.X, err
}

// ContextLabels reads the classes of contexts from the column of labels of their file, as those of the
// model; nil where the model takes none, or the file has no such column.
func ContextLabels(path string, columns []string, like Like) ([]int32, error) {
	if like.Classes == 0 || like.LabelName == "" {
		return nil, nil
	}
	t, err := table.Read(path, table.Options{Columns: columns, Label: like.LabelName})
	if data.IsMissing(err, like.LabelName) {
		return nil, nil
	}
	for _, name := range columns {
		if data.IsMissing(err, name) { // a table without names, which has no labels
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return like.numbered(t.Label, t.ClassNames, path)
}

// ParseContext reads one context of these columns from text such as x1=0.3,x2=-1, in any
// order.
func ParseContext(text string, columns []string) (flow.Batch, error) {
	return ParsePoint("context", text, columns)
}

// ParsePoint is [ParseContext] of any numbers; errors call them what.
func ParsePoint(what, text string, columns []string) (flow.Batch, error) {
	c := flow.NewBatch(1, len(columns))
	seen := make([]bool, len(columns))
	for _, part := range partsOf(text) {
		name, value := part.name, part.value
		if !part.ok {
			return c, fmt.Errorf("%s is no NAME=NUMBER; the %s is %s (a name with commas or = in it stands in quotes)",
				choice.Quote(part.text), what, choice.List(columns))
		}
		if err := choice.Check(what, name, columns); err != nil {
			return c, err
		}
		k := slices.Index(columns, name)
		if seen[k] {
			return c, fmt.Errorf("%s is given twice", choice.Quote(name))
		}
		var err error
		if c.X[k], err = strconv.ParseFloat(strings.TrimSpace(value), 64); err != nil || c.X[k]-c.X[k] != 0 {
			return c, fmt.Errorf("%s is %s; it must be a finite number", choice.Quote(name), choice.Quote(value))
		}
		seen[k] = true
	}
	for k, there := range seen {
		if !there {
			return c, fmt.Errorf("%s is missing; the %s is %s", choice.Quote(columns[k]), what, choice.List(columns))
		}
	}
	return c, nil
}
