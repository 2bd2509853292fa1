package eval

import (
	"flowmatch/data/schema"
	"flowmatch/flow"
	"flowmatch/metrics"
)

// Column is a column of the rows that the parts of tables compare.
type Column struct {
	Name string
	// Levels are the names of its levels, whose places the values are; nil: the values are numbers.
	Levels []string
	// Ordered says that the levels have an order, and are compared as numbers.
	Ordered bool
	// Axis, of dates, returns one as a number to draw, and its unit; nil of others.
	Axis func(v float64) (at float64, unit string)
}

// Rows are rows of a table as its file has them: numbers in their own units, whole where they are whole,
// the places of levels, and NaN for what is missing.
type Rows struct {
	Columns []Column
	X       flow.Batch // [N, len(Columns)]
}

// table returns the rows as metrics take them.
func (r Rows) table() metrics.Table {
	t := metrics.Table{X: r.X}
	for _, c := range r.Columns {
		n := len(c.Levels)
		if c.Ordered {
			n = 0
		}
		t.Levels = append(t.Levels, n)
	}
	return t
}

// part returns rows lo to hi.
func (r Rows) part(lo, hi int) Rows { return Rows{r.Columns, r.X.Slice(lo, hi)} }

// names returns the names of the columns.
func (r Rows) names() (names []string) {
	for _, c := range r.Columns {
		names = append(names, c.Name)
	}
	return names
}

// columnsOf returns the columns that a schema learns.
func columnsOf(s *schema.Schema) (columns []Column) {
	for _, k := range s.Learnt() {
		c := s.Columns[k]
		col := Column{Name: c.Name, Levels: c.Levels, Ordered: c.Kind == schema.Ordered}
		if c.Kind == schema.Date {
			col.Axis = c.Axis
		}
		columns = append(columns, col)
	}
	return columns
}

// NewRows returns rows x [N, C] of a table in data units, as [schema.Schema.Parse] makes them, with C the columns
// that its schema learns. It shares memory with x.
func NewRows(s *schema.Schema, x flow.Batch) Rows { return Rows{columnsOf(s), x} }

// Tables are rows to compare, whoever made the samples: the parts of tables without a model. Each method says which
// of them it reads. Rows must be of the same columns; they may differ in number, except that where two sets are
// compared by a classifier as many of the first are taken of each.
type Tables struct {
	Data     Rows // those that samples are to be like, in a random order
	Samples  Rows
	Training Rows // those that the samples were learnt from
	Held     Rows // those that they were not
}
