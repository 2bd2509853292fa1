package schema

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"flowmatch/flow"
	"flowmatch/internal/choice"
)

// This file has rows as JSON has them, where numbers are numbers and not texts in the format of a file.

// Values returns a row x [C] in data units as JSON has it, under [Schema.Header]: numbers where the
// column is of numbers, nil for what is missing, and else the texts of [Schema.Text].
func (s *Schema) Values(x []float64) (values []any) {
	fields, at := s.Text(x), 0
	for _, c := range s.Columns {
		if c.Kind == Identifier {
			continue
		}
		var value any = fields[len(values)]
		if c.Learnt() {
			switch v := x[at]; {
			case math.IsNaN(v):
				value = nil
			case c.Kind == Real || c.Kind == Integer:
				value = v
			}
			at++
		}
		values = append(values, value)
	}
	return values
}

// ParseValues is [Schema.ParseSome] of rows as JSON has them, each by the names of columns: numbers (also
// as json.Number), texts of levels and dates, also numbers as the file writes them, and nil for what is not
// known. Columns that are not learnt are passed over.
func (s *Schema) ParseValues(rows []map[string]any) (x flow.Batch, faults, odd []Fault) {
	within, oddly := someOf(Column.parseValue)
	x, faults = s.parseRows(rows, within)
	_, odd = s.parseRows(rows, func(c Column, value any) (float64, string) {
		v, problem := oddly(c, value)
		if problem != "" {
			problem = quoted(value) + problem
		}
		return v, problem
	})
	return x, faults, odd
}

// ParseWhole is [Schema.Parse] of rows as those of [Schema.ParseValues].
func (s *Schema) ParseWhole(rows []map[string]any) (x flow.Batch, faults []Fault) {
	return s.parseRows(rows, func(c Column, value any) (float64, string) {
		v, problem := c.parseValue(value)
		if why := c.beyond(v); problem == "" && why != "" {
			problem = quoted(value) + why
		}
		return v, problem
	})
}

func quoted(value any) string { return choice.Quote(fmt.Sprint(value)) + " " }

// parseRows returns rows of the columns that are learnt, and what is wrong with their values.
func (s *Schema) parseRows(rows []map[string]any, parse func(c Column, value any) (float64, string)) (
	flow.Batch, []Fault,
) {
	var faults []Fault
	learnt := s.Learnt()
	x := flow.NewBatch(len(rows), len(learnt))
	for i, row := range rows {
		for k, j := range learnt {
			c := s.Columns[j]
			v, problem := parse(c, row[c.Name])
			if x.Row(i)[k] = v; problem != "" {
				faults = append(faults, Fault{Row: i, Column: c.Name, Problem: problem, Count: 1})
			}
		}
	}
	return x, faults
}

// parseValue returns the number that a value stands for, NaN for what is not known, or what is wrong with it.
func (c Column) parseValue(value any) (v float64, problem string) {
	switch is := value.(type) {
	case nil:
		if c.Missing == 0 {
			return 0, "there is no value, and the column has one in every row"
		}
		return math.NaN(), ""
	case string:
		if v, problem = c.read(is); problem != "" {
			problem = quoted(is) + problem
		}
		return v, problem
	case json.Number:
		f, err := is.Float64()
		if err != nil || f-f != 0 {
			return 0, quoted(is) + "is no finite number"
		}
		return c.parseValue(f)
	case float64:
		text := strconv.FormatFloat(is, 'g', -1, 64)
		switch {
		case is-is != 0:
			return 0, text + " is no finite number"
		case c.Kind == Real || c.Kind == Integer:
			return is, ""
		case c.Kind == Date:
			return 0, text + " is a number; want a text with a date, such as " + choice.Quote(c.Format.writeDate(c.Lo))
		}
		return c.parseValue(strconv.FormatFloat(is, 'f', -1, 64))
	case bool: // as tables write them
		for _, text := range []string{strconv.FormatBool(is), map[bool]string{true: "True", false: "False"}[is]} {
			if at := c.level(text); c.Kind.levels() && at >= 0 {
				return float64(at), ""
			}
		}
	}
	return 0, quoted(value) + "is neither a number nor a text, nor null"
}

// CheckNames reports columns that say nothing of the others: those that the data do not have, or that are
// not learnt.
func (s *Schema) CheckNames(names []string) error {
	for _, name := range names {
		at := slices.IndexFunc(s.Columns, func(c Column) bool { return c.Name == name })
		if at < 0 {
			return choice.Check("column", name, s.Names()) // it is none of these either
		}
		switch c := s.Columns[at]; c.Kind {
		case Identifier:
			return fmt.Errorf("column %s is an identifier, which is not learnt: leave it out", choice.Quote(name))
		case Constant:
			return fmt.Errorf("column %s is %s in all rows: leave it out", choice.Quote(name), choice.Quote(c.Value))
		}
	}
	return nil
}

// CheckNumbers reports a column whose values are none: rows with it are no array of numbers.
func (s *Schema) CheckNumbers() error {
	for _, c := range s.Columns {
		if c.Kind != Identifier && c.Kind != Real && c.Kind != Integer {
			return fmt.Errorf("column %s is %s, and an array holds numbers alone", choice.Quote(c.Name), c.Kind)
		}
	}
	return nil
}

// MissesValues says whether values of a column that is learnt are missing in the data.
func (s *Schema) MissesValues() bool {
	return slices.ContainsFunc(s.Columns, func(c Column) bool { return c.Learnt() && c.Missing > 0 })
}
