package plot

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"flowmatch/flow"
)

// Grid is a lattice of NX x NY cells over a rectangle of the plane. The zero
// value is 128 x 128 cells over [-4,4]².
type Grid struct {
	Limits Limits
	NX, NY int
}

func (g Grid) resolve() (Grid, error) {
	if g.Limits.zero() {
		g.Limits = Limits{-4, 4, -4, 4}
	}
	if g.NX == 0 && g.NY == 0 {
		g.NX, g.NY = 128, 128
	}
	if g.NX < 2 || g.NY < 2 {
		return g, fmt.Errorf("plot: %w: a grid of %d x %d cells; want at least 2 x 2", ErrOptions, g.NX, g.NY)
	}
	return g, g.Limits.check()
}

// Points returns the centres of the cells, shape [NX·NY, 2]: row by row from
// YMin upwards, each from XMin to XMax. So the sum of p(x) over all points times
// CellArea is the midpoint rule for the mass in the rectangle.
// The error is that of Density for a grid that makes no picture.
func (g Grid) Points() (flow.Batch, error) {
	g, err := g.resolve()
	if err != nil {
		return flow.Batch{}, err
	}
	b := flow.NewBatch(g.NX*g.NY, 2)
	dx, dy := (g.Limits.XMax-g.Limits.XMin)/float64(g.NX), (g.Limits.YMax-g.Limits.YMin)/float64(g.NY)
	for j := range g.NY {
		for i := range g.NX {
			k := 2 * (j*g.NX + i)
			b.X[k], b.X[k+1] = g.Limits.XMin+(float64(i)+0.5)*dx, g.Limits.YMin+(float64(j)+0.5)*dy
		}
	}
	return b, nil
}

// CellArea returns the area of one cell; the error is as that of Points.
func (g Grid) CellArea() (float64, error) {
	g, err := g.resolve()
	if err != nil {
		return 0, err
	}
	l := g.Limits
	return (l.XMax - l.XMin) * (l.YMax - l.YMin) / float64(g.NX*g.NY), nil
}

// Map is a log-density, in nats, at Grid.Points, in their order. -Inf is a
// density of zero.
type Map struct {
	Title string
	LogP  []float64
}

// DensityOptions are the options of Density.
type DensityOptions struct {
	Options
	// Log colours by log p instead of p, over the 12 nats below the highest.
	Log bool
	// Difference adds, of two maps, the first less the second, in a scale of its own: red
	// where there is too much, blue where there is too little. It is of p, with Log of log p
	// within the 12 nats.
	Difference bool
}

// logRange is how far below the top a colour scale of log p reaches, in nats:
// a standard normal falls so far at about five standard deviations.
const logRange = 12

// Density writes a picture of densities as heat maps side by side, for example the
// learnt beside the exact one, with one common colour scale and its bar. The
// scale of p starts at 0 and ends at the 99.9 % quantile of the largest map's
// values, so that one spike of a bad density does not darken everything.
// The aspect follows Grid.Limits (equal, unless Stretch); Options.Limits,
// Columns and Style are not used.
func Density(w io.Writer, g Grid, maps []Map, o DensityOptions) error {
	opt, err := o.resolve(3, 160)
	if err != nil {
		return err
	}
	if g, err = g.resolve(); err != nil || o.checkTruth(2) != nil {
		return errors.Join(err, o.checkTruth(2))
	}
	if len(maps) == 0 {
		return fmt.Errorf("plot: density: %w: no maps", ErrEmpty)
	}
	if o.Difference && len(maps) != 2 {
		return fmt.Errorf("plot: density: %w: a difference of %d maps; want 2", ErrOptions, len(maps))
	}
	for k, m := range maps {
		if err := m.check(fmt.Sprintf("map %d %q", k, m.Title), g); err != nil {
			return err
		}
	}
	lo, hi, values := colourRange(maps, o.Log)
	wide, high := opt.side(), opt.side()
	if !opt.Stretch { // one unit alike on both axes
		l := g.Limits
		high = int(math.Round(float64(wide) * (l.YMax - l.YMin) / (l.XMax - l.XMin)))
		if high < opt.DPI/4 || high > 8*wide {
			return fmt.Errorf("plot: density: %w: limits %+v are too flat or too tall for equal aspect; set Stretch",
				ErrOptions, l)
		}
	}
	name := "p(x)"
	if o.Log {
		name = "log p(x)"
	}
	l := layout{
		rows: 1, cols: len(maps), w: wide, h: high, gap: 14, title: opt.Title, panelTitle: true, note: opt.truthNote(),
		yNames: []string{opt.name(1)}, bar: &bar{viridis, lo, hi, name}, lim: func(int, int) Limits { return g.Limits },
	}
	var diff []float64
	if o.Difference {
		var top float64
		diff, top = difference(values, lo)
		l.cols++
		l.lastBar = &bar{balance, -top, top, "difference"}
	}
	l.xNames = slices.Repeat([]string{opt.name(0)}, l.cols)
	f := newFigure(opt, l)
	for k, m := range maps {
		f.paintGrid(f.panels[0][k], g, values[k], l.bar)
		f.truthOf(f.panels[0][k], opt.Truth)
		f.frame(0, k, m.Title, edge{left: k == 0, bottom: true})
	}
	if o.Difference {
		k := len(maps)
		f.paintGrid(f.panels[0][k], g, diff, l.lastBar)
		f.frame(0, k, maps[0].Title+" − "+maps[1].Title, edge{bottom: true})
	}
	return f.encode(w)
}

// difference returns the first of two maps less the second, and the end of its scale: the
// 99.5 % quantile of its size.
func difference(values [][]float64, lo float64) (diff []float64, top float64) {
	diff = make([]float64, len(values[0]))
	size := make([]float64, len(diff))
	for k := range diff {
		diff[k] = max(values[0][k], lo) - max(values[1][k], lo)
		size[k] = math.Abs(diff[k])
	}
	slices.Sort(size)
	if top = quantile(size, 0.995); top <= 0 {
		top = 1
	}
	return diff, top
}

func (m Map) check(what string, g Grid) error {
	if len(m.LogP) != g.NX*g.NY {
		return fmt.Errorf("plot: %s: %w: %d values for a grid of %d x %d", what, ErrShape, len(m.LogP), g.NX, g.NY)
	}
	any := false
	for k, v := range m.LogP {
		if math.IsNaN(v) || math.IsInf(v, 1) {
			return fmt.Errorf("plot: %s: %w: log p is %v in cell (%d, %d)", what, ErrNotFinite, v, k%g.NX, k/g.NX)
		}
		any = any || !math.IsInf(v, -1)
	}
	if !any {
		return fmt.Errorf("plot: %s: %w: the density is zero on the whole grid; are its limits right?", what, ErrEmpty)
	}
	return nil
}

// colourRange returns the values to colour, p or log p, and the ends of their
// common scale.
func colourRange(maps []Map, log bool) (lo, hi float64, values [][]float64) {
	lo, hi = 0, math.Inf(-1)
	for _, m := range maps {
		v := slices.Clone(m.LogP)
		if !log {
			for k := range v {
				v[k] = math.Exp(v[k])
			}
		}
		values = append(values, v)
		s := slices.Sorted(slices.Values(v))
		top := quantile(s, 0.999)
		if math.IsInf(top, -1) || math.IsNaN(top) || (!log && top <= 0) { // all mass in a few cells
			top = s[len(s)-1]
		}
		hi = max(hi, top)
	}
	if log {
		lo = hi - logRange
	} else if hi <= 0 { // p underflows everywhere
		hi = 1
	}
	return lo, hi, values
}

// paintGrid colours panel a by the values at the cell centres of g, interpolated
// bilinearly (and held constant in the outer half cells). Values are clamped to
// the scale first, which also takes care of -Inf.
func (f *figure) paintGrid(a axes, g Grid, v []float64, scale *bar) {
	lo, hi := scale.lo, scale.hi
	at := func(i, j int) float64 {
		i, j = min(max(i, 0), g.NX-1), min(max(j, 0), g.NY-1)
		return (min(max(v[j*g.NX+i], lo), hi) - lo) / (hi - lo)
	}
	w, h := a.rect.Dx(), a.rect.Dy()
	for py := range h {
		y := (float64(h)-float64(py)-0.5)/float64(h)*float64(g.NY) - 0.5
		j := int(math.Floor(y))
		fy := y - float64(j)
		for px := range w {
			x := (float64(px)+0.5)/float64(w)*float64(g.NX) - 0.5
			i := int(math.Floor(x))
			fx := x - float64(i)
			u := (1-fy)*((1-fx)*at(i, j)+fx*at(i+1, j)) + fy*((1-fx)*at(i, j+1)+fx*at(i+1, j+1))
			f.img.SetRGBA(a.rect.Min.X+px, a.rect.Min.Y+py, scale.colors.at(u))
		}
	}
	f.touched(a.rect)
	if scale.colors.ownGround() {
		f.keep(a.rect)
	}
}
