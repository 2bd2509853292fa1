package plot

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"

	"flowmatch/flow"
)

// arrowsAcross is the number of arrows along the longer side of a panel.
const arrowsAcross = 17

// FieldOptions are the options of Field.
type FieldOptions struct {
	Options
	// Points are, for each time, points of the plane as the flow has them then. Their density
	// is the ground of the panel, and arrows where there are few of them fade. nil: no ground,
	// and all arrows alike.
	Points []flow.Batch
}

// faintest is the opacity of an arrow where no points are.
const faintest = 0.15

// Field writes a picture of the velocity v_t(x) of a field on R^2 as arrows, one
// panel for each time t in [0,1]. Arrows stand at the lattice points, point
// along v, and are longer and brighter where |v| is larger; all panels share
// the scale, whose bar is drawn. Options.Limits zero means [-4,4]²; Columns and
// Style are not used. An error of the field is returned.
func Field(w io.Writer, f flow.Field, times []float64, o FieldOptions) error {
	opt, err := o.resolve(2.3, 160)
	if err != nil {
		return err
	}
	if len(times) == 0 {
		return fmt.Errorf("plot: field: %w: no times", ErrEmpty)
	}
	if f.Dim() != 2 {
		return fmt.Errorf("plot: field: %w: a field on R^%d; arrows are drawn for D=2 only", ErrShape, f.Dim())
	}
	if o.Points != nil && len(o.Points) != len(times) {
		return fmt.Errorf("plot: field: %w: points at %d times for %d", ErrShape, len(o.Points), len(times))
	}
	if opt.Limits.zero() {
		opt.Limits = Limits{-4, 4, -4, 4}
	}
	wide, high, lim := opt.panel(opt.Limits)
	cell := float64(max(wide, high)) / arrowsAcross
	across := func(side int) int { return max(2, int(float64(side)/cell+0.5)) }
	x, err := Grid{Limits: lim, NX: across(wide), NY: across(high)}.Points()
	if err != nil {
		return err
	}
	fields, top, err := velocities(f, times, x)
	if err != nil {
		return err
	}
	note := "Arrows: the velocity of a point there. Longer and redder: faster."
	if o.Points != nil {
		note += " Shading: where the points are at time t."
	}
	fig := newFigure(opt, layout{
		rows: 1, cols: len(times), w: wide, h: high, gap: 14, title: opt.Title, panelTitle: true, note: note,
		xNames: slices.Repeat([]string{opt.name(0)}, len(times)), yNames: []string{opt.name(1)},
		bar: &bar{hours, 0, top, "|v|"},
		lim: func(int, int) Limits { return lim },
	})
	for k, t := range times {
		a := fig.panels[0][k]
		opacity := func(x, y float64) float64 { return 1 }
		if o.Points != nil {
			if err := checkBatch(fmt.Sprintf("points at t=%v", t), o.Points[k]); err != nil {
				return err
			}
			if o.Points[k].D != 2 {
				return fmt.Errorf("plot: field: %w: points of D=%d at t=%v; want 2", ErrShape, o.Points[k].D, t)
			}
			opacity = fig.ground(a, o.Points[k])
		}
		fig.arrows(a, x, fields[k], cell, top, opacity)
		fig.frame(0, k, fmt.Sprintf("t = %.3g", t), edge{left: k == 0, bottom: true})
	}
	return fig.encode(w)
}

// velocities returns the field at points x at all times, and the speed that is the top of the
// scale.
func velocities(f flow.Field, times []float64, x flow.Batch) (fields [][]float64, top float64, err error) {
	speeds := make([]float64, 0, len(times)*x.N)
	fields = make([][]float64, len(times))
	for k, t := range times {
		if !(t >= 0 && t <= 1) {
			return nil, 0, fmt.Errorf("plot: field: %w: t=%v; want 0 to 1", ErrOptions, t)
		}
		fields[k] = make([]float64, len(x.X))
		if err := f.Velocity(fields[k], t, x.X); err != nil {
			return nil, 0, fmt.Errorf("plot: field at t=%v: %w", t, err)
		}
		if err := checkBatch(fmt.Sprintf("velocity at t=%v", t), flow.Batch{N: x.N, D: 2, X: fields[k]}); err != nil {
			return nil, 0, err
		}
		for i := range x.N {
			speeds = append(speeds, math.Hypot(fields[k][2*i], fields[k][2*i+1]))
		}
	}
	slices.Sort(speeds)
	if top = quantile(speeds, 0.98); top <= 0 { // a singular corner must not shorten all other arrows
		top = 1
	}
	return fields, top, nil
}

// ground shades panel a by the density of points, and returns how opaque an arrow is at a
// place of the panel in pixels.
func (f *figure) ground(a axes, xy flow.Batch) func(x, y float64) float64 {
	m := smoothHist(a, xy)
	m.blur(0.02 * float64(min(m.w, m.h)))
	s := slices.Sorted(slices.Values(m.p))
	top := quantile(s, 0.99)
	if top <= 0 {
		top = max(s[len(s)-1], 1)
	}
	f.paint(a, m, top, haze)
	return func(x, y float64) float64 {
		i, j := min(max(int(x), 0), m.w-1), min(max(int(y), 0), m.h-1)
		return faintest + (1-faintest)*min(1, math.Sqrt(4*m.p[j*m.w+i]/top))
	}
}

// arrows draws v at points x; an arrow of speed top is nearly a cell long.
func (f *figure) arrows(a axes, x flow.Batch, v []float64, cell, top float64, opacity func(x, y float64) float64) {
	scaleX, scaleY := a.x(a.lim.XMin+1), float64(a.rect.Dy())-a.y(a.lim.YMin+1)
	for i := range x.N {
		// The direction as it looks in the picture: pixels, y downwards.
		dx, dy := v[2*i]*scaleX, -v[2*i+1]*scaleY
		norm := math.Hypot(dx, dy)
		if norm == 0 {
			continue
		}
		u := min(math.Hypot(v[2*i], v[2*i+1])/top, 1)
		px, py := a.x(x.X[2*i]), a.y(x.X[2*i+1])
		f.arrow(float64(a.rect.Min.X)+px, float64(a.rect.Min.Y)+py, dx/norm, dy/norm, cell*(0.25+0.75*u), cell,
			faded(hours.at(u), opacity(px, py)))
	}
}

// arrow draws one arrow centred at (x, y) along the unit vector (dx, dy), all in
// pixels, as a single outline so that shaft and head join without a seam.
func (f *figure) arrow(x, y, dx, dy, length, cell float64, c color.Color) {
	half, head, wide := 0.036*cell, min(0.4*cell, 0.75*length), 0.16*cell
	at := func(along, across float64) [2]float64 {
		return [2]float64{x + along*dx - across*dy, y + along*dy + across*dx}
	}
	tail, tip := -length/2, length/2
	neck := tip - head
	f.polygon(c,
		at(tail, half), at(neck, half), at(neck-0.1*head, wide), at(tip, 0),
		at(neck-0.1*head, -wide), at(neck, -half), at(tail, -half))
}
