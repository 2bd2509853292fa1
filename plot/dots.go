package plot

import (
	"fmt"
	"io"
	"math"
	"slices"
)

// Dot is one figure of a dot plot.
type Dot struct {
	X  float64
	SD float64 // draws a line of one standard deviation to both sides; 0: none
	// Name is of the colour and the mark, and stands in a legend, where a row has several
	// dots; empty: those of the row's name.
	Name string
}

// DotPanel is one panel of a dot plot: for each row its dots, or none.
type DotPanel struct {
	Title string
	Rows  [][]Dot
	// Lines are values worth comparing with: dashed lines upwards at their Y.
	Lines []Floor
}

// DotOptions are the options of DotPlot.
type DotOptions struct {
	Options
	// XName stands below the panels. Empty: nothing.
	XName string
	// LinearX makes the axis linear. The default is logarithmic.
	LinearX bool
}

// Distances of a dot plot in points: the height of a row, and the radius of its dots.
const dotRow, dotSize = 16.0, 3.0

// DotPlot writes panels side by side with a row for each name and one or more dots in it.
// Options.Size is the width of a panel; 0 means 3.6 inches, or 4.8 for all together. Each panel
// has limits of its own, unless Options.Limits has some; only its XMin and XMax are used.
// Options.Columns, Names, Style and Stretch are not used.
func DotPlot(w io.Writer, rows []string, panels []DotPanel, o DotOptions) error {
	opt, err := o.resolve(min(3.6, 4.8/float64(max(1, len(panels)))), 160)
	if err != nil {
		return err
	}
	limits := make([]Limits, len(panels))
	for k, p := range panels {
		if limits[k], err = o.reach(rows, p); err != nil {
			return err
		}
	}
	if len(rows) == 0 || len(panels) == 0 {
		return fmt.Errorf("plot: dot plot: %w: %d rows and %d panels", ErrEmpty, len(rows), len(panels))
	}
	legend := dotLegend(panels)
	xNames, titled := make([]string, len(panels)), false
	for k, p := range panels {
		xNames[k], titled = o.XName, titled || p.Title != ""
	}
	high := (float64(len(rows)) + 0.4) * dotRow * float64(opt.DPI) / 72
	f := newFigure(opt, layout{
		rows: 1, cols: len(panels), w: opt.side(), h: int(math.Round(high)),
		gap: 16, title: opt.Title, panelTitle: titled, xNames: xNames, logX: !o.LinearX, labels: rows, beside: legend,
		lim: func(_, col int) Limits { return limits[col] },
	})
	looks := dotLooks(rows, panels)
	for k, p := range panels {
		f.dotPanel(f.panels[0][k], p, looks)
		f.frame(0, k, p.Title, edge{left: k == 0, bottom: true})
	}
	f.dotKey(legend, looks)
	return f.encode(w)
}

// reach checks a panel and returns the limits that hold its dots, with a little air.
func (o DotOptions) reach(rows []string, p DotPanel) (Limits, error) {
	lim := Limits{math.Inf(1), math.Inf(-1), -0.7, float64(len(rows)) - 0.3}
	if len(p.Rows) != len(rows) {
		return lim, fmt.Errorf("plot: dot plot, panel %q: %w: dots of %d rows for %d names", p.Title, ErrShape,
			len(p.Rows), len(rows))
	}
	for k, dots := range p.Rows {
		for _, d := range dots {
			if math.IsNaN(d.X+d.SD) || math.IsInf(d.X+d.SD, 0) || d.SD < 0 || !o.LinearX && d.X <= 0 {
				return lim, fmt.Errorf("plot: dot plot, panel %q, row %q: %w: a dot at %v ± %v; want finite numbers, "+
					"positive on a logarithmic axis, and a deviation of 0 or more", p.Title, rows[k], ErrOptions,
					d.X, d.SD)
			}
			lo := d.X
			if o.LinearX || d.X-d.SD > d.X/3 { // one that reaches to 0 must not take the axis along
				lo -= d.SD
			}
			lim.XMin, lim.XMax = min(lim.XMin, lo), max(lim.XMax, d.X+d.SD)
		}
	}
	if lim.XMin > lim.XMax {
		return lim, fmt.Errorf("plot: dot plot, panel %q: %w: no row has a dot", p.Title, ErrEmpty)
	}
	for _, l := range p.Lines {
		if err := l.check(!o.LinearX); err != nil {
			return lim, err
		}
		lim.XMin, lim.XMax = min(lim.XMin, l.Y), max(lim.XMax, l.Y)
	}
	if lim.XMin, lim.XMax = airy(lim.XMin, lim.XMax, o.LinearX); !o.Limits.zero() {
		if lim.XMin, lim.XMax = o.Limits.XMin, o.Limits.XMax; !o.LinearX && lim.XMin <= 0 {
			return lim, fmt.Errorf("plot: dot plot: %w: limits from %v on a logarithmic axis; want them above 0",
				ErrOptions, lim.XMin)
		}
	}
	return lim, nil
}

// dotLooks returns the looks of rows and of dots that have names, by name.
func dotLooks(rows []string, panels []DotPanel) map[string]look {
	names := slices.Clone(rows)
	for _, e := range dotLegend(panels) {
		names = append(names, e.name)
	}
	if len(names) > len(rows) { // then rows have no looks of their own
		names = names[len(rows):]
	}
	out := map[string]look{}
	for k, l := range looks(names) {
		out[names[k]] = l
	}
	return out
}

// dotLegend returns an entry for each name of dots and of lines.
func dotLegend(panels []DotPanel) (entries []entry) {
	add := func(name string, e entry) {
		if name != "" && !slices.ContainsFunc(entries, func(e entry) bool { return e.name == name }) {
			e.name = name
			entries = append(entries, e)
		}
	}
	for _, p := range panels {
		for _, dots := range p.Rows {
			for _, d := range dots {
				add(d.Name, entry{marked: true})
			}
		}
	}
	for _, p := range panels {
		for _, l := range p.Lines {
			add(l.Name, entry{look: look{color: inkAxis}, line: dotted})
		}
	}
	return entries
}

// dotPanel draws the lines and the dots of a panel.
func (f *figure) dotPanel(a axes, p DotPanel, looks map[string]look) {
	left, top := float64(a.rect.Min.X), float64(a.rect.Min.Y)
	right, bottom := float64(a.rect.Max.X), float64(a.rect.Max.Y)
	for _, t := range a.yTicks(f.canvas) {
		y := top + a.y(t.at)
		f.polyline(inkGrid, lineWidth, nil, [][2]float64{{left, y}, {right, y}})
	}
	for _, l := range p.Lines {
		x := left + a.x(l.Y)
		f.strokeLine(a, inkAxis, 1, dotted, [][2]float64{{x, top}, {x, bottom}})
	}
	for k, dots := range p.Rows {
		y := top + a.y(float64(len(p.Rows)-1-k))
		for _, d := range dots {
			l := looks[or(d.Name, f.labels[k])]
			if d.SD > 0 {
				from, to := left+a.x(d.X-d.SD), left+a.x(d.X+d.SD)
				if math.IsNaN(from) || math.IsInf(from, 0) { // below 0 on a logarithmic axis
					from = left
				}
				f.strokeLine(a, l.color, curveWidth, nil, [][2]float64{{from, y}, {to, y}})
			}
			if at := [2]float64{left + a.x(d.X), y}; inside(a.rect, at) {
				f.mark(at[0], y, f.px(dotSize), l)
			}
		}
	}
}

// dotKey writes the legend beside the panels: marks for dots, dashes for lines.
func (f *figure) dotKey(entries []entry, looks map[string]look) {
	last := f.panels[0][f.cols-1].rect
	left := float64(last.Max.X) + f.px(legendGap)
	for k, e := range entries {
		y := float64(last.Min.Y) + f.px(6) + float64(k)*f.px(sizeTick+4)
		if e.marked {
			f.mark(left+f.px(legendKey-5)/2, y, f.px(dotSize), looks[e.name])
			f.text(left+f.px(legendKey), y+f.px(0.36*sizeTick), e.name, textStyle{size: sizeTick, color: inkText})
			continue
		}
		f.entry(left, y, e)
	}
}
