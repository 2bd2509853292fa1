package plot

import (
	"fmt"
	"io"
	"math"
	"slices"

	"flowmatch/flow"
)

// arrowsAcross is the number of arrows along a side of a panel.
const arrowsAcross = 21

// Field writes a PNG of the velocity v_t(x) of a field on R^2 as arrows, one
// panel for each time t in [0,1]. Arrows start at the lattice points, point
// along v, and are longer and brighter where |v| is larger; all panels share
// the scale, whose bar is drawn. Options.Limits zero means [-4,4]²; Columns and
// Style are not used. An error of the field is returned.
func Field(w io.Writer, f flow.Field, times []float64, o Options) error {
	o, err := o.resolve(3, 160)
	if err != nil {
		return err
	}
	if len(times) == 0 {
		return fmt.Errorf("plot: field: %w: no times", ErrEmpty)
	}
	if f.Dim() != 2 {
		return fmt.Errorf("plot: field: %w: a field on R^%d; arrows are drawn for D=2 only", ErrShape, f.Dim())
	}
	if o.Limits.zero() {
		o.Limits = Limits{-4, 4, -4, 4}
	}
	if !o.Stretch {
		o.Limits = o.Limits.square()
	}
	x, err := Grid{Limits: o.Limits, NX: arrowsAcross, NY: arrowsAcross}.Points()
	if err != nil {
		return err
	}
	speeds := make([]float64, 0, len(times)*x.N)
	fields := make([][]float64, len(times))
	for k, t := range times {
		if !(t >= 0 && t <= 1) {
			return fmt.Errorf("plot: field: %w: t=%v; want 0 to 1", ErrOptions, t)
		}
		fields[k] = make([]float64, len(x.X))
		if err := f.Velocity(fields[k], t, x.X); err != nil {
			return fmt.Errorf("plot: field at t=%v: %w", t, err)
		}
		if err := checkBatch(fmt.Sprintf("velocity at t=%v", t), flow.Batch{N: x.N, D: 2, X: fields[k]}); err != nil {
			return err
		}
		for i := range x.N {
			speeds = append(speeds, math.Hypot(fields[k][2*i], fields[k][2*i+1]))
		}
	}
	slices.Sort(speeds)
	top := quantile(speeds, 0.98) // a singular corner must not shorten all other arrows
	if top <= 0 {
		top = 1
	}
	fig := newFigure(o, layout{
		rows: 1, cols: len(times), w: o.side(), h: o.side(), gap: 14, title: o.Title, panelTitle: true,
		xNames: slices.Repeat([]string{o.name(0)}, len(times)), yNames: []string{o.name(1)},
		bar: &bar{viridis, 0, top, "|v|"},
		lim: func(int, int) Limits { return o.Limits },
	})
	for k, t := range times {
		fig.arrows(fig.panels[0][k], x, fields[k], top)
		fig.frame(0, k, fmt.Sprintf("t = %.3g", t), edge{left: k == 0, bottom: true})
	}
	return fig.encode(w)
}

// arrows draws v at points x; an arrow of speed top is nearly a cell long.
func (f *figure) arrows(a axes, x flow.Batch, v []float64, top float64) {
	cell := float64(a.rect.Dx()) / arrowsAcross
	scaleX, scaleY := a.x(a.lim.XMin+1), float64(a.rect.Dy())-a.y(a.lim.YMin+1)
	for i := range x.N {
		// The direction as it looks in the picture: pixels, y downwards.
		dx, dy := v[2*i]*scaleX, -v[2*i+1]*scaleY
		norm := math.Hypot(dx, dy)
		if norm == 0 {
			continue
		}
		u := min(math.Hypot(v[2*i], v[2*i+1])/top, 1)
		length := cell * (0.25 + 0.75*u)
		px, py := float64(a.rect.Min.X)+a.x(x.X[2*i]), float64(a.rect.Min.Y)+a.y(x.X[2*i+1])
		f.arrow(px, py, dx/norm, dy/norm, length, cell, u)
	}
}

// arrow draws one arrow centred at (x, y) along the unit vector (dx, dy), all in
// pixels, as a single outline so that shaft and head join without a seam.
func (f *figure) arrow(x, y, dx, dy, length, cell, u float64) {
	half, head, wide := 0.035*cell, min(0.38*cell, 0.75*length), 0.15*cell
	at := func(along, across float64) [2]float64 {
		return [2]float64{x + along*dx - across*dy, y + along*dy + across*dx}
	}
	tail, tip := -length/2, length/2
	neck := tip - head
	// 0.92: the brightest yellow would vanish on white.
	f.polygon(viridis.at(0.92*u),
		at(tail, half), at(neck, half), at(neck-0.1*head, wide), at(tip, 0),
		at(neck-0.1*head, -wide), at(neck, -half), at(tail, -half))
}
