package dataset

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"flowmatch/data/internal/files"
	"flowmatch/data/schema"
	"flowmatch/data/table"
	"flowmatch/flow"
	"flowmatch/internal/choice"
)

// Some are rows of a table of which anything may be missing: values, and whole columns.
type Some struct {
	table.Cells
	X flow.Batch // [N, C] in data units, of the columns that are learnt; NaN: not known
	// Odd are the numbers that no row of the data could have, with their places: see
	// [schema.Schema.ParseSome].
	Odd []string
}

// ReadSome reads the rows of a file as a schema has them, with the settings of c where it is the file of
// these.
func (c Config) ReadSome(path string, s *schema.Schema) (Some, error) {
	if !table.Known(path) {
		return Some{}, files.Malformed(path, "is no table; want one with columns of the training data")
	}
	opts := table.Options{Header: c.Header}
	if c.Path != path {
		opts.Header = nil // that of another file
	} else if delimiter, err := c.delimiter(); err != nil {
		return Some{}, err
	} else {
		opts.Delimiter = delimiter
	}
	cells, err := table.ReadCells(path, opts)
	if err != nil {
		return Some{}, err
	}
	if err := cells.CheckRead(schema.Options{Columns: s.Names()}); err != nil {
		return Some{}, err
	}
	x, faults, odd := s.ParseSome(cells.Cells)
	return Some{Cells: cells, X: x, Odd: table.Tell(odd, cells.Where)}, table.Faults(path, faults, cells.Where)
}

// SomeOf returns rows as JSON has them, each with values by the names of columns: see
// [schema.Schema.ParseValues]. A column that a row lacks is not known there.
func SomeOf(rows []map[string]any, s *schema.Schema) (Some, error) {
	var some Some
	for _, c := range s.Columns { // in the order of the table, and others behind
		if slices.ContainsFunc(rows, func(row map[string]any) bool { _, has := row[c.Name]; return has }) {
			some.Names = append(some.Names, c.Name)
		}
	}
	for _, row := range rows {
		for _, name := range slices.Sorted(maps.Keys(row)) {
			if !slices.Contains(some.Names, name) {
				some.Names = append(some.Names, name)
			}
		}
	}
	for _, name := range some.Names {
		var t schema.Texts
		for _, row := range rows {
			text := ""
			if v := row[name]; v != nil {
				text = fmt.Sprint(v)
			}
			t.Add(text)
		}
		some.Columns = append(some.Columns, t)
	}
	some.Cells.Rows = len(rows)
	x, faults, odd := s.ParseValues(rows)
	if some.X, some.Odd = x, table.Tell(odd, rowNumber); len(faults) > 0 {
		return some, toldOf(faults)
	}
	return some, nil
}

// PointsOf returns whole rows as JSON has them as points [N, D] in data units, whose density is asked for: see
// [schema.Schema.ParseWhole], [schema.Schema.OffGrid] and [schema.Schema.PointsByRow], which rng drives.
func PointsOf(rows []map[string]any, s *schema.Schema, rng *rand.Rand) (flow.Batch, error) {
	x, faults := s.ParseWhole(rows)
	if len(faults) == 0 {
		faults = s.OffGrid(x)
	}
	if len(faults) > 0 {
		return flow.Batch{}, toldOf(faults)
	}
	points := flow.NewBatch(x.N, s.Dim())
	s.PointsByRow(points, x, rng)
	return points, nil
}

// toldOf is the error of faults of rows that are in no file.
func toldOf(faults []schema.Fault) error {
	return errors.New(strings.Join(table.Tell(faults, rowNumber), "; "))
}

func rowNumber(row int) string { return fmt.Sprintf("row %d", row+1) }

// ParseSome reads one row from text such as "species=Adelie,mass=3500". A comma belongs to a value
// where no NAME= follows, and names and values may be quoted, as "a, b"="c=d". What
// [schema.Schema.CheckNames] reports is an error, and so is an odd number.
func ParseSome(text string, s *schema.Schema) (Some, error) {
	names, values, err := SplitNamed(text, s.Names())
	if err != nil {
		return Some{}, err
	}
	cells := schema.Cells{Names: names, Rows: 1}
	for _, value := range values {
		var t schema.Texts
		t.Add(value)
		cells.Columns = append(cells.Columns, t)
	}
	x, faults, odd := s.ParseSome(cells)
	var wrong []error
	for _, f := range slices.Concat(faults, odd) {
		wrong = append(wrong, fmt.Errorf("%s: %s", choice.Quote(f.Column), f.Problem))
	}
	p := Some{Cells: table.Cells{Cells: cells}, X: x}
	for k, name := range s.Names() {
		if slices.Contains(cells.Names, name) && math.IsNaN(x.X[k]) && wrong == nil {
			wrong = append(wrong, fmt.Errorf("%s has no value: leave it out", choice.Quote(name)))
		}
	}
	return p, errors.Join(append(wrong, s.CheckNames(cells.Names))...)
}

// SplitNamed splits text such as "species=Adelie,mass=3500" into names and values. A comma belongs to a
// value where no NAME= follows, and names and values may be quoted, as "a, b"="c=d". columns are those
// that an error names.
func SplitNamed(text string, columns []string) (names, values []string, err error) {
	for _, part := range partsOf(text) {
		switch {
		case part.ok && slices.Contains(names, part.name):
			return nil, nil, fmt.Errorf("%s is given twice", choice.Quote(part.name))
		case part.ok:
			names, values = append(names, part.name), append(values, strings.TrimSpace(part.value))
		case values == nil:
			return nil, nil, fmt.Errorf("%s is no NAME=VALUE; the columns are %s (a name or a value with commas or = "+
				"in it stands in quotes)", choice.Quote(part.text), choice.List(columns))
		default:
			values[len(values)-1] = strings.TrimSpace(values[len(values)-1] + "," + part.text)
		}
	}
	return names, values, nil
}
