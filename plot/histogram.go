package plot

import (
	"image"
	"io"
	"math"
	"slices"

	"flowmatch/flow"
)

// bins returns the number of bars for values over [lo, hi]: the finer of the rule
// of Freedman and Diaconis, width 2·IQR·n^(-1/3), which is too coarse for several
// modes, and that of Rice, 2·n^(1/3) bars; kept within 12 and 120.
func bins(values []float64, lo, hi float64) int {
	s := slices.Sorted(slices.Values(values))
	width := 2 * (quantile(s, 0.75) - quantile(s, 0.25)) / math.Cbrt(float64(len(s)))
	rice := 2 * math.Cbrt(float64(len(s)))
	if width <= 0 {
		width = hi - lo
	}
	return int(min(max((hi-lo)/width, rice, 12), 120))
}

// density returns the histogram of the values over [lo, hi] in n bars, scaled
// so that all values, also those outside, have mass 1.
func density(values []float64, lo, hi float64, n int) []float64 {
	h := make([]float64, n)
	unit := float64(n) / (hi - lo)
	for _, v := range values {
		if v < lo || v > hi {
			continue
		}
		h[min(int((v-lo)*unit), n-1)] += unit / float64(len(values))
	}
	return h
}

// histogram overlays points of D=1 as one histogram.
func histogram(w io.Writer, panels []Panel, o Options) error {
	o, err := o.resolve(3, 160)
	if err != nil {
		return err
	}
	lim := o.Limits
	sets := make([]flow.Batch, len(panels))
	for k, p := range panels {
		sets[k] = p.Points
	}
	if lim.zero() {
		lim.XMin, lim.XMax = span(0, o.withTruth(sets, 0)...)
	}
	hists, top := histograms(sets, 0, lim.XMin, lim.XMax)
	if o.Limits.zero() {
		lim.YMin, lim.YMax = 0, 1.08*top
	}
	wide := int(1.5 * float64(o.side()))
	f := newFigure(o, layout{
		rows: 1, cols: 1, w: wide, h: o.side(), title: o.Title, note: o.truthNote(),
		xNames: []string{o.name(0)}, yNames: []string{"density"},
		lim: func(int, int) Limits { return lim },
	})
	a := f.panels[0][0]
	f.bars(a, hists)
	if o.Truth != nil {
		f.truth(a, o.Truth[0], math.NaN(), inkAxis)
	}
	f.frame(0, 0, "", edge{left: true, bottom: true})
	f.key(a, panels)
	return f.encode(w)
}

// histograms returns the histograms of column j of all sets over the same bars, as many as the
// smallest set fills, and the height of the highest.
func histograms(sets []flow.Batch, j int, lo, hi float64) (h [][]float64, top float64) {
	least := sets[0]
	for _, b := range sets {
		if b.N < least.N {
			least = b
		}
	}
	n := bins(column(least, j), lo, hi)
	for _, b := range sets {
		p := density(column(b, j), lo, hi, n)
		h = append(h, p)
		top = max(top, slices.Max(p))
	}
	if top == 0 { // everything lies outside of the limits
		top = 1
	}
	return h, top
}

// bars draws the first histogram filled, and all of them as outlines over it.
func (f *figure) bars(a axes, hists [][]float64) {
	base := a.y(max(a.lim.YMin, 0))
	for k, p := range hists {
		unit := (a.lim.XMax - a.lim.XMin) / float64(len(p))
		edge := func(b int) float64 { return a.x(a.lim.XMin + float64(b)*unit) }
		line := [][2]float64{{edge(0), base}}
		for b, v := range p {
			y := a.y(v)
			line = append(line, [2]float64{edge(b), y}, [2]float64{edge(b + 1), y})
			if k == 0 {
				r := image.Rect(int(math.Round(edge(b))), int(math.Round(y)), int(math.Round(edge(b+1))),
					int(math.Round(base)))
				f.fill(r.Add(a.rect.Min).Intersect(a.rect), mix(white, category(k), 0.25))
			}
		}
		line = append(line, [2]float64{edge(len(p)), base})
		for i := range line {
			line[i][0], line[i][1] = line[i][0]+float64(a.rect.Min.X), line[i][1]+float64(a.rect.Min.Y)
		}
		f.strokeLine(a, category(k), 1.1, nil, line)
	}
}

// key writes a legend into the upper right corner when the panels have titles.
func (f *figure) key(a axes, panels []Panel) {
	if entries := legendOf(panels); len(entries) > 0 {
		f.legend(float64(a.rect.Max.X)-f.px(7), float64(a.rect.Min.Y)+f.px(5), entries)
	}
}

// legendOf returns one entry for each panel with a title.
func legendOf(panels []Panel) []entry {
	var entries []entry
	for k, p := range panels {
		if p.Title != "" {
			entries = append(entries, entry{name: p.Title, look: lookOf(k)})
		}
	}
	return entries
}
