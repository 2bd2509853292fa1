package run

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/plot"
)

// mostColumns is up to how many classes a grid has a column for each.
const mostColumns = 20

// ClassColumns returns the number of classes that a grid of images has a column for
// each of; 0: the run is not conditional, or has too many.
func (r *Run) ClassColumns() int {
	if classes := r.Model.Spec().Net.Classes; classes <= mostColumns {
		return classes
	}
	return 0
}

// GridLabels returns the labels of a grid of rows by cols images, row by row; nil for
// a run that is not conditional. Every class comes in turn, along the rows; where they
// fill the columns and not the rows, each row is of one class.
func (r *Run) GridLabels(rows, cols int) []int32 {
	classes := r.Model.Spec().Net.Classes
	label := flow.LabelsInTurn(rows*cols, classes)
	if label != nil && cols%classes != 0 && rows%classes == 0 {
		for i := range label {
			label[i] = int32(i / cols % classes)
		}
	}
	return label
}

// grid arranges n images; see [Run.DrawPoints].
func (r *Run) grid(label []int32, n, cols int) plot.ImageOptions {
	classes := r.ClassColumns()
	mixed := slices.ContainsFunc(label, func(l int32) bool { return l != label[0] })
	if cols == 0 && classes > 0 && mixed && slices.Equal(label, flow.LabelsInTurn(n, classes)) {
		cols = min(n, classes)
	}
	if cols == 0 {
		cols = int(math.Ceil(math.Sqrt(float64(n))))
	}
	o := plot.ImageOptions{Cols: cols}
	if mixed {
		o.ColNames = r.common(label, min(n, cols), func(i int) int { return i % cols })
		o.RowNames = r.common(label, (n+cols-1)/cols, func(i int) int { return i / cols })
	}
	return o
}

// common returns the name of the class that all images of a line (a column, or a row)
// have, for each of the lines; nil when one of them has several.
func (r *Run) common(label []int32, lines int, line func(i int) int) []string {
	class := slices.Repeat([]int32{-1}, lines)
	for i, l := range label {
		k := line(i)
		if class[k] >= 0 && class[k] != l {
			return nil
		}
		class[k] = l
	}
	names := make([]string, lines)
	for k, c := range class {
		names[k] = r.className(int(c))
	}
	return names
}

// className is the name of a class: its folder's, or its number.
func (r *Run) className(class int) string { return r.ClassNames()[class] }

// ClassNames returns the names of the classes that the model takes labels of: those of
// folders, or numbers; none of a run that is not conditional.
func (r *Run) ClassNames() []string {
	spec := r.Model.Spec()
	return data.NameClasses(spec.ClassNames, spec.Net.Classes)
}

// Class returns the number of a class: that of the name or, where no name is a number, of
// the number itself, which may be written as 1.0. The error says what the classes are.
func (r *Run) Class(name string) (int32, error) {
	names := r.ClassNames()
	if k := slices.Index(names, name); k >= 0 {
		return int32(k), nil
	}
	what, numbers := choice.List(names), names
	if r.Model.Spec().ClassNames == nil {
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
	return 0, fmt.Errorf("run: no class is called %s; the classes of %s are %s", choice.Quote(name), r.Dir, what)
}
