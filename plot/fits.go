package plot

import (
	"fmt"
	"io"
	"math"
	"slices"

	"flowmatch/flow"
)

// Fit is a trajectory and what was fitted to it.
type Fit struct {
	Name string
	// T are the times of the points, rising; nil: 0, 1, 2, ...
	T []float64
	// Data and Solved are points of the plane [len(T), 2], one for each time.
	Data, Solved flow.Batch
}

// fitGap is the distance between panels in points: room for the marks and names of each.
const fitGap = 44

// Fits writes a picture of trajectories of the plane and their fits, a column each: above the
// data as dots on the fitted line, below the distance between the two over time. All panels of
// a row have the same limits. Options.Columns, Style and Stretch are not used.
func Fits(w io.Writer, fits []Fit, o Options) error {
	opt, err := o.resolve(2.2, 160)
	if err != nil {
		return err
	}
	if len(fits) == 0 {
		return fmt.Errorf("plot: fits: %w: no trajectories", ErrEmpty)
	}
	timeName := "t"
	var all []flow.Batch
	errs := make([]Series, len(fits))
	below := Limits{XMin: math.Inf(1), XMax: math.Inf(-1)}
	names := make([]string, len(fits))
	for k := range fits {
		if fits[k].T == nil {
			timeName = "number of the point"
		}
		if errs[k], err = fits[k].distances(); err != nil {
			return err
		}
		all, names[k] = append(all, fits[k].Data, fits[k].Solved), fits[k].Name
		x := errs[k].X
		below.XMin, below.XMax = min(below.XMin, x[0]), max(below.XMax, x[len(x)-1])
		below.YMax = max(below.YMax, 1.08*slices.Max(errs[k].Y))
	}
	if below.YMax == 0 {
		below.YMax = 1
	}
	wide, high, lim := opt.panel(opt.fit(all...))
	f := newFigure(opt, layout{
		rows: 2, cols: len(fits), w: wide, h: high, gap: fitGap, title: opt.Title, panelTitle: true,
		note:   "Dots: the data, some of them where they are close. Line: the fit.",
		xNames: slices.Repeat([]string{opt.name(0)}, len(fits)), yNames: []string{opt.name(1), "distance"},
		lim: func(row, _ int) Limits { return [2]Limits{lim, below}[row] },
	})
	styles := looks(names)
	for k, fit := range fits {
		f.fit(k, fit, styles[k])
	}
	f.xNames = slices.Repeat([]string{timeName}, len(fits))
	for k, s := range errs {
		a := f.panels[1][k]
		f.gridLines(a)
		f.strokeLine(a, styles[k].color, curveWidth, nil, a.place(s.X, s.Y))
		f.frame(1, k, "", edge{left: true, bottom: true})
	}
	return f.encode(w)
}

// dotsApart is the least distance of the dots of a trajectory, in points: closer ones would hide
// the line.
const dotsApart = 5.5

// fit draws one trajectory: the line first, the dots on it.
func (f *figure) fit(col int, fit Fit, l look) {
	a := f.panels[0][col]
	xy := func(b flow.Batch) [][2]float64 { return a.place(column(b, 0), column(b, 1)) }
	f.strokeLine(a, l.color, curveWidth, nil, xy(fit.Solved))
	last := [2]float64{math.Inf(1), math.Inf(1)}
	for _, p := range xy(fit.Data) {
		if inside(a.rect, p) && math.Hypot(p[0]-last[0], p[1]-last[1]) >= f.px(dotsApart) {
			f.polygon(faded(inkText, 0.75), circle.outline(p[0], p[1], f.px(1.3))...)
			last = p
		}
	}
	f.frame(0, col, fit.Name, edge{left: true, bottom: true})
}

// distances checks a fit, and returns how far it is from the data at each time.
func (t *Fit) distances() (Series, error) {
	if t.T == nil {
		for i := range t.Data.N {
			t.T = append(t.T, float64(i))
		}
	}
	if t.Data.N != t.Solved.N || t.Data.D != 2 || t.Solved.D != 2 || len(t.T) != t.Data.N || t.Data.N < 2 {
		return Series{}, fmt.Errorf("plot: fit %q: %w: data [%d, %d], fit [%d, %d], %d times; want two columns and as "+
			"many rows of all, at least 2", t.Name, ErrShape, t.Data.N, t.Data.D, t.Solved.N, t.Solved.D, len(t.T))
	}
	for what, b := range map[string]flow.Batch{"data": t.Data, "fit": t.Solved, "times": {N: len(t.T), D: 1, X: t.T}} {
		if err := checkBatch(fmt.Sprintf("%s of %q", what, t.Name), b); err != nil {
			return Series{}, err
		}
	}
	s := Series{X: t.T}
	for i := range t.T {
		if i > 0 && t.T[i] <= t.T[i-1] {
			return s, fmt.Errorf("plot: fit %q: %w: time %d is %v; times must increase", t.Name, ErrOptions, i, t.T[i])
		}
		p, q := t.Data.Row(i), t.Solved.Row(i)
		s.Y = append(s.Y, math.Hypot(p[0]-q[0], p[1]-q[1]))
	}
	return s, nil
}
