package plot

import (
	"fmt"
	"image"
	"io"
	"math"

	"flowmatch/flow"
)

// numbered is up to how many rows a matrix has its numbers written into its cells.
const numbered = 8

// Matrix writes a picture of numbers [N, N] between -top and top as coloured cells, red above 0 and blue below, with
// the name of each row and column. NaN is grey. Options.Size is a side; 0 means 3 inches. Options.Limits, Columns,
// Names, Style and Stretch are not used.
func Matrix(w io.Writer, names []string, m flow.Batch, top float64, o Options) error {
	o, err := o.resolve(3, 160)
	if err != nil {
		return err
	}
	if m.N == 0 {
		return fmt.Errorf("plot: matrix: %w: it has no rows", ErrEmpty)
	}
	if m.D != m.N || len(m.X) != m.N*m.D || len(names) != m.N {
		return fmt.Errorf("plot: matrix: %w: %d numbers of [%d, %d] and %d names; want as many columns as rows, and "+
			"as many names", ErrShape, len(m.X), m.N, m.D, len(names))
	}
	if !(top > 0) || math.IsInf(top, 0) {
		return fmt.Errorf("plot: matrix: %w: colours from %v to %v; want a number above 0", ErrOptions, -top, top)
	}
	n := m.N
	lim := Limits{-0.5, float64(n) - 0.5, -0.5, float64(n) - 0.5}
	f := newFigure(o, layout{
		rows: 1, cols: 1, w: o.side(), h: o.side(), title: o.Title, labels: names, upNames: names,
		bar: &bar{balance, -top, top, ""}, lim: func(int, int) Limits { return lim },
	})
	a := f.panels[0][0]
	edge := func(k int) int { return k * o.side() / n }
	for i := range n {
		for j, v := range m.Row(i) {
			r := image.Rect(edge(j), edge(i), edge(j+1), edge(i+1)).Add(a.rect.Min)
			u := (v + top) / (2 * top)
			if math.IsNaN(v) {
				f.fill(r, inkGrid)
				continue
			}
			f.fill(r, balance.at(u))
			if n <= numbered {
				ink := inkText
				if math.Abs(u-0.5) > 0.35 { // of dark cells
					ink = white
				}
				f.text(float64(r.Min.X+r.Max.X)/2, float64(r.Min.Y+r.Max.Y)/2+f.px(0.36*sizeNote),
					fmt.Sprintf("%.2f", v), textStyle{size: sizeNote, align: 0.5, color: ink})
			}
		}
	}
	f.box(a.rect, inkAxis)
	f.yAxis(a)
	for j, name := range names {
		x := float64(a.rect.Min.X) + (float64(edge(j)+edge(j+1)))/2 + f.px(0.36*sizeTick)
		f.text(x, float64(a.rect.Max.Y)+f.px(tickLen+2), name,
			textStyle{size: sizeTick, align: 1, color: inkText, up: true})
	}
	return f.encode(w)
}
