package plot

import (
	"image/color"
	"io"

	"flowmatch/flow"
)

// single colours a whole line alike.
func single(c color.RGBA) func(float64) color.RGBA {
	return func(float64) color.RGBA { return c }
}

// pairs overlays sets of points of D >= 3: histograms of each column on the
// diagonal, scatter plots of two columns below it.
func pairs(w io.Writer, panels []Panel, o Options) error {
	o, err := o.resolve(1.6, 160)
	if err != nil {
		return err
	}
	d := panels[0].Points.D
	sets := make([]flow.Batch, len(panels))
	names := make([]string, d)
	ranges := make([][2]float64, d)
	for k, p := range panels {
		sets[k] = p.Points
	}
	for j := range d {
		names[j] = o.name(j)
		ranges[j][0], ranges[j][1] = span(j, sets...)
	}
	yNames := append([]string{""}, names[1:]...) // the first row is a histogram
	f := newFigure(o, layout{
		rows: d, cols: d, w: o.side(), h: o.side(), gap: 6, title: o.Title, xNames: names, yNames: yNames,
		lim: func(i, j int) Limits {
			return Limits{ranges[j][0], ranges[j][1], ranges[i][0], ranges[i][1]}
		},
	})
	for i := range d {
		for j := range i {
			flat, colors := make([]flow.Batch, len(sets)), make([]color.RGBA, len(sets))
			for k, b := range sets {
				flat[k], colors[k] = pick(b, j, i), category(k)
			}
			f.dots(f.panels[i][j], flat, colors)
			f.frame(i, j, "", edge{left: j == 0, bottom: i == d-1})
		}
		a := f.panels[i][i]
		hists, top := histograms(sets, i, ranges[i][0], ranges[i][1])
		a.lim.YMin, a.lim.YMax = 0, 1.08*top
		f.bars(a, hists)
		f.frame(i, i, "", edge{bottom: i == d-1})
	}
	if entries := legendOf(panels); len(entries) > 0 {
		a := f.panels[0][d-1]
		f.legend(float64(a.rect.Max.X), float64(a.rect.Min.Y), entries)
	}
	return f.encode(w)
}
