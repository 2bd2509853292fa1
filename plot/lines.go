package plot

import (
	"fmt"
	"io"
	"math"
)

// LineOptions are the options of Lines.
type LineOptions struct {
	Options
	// XName and YName stand at the axes. Empty: no name.
	XName, YName string
	// LinearX and LinearY make an axis linear. The default is logarithmic.
	LinearX, LinearY bool
}

// Lines writes a PNG of curves through few points, with a dot at each, on axes
// that are both logarithmic unless said otherwise: a power law is a straight line,
// and its exponent the slope. Every value on a logarithmic axis must be positive,
// and each X increase.
// Options.Limits, Columns, Names, Style and Stretch are not used.
func Lines(w io.Writer, series []Series, o LineOptions) error {
	opt, err := o.resolve(2.7, 160)
	if err != nil {
		return err
	}
	lim := Limits{math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)}
	for k, s := range series {
		if len(s.X) != len(s.Y) || len(s.X) == 0 {
			return fmt.Errorf("plot: series %d %q: %w: %d places for %d values", k, s.Name, ErrShape,
				len(s.X), len(s.Y))
		}
		for i, x := range s.X {
			y := s.Y[i]
			bad := !o.LinearX && !(x > 0) || !o.LinearY && !(y > 0) || math.IsInf(x, 0) || math.IsInf(y, 0) ||
				math.IsNaN(x+y)
			if bad || i > 0 && x <= s.X[i-1] {
				return fmt.Errorf("plot: series %d %q: %w: point %d is (%v, %v); want finite numbers, "+
					"positive on a logarithmic axis, and X increasing", k, s.Name, ErrOptions, i, x, y)
			}
			lim = Limits{min(lim.XMin, x), max(lim.XMax, x), min(lim.YMin, y), max(lim.YMax, y)}
		}
	}
	if len(series) == 0 {
		return fmt.Errorf("plot: lines: %w: no series", ErrEmpty)
	}
	lim.XMin, lim.XMax = airy(lim.XMin, lim.XMax, o.LinearX)
	lim.YMin, lim.YMax = airy(lim.YMin, lim.YMax, o.LinearY)
	var entries []entry
	for k, s := range series {
		if s.Name != "" {
			entries = append(entries, entry{s.Name, category(k)})
		}
	}
	f := newFigure(opt, layout{
		beside: entries,
		rows:   1, cols: 1, w: int(1.65 * float64(opt.side())), h: opt.side(), title: opt.Title, logX: !o.LinearX,
		logY: !o.LinearY, xNames: []string{o.XName}, yNames: []string{o.YName},
		lim: func(int, int) Limits { return lim },
	})
	a := f.panels[0][0]
	f.gridLines(a)
	for k, s := range series {
		f.curve(a, curve{meanX: s.X, meanY: s.Y, dots: true}, k)
	}
	f.frame(0, 0, "", edge{left: true, bottom: true})
	return f.encode(w)
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
