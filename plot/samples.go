package plot

import (
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
	"slices"

	"flowmatch/flow"
)

// Panel is one set of points in a picture of samples.
type Panel struct {
	Title  string
	Points flow.Batch
	// Labels colours the points by class; nil, or one a point. Only for D >= 2
	// in style Dots, and not in a picture of pairs.
	Labels []int32
}

// MaxPairs is the largest D for which Samples draws all pairs of columns.
const MaxPairs = 8

// Samples writes a picture of sets of points, for example data beside samples.
//
// Points of D=2 (or two columns of more, see Options.Columns) are scattered in
// one panel a set, side by side, all with the same limits, and the number of
// points outside of them is written below. Points of D=1 become one histogram, in which the
// sets are overlaid, points of 3 to 8 dimensions a picture of all pairs of columns, with the
// first of two sets below the diagonal and the second above. All sets must have the same D. In style Heat the colours
// of all panels share one scale, relative to the number of points.
func Samples(w io.Writer, panels []Panel, o Options) error {
	if err := checkPanels(panels, o); err != nil {
		return err
	}
	d := panels[0].Points.D
	chosen := o.Columns != [2]int{}
	switch {
	case d == 1:
		return histogram(w, panels, o)
	case d == 2 || chosen:
		return scatter(w, panels, o)
	case d <= MaxPairs:
		return pairs(w, panels, o)
	}
	return fmt.Errorf("plot: samples: %w: D=%d; pairs of columns are drawn up to D=%d, beyond it set Options.Columns "+
		"(images go to ImageGrid)", ErrShape, d, MaxPairs)
}

// Pairs writes the picture of all pairs of columns that Samples draws of points of 3 dimensions or
// more, of points of the plane, too: histograms on the diagonal, and of one set of points the corner
// below it. Points of D=1 become a histogram.
func Pairs(w io.Writer, panels []Panel, o Options) error {
	if err := checkPanels(panels, o); err != nil {
		return err
	}
	switch d := panels[0].Points.D; {
	case d == 1:
		return histogram(w, panels, o)
	case d <= MaxPairs:
		return pairs(w, panels, o)
	default:
		return fmt.Errorf("plot: pairs: %w: D=%d; pairs of columns are drawn up to D=%d", ErrShape, d, MaxPairs)
	}
}

// checkPanels reports sets of points that make no picture of samples.
func checkPanels(panels []Panel, o Options) error {
	if len(panels) == 0 {
		return fmt.Errorf("plot: samples: %w: no panels", ErrEmpty)
	}
	d := panels[0].Points.D
	for k, p := range panels {
		what := fmt.Sprintf("panel %d %q", k, p.Title)
		if err := checkBatch(what, p.Points); err != nil {
			return err
		}
		if p.Points.D != d {
			return fmt.Errorf("plot: %s: %w: D=%d, but the first panel has D=%d", what, ErrShape, p.Points.D, d)
		}
		if p.Labels != nil && len(p.Labels) != p.Points.N {
			return fmt.Errorf("plot: %s: %w: %d labels for %d points", what, ErrShape, len(p.Labels), p.Points.N)
		}
	}
	return o.checkTruth(d)
}

// scatter draws one panel a set of points of the plane.
func scatter(w io.Writer, panels []Panel, o Options) error {
	o, err := o.resolve(3, 160)
	if err != nil {
		return err
	}
	i, j := o.columns(panels[0].Points.D)
	flat := make([]flow.Batch, len(panels))
	most, titled := 0, false
	for k, p := range panels {
		if flat[k], err = o.plane(fmt.Sprintf("panel %d %q", k, p.Title), p.Points); err != nil {
			return err
		}
		most = max(most, p.Points.N)
		titled = titled || p.Title != ""
	}
	wide, high, lim := o.panel(o.fit(o.withTruth(flat, i, j)...))
	heat := o.heat(most)
	f := newFigure(o, layout{
		rows: 1, cols: len(panels), w: wide, h: high, gap: 14,
		title: o.Title, note: o.truthNote(), panelTitle: titled,
		xNames: slices.Repeat([]string{o.name(i)}, len(panels)), yNames: []string{o.name(j)},
		lim: func(int, int) Limits { return lim },
	})
	if heat {
		f.heatRow(0, flat)
	} else {
		for k, p := range panels {
			sets, colors := classes(flat[k], p.Labels, category(k))
			f.dots(f.panels[0][k], sets, colors)
		}
	}
	for k, p := range panels {
		if o.Truth != nil {
			f.truth(f.panels[0][k], o.Truth[i], o.Truth[j], truthInk(heat))
		}
		f.frame(0, k, p.Title, edge{left: k == 0, bottom: true})
		f.outside(f.panels[0][k], flat[k], heat)
	}
	return f.encode(w)
}

// dotStyle returns radius (points) and opacity of a dot when n are drawn on an
// area of side inches: the more of them the smaller and the more translucent,
// so that about the same ink is used.
func dotStyle(n int, inches float64) (radius, alpha float64) {
	crowd := float64(n) / 1000 * 9 / (inches * inches)
	return min(max(1.5*math.Pow(crowd, -0.22), 0.75), 2.2), min(max(0.62*math.Pow(crowd, -0.3), 0.12), 0.85)
}

// dots scatters sets of points over panel a, each in its colour.
func (f *figure) dots(a axes, sets []flow.Batch, colors []color.RGBA) {
	n := 0
	for _, xy := range sets {
		n += xy.N
	}
	r, alpha := dotStyle(n, float64(a.rect.Dx())/f.dpi)
	layers := make([]*layer, len(sets))
	for k, xy := range sets {
		layers[k] = newLayer(a.rect.Dx(), a.rect.Dy())
		for i := range xy.N {
			layers[k].dot(a.x(xy.X[2*i]), a.y(xy.X[2*i+1]), f.px(r), alpha)
		}
	}
	blend(f.img, a.rect, layers, colors)
	f.touched(a.rect)
}

// classes splits points of the plane by label, in the order of the labels.
// Without labels it returns the points as one set in colour c.
func classes(xy flow.Batch, labels []int32, c color.RGBA) (sets []flow.Batch, colors []color.RGBA) {
	if labels == nil {
		return []flow.Batch{xy}, []color.RGBA{c}
	}
	for _, class := range slices.Compact(slices.Sorted(slices.Values(labels))) {
		set := flow.Batch{D: 2}
		for i, l := range labels {
			if l == class {
				set.N, set.X = set.N+1, append(set.X, xy.Row(i)...)
			}
		}
		sets, colors = append(sets, set), append(colors, category(int(class)))
	}
	return sets, colors
}

// smoothHist returns the density of points per pixel of panel a, as a share of
// all points, smoothed over about 1.2 % of the panel's side.
func smoothHist(a axes, xy flow.Batch) *heatmap {
	m := &heatmap{w: a.rect.Dx(), h: a.rect.Dy(), p: make([]float64, a.rect.Dx()*a.rect.Dy())}
	for k := range xy.N {
		m.add(a.x(xy.X[2*k]), a.y(xy.X[2*k+1]), 1/float64(xy.N))
	}
	m.blur(max(0.012*float64(min(m.w, m.h)), 1))
	return m
}

// heatRow draws each set in a panel of row r as a smoothed histogram; the colours reach from 0 to
// the 99.8 % quantile of all panels together, so that one spike does not hide the rest.
func (f *figure) heatRow(r int, sets []flow.Batch) {
	maps := make([]*heatmap, len(sets))
	var all []float64
	for k, xy := range sets {
		maps[k] = smoothHist(f.panels[r][k], xy)
		all = append(all, maps[k].p...)
	}
	slices.Sort(all)
	top := quantile(all, 0.998)
	if top <= 0 { // everything lies outside of the limits, or on a few pixels
		top = max(all[len(all)-1], 1)
	}
	for k, m := range maps {
		f.paint(f.panels[r][k], m, top, viridis)
	}
}

// paint colours panel a by m, from 0 to top.
func (f *figure) paint(a axes, m *heatmap, top float64, c colormap) {
	for j := range m.h {
		for i := range m.w {
			f.img.SetRGBA(a.rect.Min.X+i, a.rect.Min.Y+j, c.at(m.p[j*m.w+i]/top))
		}
	}
	f.touched(a.rect)
	if c.ownGround() {
		f.keep(a.rect)
	}
}

// outside notes in the lower right corner how many points are not shown.
func (f *figure) outside(a axes, xy flow.Batch, dark bool) {
	n := 0
	for k := range xy.N {
		x, y := xy.X[2*k], xy.X[2*k+1]
		if x < a.lim.XMin || x > a.lim.XMax || y < a.lim.YMin || y > a.lim.YMax {
			n++
		}
	}
	if n == 0 {
		return
	}
	f.note(a, fmt.Sprintf("%d of %d outside", n, xy.N), noteColor(dark))
}

// noteColor is that of notes, on the dark ground of a map or on white.
func noteColor(dark bool) color.RGBA {
	if dark {
		return rgb(0xd0d0d0)
	}
	return inkFaint
}

// note writes small into the lower right corner of a panel.
func (f *figure) note(a axes, s string, c color.RGBA) {
	right, base := float64(a.rect.Max.X)-f.px(4), float64(a.rect.Max.Y)-f.px(4)
	if c == inkFaint {
		f.veil(image.Rect(int(right-f.width(s, sizeNote)-f.px(2)), int(base-f.px(sizeNote)), int(right+f.px(2)),
			int(base+f.px(2))))
	}
	f.text(right, base, s, textStyle{size: sizeNote, align: 1, color: c})
}
