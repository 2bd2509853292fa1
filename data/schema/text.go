package schema

import (
	"fmt"
	"math"
	"slices"

	"flowmatch/flow"
	"flowmatch/internal/choice"
)

// Parse returns the rows of a table in data units, [N, C], by the names of its columns. Columns
// of the table that the schema does not learn are passed over; one that it does and that is not there is
// an error. Faults are the cells that are none of their column's; with any, x is not to be used.
func (s *Schema) Parse(cells Cells) (x flow.Batch, faults []Fault, err error) {
	if err := s.in(cells); err != nil {
		return x, nil, err
	}
	x, faults = s.parse(cells, Column.value)
	return x, faults, nil
}

// ParseAny is Parse of rows that anything may have made, by the columns alone. Impossible are the cells that no row
// of the data could have: a text that is none of its column's, which is then NaN, and a number out of their range or
// off their grid, which stays as it is.
func (s *Schema) ParseAny(cells Cells) (x flow.Batch, impossible []Fault, err error) {
	if err := s.in(cells); err != nil {
		return x, nil, err
	}
	x, impossible = s.parse(cells, func(c Column, text string) (float64, string) {
		v, problem := c.read(text)
		if problem != "" {
			return math.NaN(), problem
		}
		return v, c.odd(v)
	})
	return x, impossible, nil
}

// in reports a column that the schema learns and a table does not have.
func (s *Schema) in(cells Cells) error {
	for _, name := range s.Names() {
		if !slices.Contains(cells.Names, name) {
			return &MissingError{Column: name, Columns: cells.Names}
		}
	}
	return nil
}

// ParseSome is Parse of a table of which anything may be missing: a column, or a value of any column, is
// then NaN. Odd are the numbers that no row of the data could have, out of their range or off their grid;
// one that is out of range is brought to its end.
func (s *Schema) ParseSome(cells Cells) (x flow.Batch, faults, odd []Fault) {
	within, oddly := someOf(Column.read)
	x, faults = s.parse(cells, within)
	_, odd = s.parse(cells, oddly)
	return x, faults, odd
}

// someOf returns two ways to read what read reads, of rows of which any value may be missing: one brings
// numbers into the range of their column, and the other reports what is odd about those that are no fault.
func someOf[T any](read func(Column, T) (float64, string)) (within, oddly func(Column, T) (float64, string)) {
	some := func(c Column, is T) (float64, string) {
		c.Missing = max(c.Missing, 1)
		return read(c, is)
	}
	within = func(c Column, is T) (float64, string) {
		v, problem := some(c, is)
		if c.Kind.number() {
			v = min(max(v, c.Lo), c.Hi)
		}
		return v, problem
	}
	oddly = func(c Column, is T) (float64, string) {
		v, problem := some(c, is)
		if problem != "" {
			return v, "" // which is a fault
		}
		return v, c.odd(v)
	}
	return within, oddly
}

// parse returns the rows of a table, and what value finds wrong with its cells.
func (s *Schema) parse(cells Cells, value func(c Column, text string) (float64, string)) (flow.Batch, []Fault) {
	var faults []Fault
	learnt := s.Learnt()
	x := flow.NewBatch(cells.Rows, len(learnt))
	for k, j := range learnt {
		c := s.Columns[j]
		at := slices.Index(cells.Names, c.Name)
		if at < 0 {
			for i := range x.N {
				x.Row(i)[k] = math.NaN()
			}
			continue
		}
		values, bad := c.parse(cells.Columns[at], value)
		faults = append(faults, bad...)
		for i, v := range cells.Columns[at].Index {
			x.Row(i)[k] = values[v]
		}
	}
	slices.SortStableFunc(faults, func(a, b Fault) int { return a.Row - b.Row })
	return x, faults
}

// MissingError is that of a table without a column that is learnt.
type MissingError struct {
	Column  string
	Columns []string // of the table
}

// Error names the columns that there are.
func (e *MissingError) Error() string {
	return fmt.Sprintf("no column %s; the columns are %s", choice.Quote(e.Column), choice.List(e.Columns))
}

// parse returns the values of the distinct texts of a column.
func (c Column) parse(t Texts, value func(c Column, text string) (float64, string)) (values []float64, faults []Fault) {
	counts, first := t.counts(), t.first()
	values = make([]float64, len(t.Values))
	for k, text := range t.Values {
		v, problem := value(c, text)
		if values[k] = v; problem != "" {
			faults = append(faults, Fault{Row: first[k], Column: c.Name, Count: counts[k],
				Problem: choice.Quote(text) + " " + problem})
		}
	}
	return values, faults
}

// value returns the number that a text stands for, or what is wrong with it.
func (c Column) value(text string) (v float64, problem string) {
	if v, problem = c.read(text); problem == "" {
		problem = c.beyond(v)
	}
	return v, problem
}

// beyond says that a value is out of what the transform takes; empty: it is not.
func (c Column) beyond(v float64) string {
	if z := c.Code; z == nil || v != v || c.Kind.levels() || c.takes(v) {
		return ""
	}
	return fmt.Sprintf("is out of what the column can be, from %s to %s (transform %s)", c.write(c.Lo), c.write(c.Hi),
		c.Code.Transform)
}

// read is value whatever the transform takes.
func (c Column) read(text string) (v float64, problem string) {
	if c.Kind.levels() {
		if at := c.level(text); at >= 0 {
			return float64(at), ""
		}
	}
	if IsMissing(text) {
		if c.Missing == 0 {
			return 0, "is no value, and the column has one in every row"
		}
		return math.NaN(), ""
	}
	ok := true
	switch {
	case c.Kind.levels():
		hint := ""
		if near := choice.Nearest(text, c.Levels); near != "" && len(c.Levels) > 2 {
			hint = "; did you mean " + choice.Quote(near) + "?"
		}
		return 0, "is none of the levels, " + choice.List(c.Levels) + hint
	case c.Kind == Date:
		if v, ok = c.Format.parseDate(text); !ok {
			return 0, "is no date as the others are, such as " + c.Format.writeDate(c.Lo)
		}
	default:
		if v, _, ok = c.Format.parse(text); !ok {
			if v, _, ok = (Format{}).parse(text); !ok {
				return 0, "is no number"
			}
		}
	}
	return v, ""
}

// odd says why a number is none of the data; empty: it may be one.
func (c Column) odd(v float64) string {
	switch {
	case math.IsNaN(v) || c.Kind.levels():
		return ""
	case v < c.Lo || v > c.Hi:
		return fmt.Sprintf("is out of the range of the data, from %s to %s", c.write(c.Lo), c.write(c.Hi))
	}
	if at := c.settle(v); math.Abs(at-v) > 1e-9*max(math.Abs(v), c.Hi-c.Lo) {
		return "is between the values of the data; the nearest is " + c.write(at)
	}
	return ""
}

// level returns the place of a level; -1: it is none. Numbers are the same however they are written.
func (c Column) level(text string) int {
	if at := slices.Index(c.Levels, text); at >= 0 {
		return at
	}
	v, _, ok := Format{}.parse(text)
	return slices.IndexFunc(c.Levels, func(l string) bool {
		u, _, number := Format{}.parse(l)
		return ok && number && u == v
	})
}

// takes says whether the transform takes a value, with all of the noise of its grid.
func (c Column) takes(v float64) bool {
	lo, hi := c.cell(v)
	switch c.Code.Transform {
	case Log:
		return lo >= 0 && hi > 0
	case Log1p:
		return lo > -1
	case Logit:
		return lo >= c.Code.A && hi <= c.Code.B && v > c.Code.A && v < c.Code.B
	}
	return true
}

// write returns the text of a value that is not missing.
func (c Column) write(v float64) string {
	switch {
	case c.Kind.levels():
		return c.Levels[min(max(int(v), 0), len(c.Levels)-1)]
	case c.Kind == Date:
		return c.Format.writeDate(v)
	}
	return c.Format.write(v)
}

// Header returns the names of the columns that [Schema.Text] writes: those that are learnt and the
// constant ones, in the order of the file.
func (s *Schema) Header() (names []string) {
	for _, c := range s.Columns {
		if c.Kind != Identifier {
			names = append(names, c.Name)
		}
	}
	return names
}

// Empty says whether a column is one that no row of the data has a value in.
func (s *Schema) Empty(name string) bool {
	return slices.ContainsFunc(s.Columns, func(c Column) bool {
		return c.Name == name && c.Kind == Constant && IsMissing(c.Value)
	})
}

// Text returns a row x [C] in data units as the texts of a file, under [Schema.Header]: constants
// are put back, and what is missing is written as the data have it.
func (s *Schema) Text(x []float64) (fields []string) {
	at := 0
	for _, c := range s.Columns {
		switch {
		case c.Kind == Identifier:
		case c.Kind == Constant:
			fields = append(fields, c.Value)
		default:
			text := c.Marker
			if !math.IsNaN(x[at]) {
				text = c.write(x[at])
			}
			fields = append(fields, text)
			at++
		}
	}
	return fields
}
