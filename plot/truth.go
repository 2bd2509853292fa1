package plot

import (
	"fmt"
	"image/color"
	"math"

	"flowmatch/flow"
)

// checkTruth reports a truth that is none of points of dimension d.
func (o Options) checkTruth(d int) error {
	if o.Truth == nil {
		return nil
	}
	if len(o.Truth) != d {
		return fmt.Errorf("plot: %w: a truth of %d numbers for points of D=%d", ErrShape, len(o.Truth), d)
	}
	for i, v := range o.Truth {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("plot: %w: number %d of the truth is %v", ErrNotFinite, i, v)
		}
	}
	return nil
}

// withTruth returns sets with the truth as one more, so that a picture of all of them shows it;
// columns are those of the sets.
func (o Options) withTruth(sets []flow.Batch, columns ...int) []flow.Batch {
	if o.Truth == nil {
		return sets
	}
	one := flow.NewBatch(1, len(columns))
	for k, c := range columns {
		one.X[k] = o.Truth[c]
	}
	return append(append([]flow.Batch(nil), sets...), one)
}

// truth marks a value across, and one upwards, in a panel: a dashed line for each, and a cross where
// they meet. NaN is none.
func (f *figure) truth(a axes, x, y float64, ink color.RGBA) {
	left, top := float64(a.rect.Min.X), float64(a.rect.Min.Y)
	right, bottom := float64(a.rect.Max.X), float64(a.rect.Max.Y)
	across, up := left+a.x(x), top+a.y(y)
	inX, inY := across >= left && across <= right, up >= top && up <= bottom
	dash := []float64{3, 2}
	if inX {
		f.polyline(ink, 0.9, dash, [][2]float64{{across, top}, {across, bottom}})
	}
	if inY {
		f.polyline(ink, 0.9, dash, [][2]float64{{left, up}, {right, up}})
	}
	if inX && inY {
		f.mark(across, up, f.px(3.2), look{color: inkText, shape: cross})
	}
}

// truthOf marks a point of the plane on the dark ground of a map; nil is none.
func (f *figure) truthOf(a axes, x []float64) {
	if x != nil {
		f.truth(a, x[0], x[1], truthInk(true))
	}
}

// truthInk is that of the marks, on the dark ground of a map or on white.
func truthInk(dark bool) color.RGBA {
	if dark {
		return white
	}
	return inkAxis
}

// truthNote is what the marks are, below a picture that has them.
const truthNote = "Dashed lines: the true values."

// truthNote is the line below a picture.
func (o Options) truthNote() string {
	if o.Truth == nil {
		return ""
	}
	return truthNote
}
