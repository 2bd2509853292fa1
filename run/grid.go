package run

import (
	"math"
	"slices"

	"flowmatch/flow"
	"flowmatch/plot"
)

// mostColumns is up to how many classes a grid has a column for each.
const mostColumns = 20

// ClassColumns returns the number of classes that a grid of images has a column for
// each of; 0: the run is not conditional, or has too many.
func (r *Run) ClassColumns() int { return ClassColumns(r.Model.Spec().Net.Classes) }

// ClassColumns returns how many of so many classes a grid of images has a column for each of: all, or none.
func ClassColumns(classes int) int {
	if classes <= mostColumns {
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
	all, names := r.Model.Spec().Classes(), make([]string, lines)
	for k, c := range class {
		names[k] = all[c]
	}
	return names
}
