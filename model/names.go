package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"flowmatch/data"
	"flowmatch/internal/choice"
)

// ColumnNames returns the names of the coordinates of a point: those of the table that the model was
// trained on, else c0, c1, and so on, as files without names are read.
func (s Spec) ColumnNames() []string {
	if s.Columns != nil {
		return slices.Clone(s.Columns)
	}
	names := make([]string, s.Net.Dim)
	for i := range names {
		names[i] = fmt.Sprintf("c%d", i)
	}
	return names
}

// Classes returns the names of the classes that the model takes labels of: those of the data, or
// numbers; none of a model that is not conditional.
func (s Spec) Classes() []string { return data.NameClasses(s.ClassNames, s.Net.Classes) }

// Class returns the number of a class: that of the name or, where no name is a number, of the number
// itself, which may be written as 1.0. The error says what the classes are.
func (s Spec) Class(name string) (int32, error) {
	return classOf(name, s.Classes(), s.ClassNames == nil)
}

// classOf is the number of a class of these names; bare: they are but numbers.
func classOf(name string, names []string, bare bool) (int32, error) {
	if k := slices.Index(names, name); k >= 0 {
		return int32(k), nil
	}
	what, numbers := choice.List(names), names
	if bare {
		what = fmt.Sprintf("0 to %d, without names", len(names)-1)
	} else if _, ok := data.ClassNumbers(names); !ok {
		numbers = data.NameClasses(nil, len(names))
		what += fmt.Sprintf(", by their numbers 0 to %d", len(names)-1)
	}
	if v, err := strconv.ParseFloat(strings.TrimSpace(name), 64); err == nil {
		// A number however it is written, as 1.0.
		if k := slices.Index(numbers, strconv.FormatFloat(v, 'f', -1, 64)); k >= 0 {
			return int32(k), nil
		}
	}
	return 0, fmt.Errorf("no class is called %s; the classes are %s", choice.Quote(name), what)
}
