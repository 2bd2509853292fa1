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
	"flowmatch/internal/choice"
)

// labelText is the column of labels of a file that may hold names of classes: each field is kept
// once, and stands in the numbers of its row as its place among the values.
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
		return float64(l.Place(field)), "", false
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

// addLabels takes the last column of rows as class labels, or as places of their texts.
func (a *assembly) addLabels(x []float64) error {
	d := len(a.chosen)
	for i := range len(x) / d {
		v := x[i*d+d-1]
		if a.texts != nil {
			a.label = append(a.label, int32(v))
			continue
		}
		label, err := files.Label(v)
		if err != nil {
			return a.badLabelAt(a.rows+i, err.Error()+noLabels)
		}
		a.label = append(a.label, label)
	}
	return nil
}

// classes returns the labels of all rows as numbers of the classes that occur, and the names of these; nil
// where they are their numbers.
func (a *assembly) classes() (label []int32, names []string, err error) {
	if a.texts == nil {
		label, names = data.NumberClasses(a.label)
		return label, names, nil
	}
	texts := a.texts.Values
	number, words := map[int]float64{}, []int{} // of the texts of rows that are not left out
	for k, there := range a.occurs() {
		if v, err := strconv.ParseFloat(texts[k], 64); there && err == nil {
			number[k] = v
		} else if there {
			words = append(words, k)
		}
	}
	if len(number) == 0 {
		return a.named(words)
	}
	if len(words) > 0 {
		field := texts[words[0]]
		return nil, nil, a.badLabel(words[0], choice.Quote(field)+" is no number, and other labels are: want whole "+
			"numbers from 0, or names, in all rows"+misread(field))
	}
	place := make([]int32, len(texts))
	for k := range texts {
		v, there := number[k]
		if !there {
			continue
		}
		if place[k], err = files.Label(v); err != nil {
			return nil, nil, a.badLabel(k, err.Error()+noLabels)
		}
	}
	label, names = data.NumberClasses(a.placed(place))
	return label, names, nil
}

// noLabels is what else a column of numbers may be than labels.
const noLabels = "; a column of other numbers is none of labels: leave label out to learn it with the rest"

// occurs says which of the texts of labels are those of rows that are not left out.
func (a *assembly) occurs() []bool {
	there := make([]bool, len(a.texts.Values))
	for _, k := range a.label {
		there[k] = true
	}
	return there
}

// placed returns the places of the labels of all rows.
func (a *assembly) placed(place []int32) []int32 {
	label := make([]int32, len(a.label))
	for i, k := range a.label {
		label[i] = place[k]
	}
	return label
}

// named numbers texts, in their order.
func (a *assembly) named(words []int) (label []int32, names []string, err error) {
	if n := len(words); n > files.MaxClasses {
		return nil, nil, files.MalformedAt(a.path, column(a.opts.Label),
			"%d different labels; want at most %d classes", n, files.MaxClasses)
	}
	texts := a.texts.Values
	slices.SortFunc(words, func(i, j int) int { return strings.Compare(texts[i], texts[j]) })
	place := make([]int32, len(texts))
	for class, k := range words {
		place[k] = int32(class)
		names = append(names, texts[k])
	}
	return a.placed(place), names, nil
}

// badLabel is the error of the first row with a label: by the place of its text.
func (a *assembly) badLabel(text int, problem string) error {
	return a.badLabelAt(slices.Index(a.label, int32(text)), problem)
}

// badLabelAt is the error of the label of a row.
func (a *assembly) badLabelAt(row int, problem string) error {
	return files.MalformedAt(a.path, fmt.Sprintf("%s, %s", a.at(row), column(a.opts.Label)), "%s", problem)
}
