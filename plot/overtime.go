package plot

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"

	"flowmatch/flow"
)

// streamlines is how many paths OverTime draws.
const streamlines = 30

// OverTime writes a picture of the density p_t(x) of points of the line over time, as a map
// with the time across, and the paths of some points over it, which start at equal shares of
// the probability. path[k] holds all points [N, 1] at times[k]; times nil means equally spaced
// over [0,1], else it must increase. Options.Columns, Style and Stretch are not used.
func OverTime(w io.Writer, path []flow.Batch, times []float64, o Options) error {
	opt, err := o.resolve(2.7, 160)
	if err != nil {
		return err
	}
	if times, err = checkTimes("over time", path, times); err != nil {
		return err
	}
	for k, b := range path {
		if err := checkBatch(fmt.Sprintf("points at t=%v", times[k]), b); err != nil {
			return err
		}
		if b.D != 1 {
			return fmt.Errorf("plot: over time: %w: points of D=%d; want 1", ErrShape, b.D)
		}
	}
	lim := opt.Limits
	if lim.zero() {
		lim.XMin, lim.XMax = times[0], times[len(times)-1]
		lim.YMin, lim.YMax = span(0, path[0], path[len(path)-1])
	}
	wide := int(1.65 * float64(opt.side()))
	m, top := densityOverTime(path, times, lim, wide, opt.side())
	f := newFigure(opt, layout{
		rows: 1, cols: 1, w: wide, h: opt.side(), title: opt.Title, panelTitle: true,
		xNames: []string{"t"}, yNames: []string{opt.name(0)}, bar: &bar{viridis, 0, top, "p(x) at t"},
		note: "Lines: the paths of points.",
		lim:  func(int, int) Limits { return lim },
	})
	a := f.panels[0][0]
	f.paint(a, m, top, viridis)
	order := make([]int, path[0].N)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(path[0].X[i], path[0].X[j]) })
	n := min(streamlines, len(order))
	for k := range n {
		i := order[(2*k+1)*len(order)/(2*n)]
		x := make([]float64, len(path))
		for j, b := range path {
			x[j] = b.X[i]
		}
		f.strokeLine(a, faded(white, 0.75), 0.7, nil, a.place(times, x))
	}
	f.frame(0, 0, "", edge{left: true, bottom: true})
	return f.encode(w)
}

// densityOverTime returns the density of the points at each pixel of w x h, which is that of
// the two nearest moments mixed, and the top of its scale: its 99.5 % quantile.
func densityOverTime(path []flow.Batch, times []float64, l Limits, w, h int) (m *heatmap, top float64) {
	moments := make([][]float64, len(path))
	for k, b := range path {
		moments[k] = lineDensity(b, Limits{XMin: l.YMin, XMax: l.YMax}, h)
	}
	m = &heatmap{w: w, h: h, p: make([]float64, w*h)}
	for i := range w {
		t := l.XMin + (float64(i)+0.5)/float64(w)*(l.XMax-l.XMin)
		if t < times[0] || t > times[len(times)-1] {
			continue
		}
		k, _ := slices.BinarySearch(times, t)
		k = min(max(k, 1), len(times)-1)
		u := (t - times[k-1]) / (times[k] - times[k-1])
		for j := range h {
			m.p[(h-1-j)*w+i] = (1-u)*moments[k-1][j] + u*moments[k][j]
		}
	}
	s := slices.Sorted(slices.Values(m.p))
	if top = quantile(s, 0.995); !(top > 0) || math.IsInf(top, 0) {
		top = 1
	}
	return m, top
}
