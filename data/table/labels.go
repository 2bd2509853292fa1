package table

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/data/schema"
	"flowmatch/flow"
	"flowmatch/internal/choice"
)

// labelText is the column of labels of a file that may hold names of classes: each field is kept
// once, and stands in the numbers of its row as its place among these.
type labelText struct{ schema.Texts }

// code returns the number that stands for a field, and what is wrong with it; "": nothing. gap is whether
// it is missing.
func (l *labelText) code(field string, dropMissing bool) (v float64, problem string, gap bool) {
	number, err := strconv.ParseFloat(field, 64)
	problem, gap = problemOf(field, number, nil)
	switch {
	case err == nil && problem == "", err != nil && !gap && utf8.ValidString(field):
		if _, known := l.Has(field); !known {
			field = strings.Clone(field) // not the whole row with it
		}
		l.Add(field)
		return float64(l.Index[len(l.Index)-1]), "", false
	case gap && dropMissing:
		return math.NaN(), "", false
	case problem == "":
		problem = choice.Quote(field) + " is no text in UTF-8; save the file as that"
	}
	return 0, problem, gap
}

// parquet returns how to turn a text of the column of labels into a number: false of a null and of
// an empty text.
func (l *labelText) parquet(text func(parquet.Value) string, dropMissing bool) func(parquet.Value) (float64, bool) {
	return func(v parquet.Value) (float64, bool) {
		if v.IsNull() {
			return math.NaN(), dropMissing
		}
		code, problem, _ := l.code(strings.TrimSpace(text(v)), dropMissing)
		return code, problem == ""
	}
}

// splitLabel takes the last column off as class labels.
func (in source) splitLabel(t Table) (Table, error) {
	d := t.X.D - 1
	out := t
	out.X, out.Columns = flow.NewBatch(t.X.N, d), t.Columns[:d]
	label := make([]float64, t.X.N)
	for i := range t.X.N {
		row := t.X.Row(i)
		copy(out.X.Row(i), row)
		label[i] = row[d]
	}
	var err error
	if in.labels != nil {
		numbers, other := in.labels.numbers()
		switch n := len(other); {
		case n == len(numbers):
			out.Label, out.ClassNames, err = in.named(in.labels.Values, label)
			return out, err
		case n > 0:
			field := in.labels.Values[other[0]]
			return Table{}, in.badLabel(t, slices.Index(label, float64(other[0])), choice.Quote(field)+" is no number,"+
				" and other labels are: want whole numbers from 0, or names, in all rows"+misread(field))
		}
		for i, code := range label {
			label[i] = numbers[int(code)]
		}
	}
	out.Label = make([]int32, t.X.N)
	for i, v := range label {
		if out.Label[i], err = files.Label(v); err != nil {
			return Table{}, in.badLabel(t, i, err.Error()+
				"; a column of other numbers is none of labels: leave label out to learn it with the rest")
		}
	}
	out.Label, out.ClassNames = data.NumberClasses(out.Label)
	return out, nil
}

// numbers returns the fields as numbers, and which of them are none.
func (l *labelText) numbers() (numbers []float64, other []int) {
	for k, field := range l.Values {
		v, err := strconv.ParseFloat(field, 64)
		if numbers = append(numbers, v); err != nil {
			other = append(other, k)
		}
	}
	return numbers, other
}

// named numbers the names that occur, in their order as texts.
func (in source) named(names []string, code []float64) (label []int32, classes []string, err error) {
	occurs := make([]bool, len(names))
	for _, c := range code {
		occurs[int(c)] = true
	}
	for k, there := range occurs {
		if there {
			classes = append(classes, names[k])
		}
	}
	if n := len(classes); n > files.MaxClasses {
		return nil, nil, files.MalformedAt(in.path, column(in.opts.Label),
			"%d different labels; want at most %d classes", n, files.MaxClasses)
	}
	slices.Sort(classes)
	place := make([]int32, len(names))
	for k, name := range names {
		at, _ := slices.BinarySearch(classes, name)
		place[k] = int32(at)
	}
	label = make([]int32, len(code))
	for i, c := range code {
		label[i] = place[int(c)]
	}
	return label, classes, nil
}

// badLabel is the error of the label of a row.
func (in source) badLabel(t Table, row int, problem string) error {
	return files.MalformedAt(in.path, fmt.Sprintf("%s, %s", t.Where(row), column(in.opts.Label)), "%s",
		strings.TrimSpace(problem))
}
