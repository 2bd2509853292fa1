package plot

import (
	"fmt"
	"image"
	"io"
	"math"
	"slices"
)

// Bars are values that are drawn as bars, one for each name of a picture.
type Bars struct {
	Name   string
	Values []float64 // at least 0
}

// Distances of a picture of bars in points: the height of a bar, and the gap between groups.
const barHigh, barApart = 7.0, 6.0

// BarChart writes bars that lie, a group for each name with a bar of each set in it, from the top down. Options.Size
// is the width of the panel; 0 means 3 inches. Options.Limits, Columns, Names, Style and Stretch are not used; xName
// stands below.
func BarChart(w io.Writer, names []string, sets []Bars, xName string, o Options) error {
	o, err := o.resolve(3, 160)
	if err != nil {
		return err
	}
	if len(names) == 0 || len(sets) == 0 {
		return fmt.Errorf("plot: bars: %w: %d names and %d sets", ErrEmpty, len(names), len(sets))
	}
	top := 0.0
	var entries []entry
	for k, s := range sets {
		if len(s.Values) != len(names) {
			return fmt.Errorf("plot: bars %q: %w: %d values for %d names", s.Name, ErrShape, len(s.Values), len(names))
		}
		for i, v := range s.Values {
			if !(v >= 0) || math.IsInf(v, 0) {
				return fmt.Errorf("plot: bars %q of %q: %w: %v; want a number of at least 0", s.Name, names[i],
					ErrOptions, v)
			}
		}
		top = max(top, slices.Max(s.Values))
		if s.Name != "" {
			entries = append(entries, entry{name: s.Name, look: lookOf(k)})
		}
	}
	if top == 0 {
		top = 1
	}
	lim := Limits{0, 1.04 * top, -0.5, float64(len(names)) - 0.5}
	group := barHigh*float64(len(sets)) + barApart // points
	f := newFigure(o, layout{
		rows: 1, cols: 1, w: o.side(), h: int(math.Round(group * float64(len(names)) * float64(o.DPI) / 72)),
		title: o.Title, xNames: []string{xName}, labels: names, beside: entries,
		lim: func(int, int) Limits { return lim },
	})
	a := f.panels[0][0]
	for k, s := range sets {
		for i, v := range s.Values {
			y := float64(a.rect.Min.Y) + f.px(float64(i)*group+barApart/2+float64(k)*barHigh)
			r := image.Rect(a.rect.Min.X, int(math.Round(y)), a.rect.Min.X+int(math.Round(a.x(v))),
				int(math.Round(y+f.px(barHigh-1))))
			f.fill(r.Intersect(a.rect), category(k))
		}
	}
	f.frame(0, 0, "", edge{left: true, bottom: true})
	for k, e := range entries {
		y := float64(a.rect.Min.Y) + f.px(6) + float64(k)*f.px(sizeTick+4)
		f.entry(float64(a.rect.Max.X)+f.px(legendGap), y, e)
	}
	return f.encode(w)
}
