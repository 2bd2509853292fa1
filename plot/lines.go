package plot

import (
	"fmt"
	"io"
	"math"
)

// LineOptions are the options of Lines.
type LineOptions struct {
	Options
	// XName and YName stand at the axes. Empty: x and y.
	XName, YName string
	// LinearX and LinearY make an axis linear. The default is logarithmic.
	LinearX, LinearY bool
	// Floors are drawn as dashed lines across.
	Floors []Floor
}

// Lines writes a picture of curves through few points, with a mark at each, on axes
// that are both logarithmic unless said otherwise: a power law is a straight line,
// and its exponent the slope. Names stand beside the ends of the curves. A curve that lies
// on an earlier one is dashed over it. Every value on a logarithmic axis must be positive,
// and each X increase. Options.Truth is one value of x, which is marked upwards.
// Options.Columns, Names, Style and Stretch are not used.
func Lines(w io.Writer, series []Series, o LineOptions) error {
	opt, err := o.resolve(2.7, 160)
	if err != nil {
		return err
	}
	lim, err := o.span(series)
	if err != nil {
		return err
	}
	if !o.Limits.zero() {
		if lim = o.Limits; !o.LinearX && lim.XMin <= 0 || !o.LinearY && lim.YMin <= 0 {
			return fmt.Errorf("plot: lines: %w: limits %+v on a logarithmic axis; want them above 0", ErrOptions, lim)
		}
	}
	var entries []entry
	for _, s := range series {
		entries = append(entries, entry{name: s.Name})
	}
	for _, l := range o.Floors {
		entries = append(entries, entry{name: l.Name})
	}
	xName, yName := or(o.XName, "x"), or(o.YName, "y")
	f := newFigure(opt, layout{
		beside: entries,
		rows:   1, cols: 1, w: int(1.65 * float64(opt.side())), h: opt.side(), title: opt.Title, note: opt.truthNote(),
		logX: !o.LinearX, logY: !o.LinearY, xNames: []string{xName}, yNames: []string{yName},
		lim: func(int, int) Limits { return lim },
	})
	a := f.panels[0][0]
	f.gridLines(a)
	if o.Truth != nil {
		f.truth(a, o.Truth[0], math.NaN(), inkAxis)
	}
	entries = f.floors(a, o.Floors)
	entries = append(entries, f.series(a, series)...)
	f.frame(0, 0, "", edge{left: true, bottom: true})
	f.labelEnds(entries)
	return f.encode(w)
}

func or(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return name
}

// series draws curves with their bands, and returns the entries of those with names.
func (f *figure) series(a axes, series []Series) (entries []entry) {
	looks := seriesLooks(series)
	curves := make([][][2]float64, len(series))
	for k, s := range series {
		curves[k] = a.place(s.X, s.Y)
		f.band(a, s, looks[k].color, bandInk/math.Sqrt(float64(len(series))))
	}
	covers, covered := under(curves, f.px(1))
	for k, xy := range curves {
		width, dash := curveWidth, dashes(nil)
		switch {
		case series[k].Neutral:
			width, dash = 1, dotted
		case covers[k]:
			dash = dashed
		case covered[k]:
			width = underWidth
		}
		f.strokeLine(a, looks[k].color, width, dash, xy)
		if series[k].Name != "" {
			at := xy[len(xy)-1][1] - float64(a.rect.Min.Y)
			entries = append(entries, entry{series[k].Name, looks[k], dash, !series[k].Bare, at})
		}
	}
	for k, xy := range curves { // marks lie above all lines
		if !series[k].Bare {
			f.marksAlong(a, xy, looks[k])
		}
	}
	return entries
}

// span checks the series and returns the limits that hold them, with a little air.
func (o LineOptions) span(series []Series) (Limits, error) {
	lim := Limits{math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)}
	for k, s := range series {
		if len(s.X) != len(s.Y) || len(s.X) == 0 || s.SD != nil && len(s.SD) != len(s.Y) {
			return lim, fmt.Errorf("plot: series %d %q: %w: %d places and %d deviations for %d values", k, s.Name,
				ErrShape, len(s.X), len(s.SD), len(s.Y))
		}
		for i, x := range s.X {
			y := s.Y[i]
			bad := !o.LinearX && !(x > 0) || !o.LinearY && !(y > 0) || math.IsInf(x, 0) || math.IsInf(y, 0) ||
				math.IsNaN(x+y)
			if bad || i > 0 && x <= s.X[i-1] {
				return lim, fmt.Errorf("plot: series %d %q: %w: point %d is (%v, %v); want finite numbers, "+
					"positive on a logarithmic axis, and X increasing", k, s.Name, ErrOptions, i, x, y)
			}
			lo, hi := y, y
			if s.SD != nil {
				if !(s.SD[i] >= 0) || math.IsInf(s.SD[i], 0) {
					return lim, fmt.Errorf("plot: series %d %q: %w: deviation %d is %v; want 0 or more", k, s.Name,
						ErrOptions, i, s.SD[i])
				}
				if hi += s.SD[i]; o.LinearY || y-s.SD[i] > y/3 { // one that reaches to 0 must not take the axis along
					lo -= s.SD[i]
				}
			}
			lim = Limits{min(lim.XMin, x), max(lim.XMax, x), min(lim.YMin, lo), max(lim.YMax, hi)}
		}
	}
	if len(series) == 0 {
		return lim, fmt.Errorf("plot: lines: %w: no series", ErrEmpty)
	}
	if err := o.checkTruth(1); err != nil {
		return lim, err
	}
	if o.Truth != nil {
		if !o.LinearX && o.Truth[0] <= 0 {
			return lim, fmt.Errorf("plot: lines: %w: a truth of %v on a logarithmic axis; want it above 0", ErrOptions,
				o.Truth[0])
		}
		lim.XMin, lim.XMax = min(lim.XMin, o.Truth[0]), max(lim.XMax, o.Truth[0])
	}
	for _, l := range o.Floors {
		if err := l.check(!o.LinearY); err != nil {
			return lim, err
		}
		lim.YMin, lim.YMax = min(lim.YMin, l.Y), max(lim.YMax, l.Y)
	}
	lim.XMin, lim.XMax = airy(lim.XMin, lim.XMax, o.LinearX)
	lim.YMin, lim.YMax = airy(lim.YMin, lim.YMax, o.LinearY)
	return lim, nil
}

// airy widens an interval of an axis a little; a single value, on a logarithmic
// axis, to a factor of four.
func airy(lo, hi float64, linear bool) (float64, float64) {
	if linear {
		air := 0.05 * (hi - lo)
		if lo == hi {
			air = max(1, math.Abs(lo)/2)
		}
		return lo - air, hi + air
	}
	air := math.Pow(hi/lo, 0.05)
	if lo == hi {
		air = 2
	}
	return lo / air, hi * air
}
