package plot

import (
	"image/color"
	"io"
	"math"

	"flowmatch/flow"
)

// pairs draws sets of points of D >= 2: histograms of each column on the diagonal, scatter
// plots of two columns beside it. Of two sets the first is below the diagonal and the second
// above, mirrored, so that neither covers the other; more are overlaid below.
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
		if o.Truth != nil { // with the air that a picture has around its points
			air := 0.05 * (ranges[j][1] - ranges[j][0])
			ranges[j][0] = min(ranges[j][0], o.Truth[j]-air)
			ranges[j][1] = max(ranges[j][1], o.Truth[j]+air)
		}
	}
	entries := legendOf(panels)
	if len(panels) == 2 && len(entries) == 2 {
		entries[0].name += " (below)"
		entries[1].name += " (above)"
	}
	yNames := append([]string{"density"}, names[1:]...) // the first row is a histogram
	f := newFigure(o, layout{
		rows: d, cols: d, w: o.side(), h: o.side(), gap: 6, title: o.Title, note: o.truthNote(),
		xNames: names, yNames: yNames,
		beside: entries,
		lim: func(i, j int) Limits {
			return Limits{ranges[j][0], ranges[j][1], ranges[i][0], ranges[i][1]}
		},
	})
	for i := range d {
		for j := range d {
			if i != j {
				f.pair(i, j, sets, o.Truth)
			}
		}
		a := &f.panels[i][i]
		hists, top := histograms(sets, i, ranges[i][0], ranges[i][1])
		a.lim.YMin, a.lim.YMax = 0, 1.08*top
		f.bars(*a, hists)
		if o.Truth != nil {
			f.truth(*a, o.Truth[i], math.NaN(), inkAxis)
		}
		f.frame(i, i, "", edge{bottom: i == d-1, left: i == 0})
	}
	f.labelEnds(entries)
	return f.encode(w)
}

// pair draws column j of the sets across and column i upwards, those that belong there.
func (f *figure) pair(i, j int, sets []flow.Batch, truth []float64) {
	first, last := 0, len(sets)
	switch {
	case len(sets) == 2 && i > j:
		last = 1
	case len(sets) == 2:
		first = 1
	case i < j:
		return
	}
	var flat []flow.Batch
	var colors []color.RGBA
	for k := first; k < last; k++ {
		flat, colors = append(flat, pick(sets[k], j, i)), append(colors, category(k))
	}
	f.dots(f.panels[i][j], flat, colors)
	if truth != nil {
		f.truth(f.panels[i][j], truth[j], truth[i], inkAxis)
	}
	f.frame(i, j, "", edge{left: j == 0, bottom: i == len(f.panels)-1})
}
