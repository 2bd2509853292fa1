package plot

import (
	"fmt"
	"io"
	"math"
	"slices"
)

// LossOptions are the options of Loss.
type LossOptions struct {
	Options
	// Log makes the vertical axis logarithmic; then no value may be 0 or less.
	Log bool
	// Smooth is the standard deviation of the Gaussian window of the smoothed
	// line, as a share of the curve's length. 0 means 0.02; a negative value
	// draws the raw line only. Curves of less than 60 values are never smoothed.
	Smooth float64
	// XName and YName stand at the axes. Empty: "step" and "loss".
	XName, YName string
}

// smoothFrom is the number of values from which a curve is smoothed; shorter
// ones (the losses on held-out data) are drawn as lines with dots.
const smoothFrom = 60

// curve is a series as it is drawn: at most a few values a pixel.
type curve struct {
	rawX, rawY   []float64 // lowest and highest of each bucket
	meanX, meanY []float64 // mean of each bucket, smoothed
	dots         bool
}

// Loss writes a picture of loss curves: each long curve as a smoothed line over its
// faint raw values. The vertical limits cover the smoothed lines, 98 % of the raw values
// and their two ends; how many lie outside is written into the picture.
// Options.Columns, Names, Style and Stretch are not used.
func Loss(w io.Writer, series []Series, o LossOptions) error {
	opt, err := o.resolve(2.7, 160)
	if err != nil {
		return err
	}
	if len(series) == 0 {
		return fmt.Errorf("plot: loss: %w: no series", ErrEmpty)
	}
	wide := int(1.65 * float64(opt.side()))
	curves := make([]curve, len(series))
	for k, s := range series {
		if curves[k], err = o.reduce(fmt.Sprintf("series %d %q", k, s.Name), s, wide); err != nil {
			return err
		}
	}
	lim := opt.Limits
	if lim.zero() {
		lim = lossLimits(curves, o.Log)
	}
	if o.Log && lim.YMin <= 0 {
		return fmt.Errorf("plot: loss: %w: YMin is %v on a logarithmic axis", ErrOptions, lim.YMin)
	}
	var entries []entry
	for _, s := range series {
		entries = append(entries, entry{name: s.Name})
	}
	f := newFigure(opt, layout{
		rows: 1, cols: 1, w: wide, h: opt.side(), title: opt.Title, logY: o.Log, beside: entries,
		xNames: []string{or(o.XName, "step")}, yNames: []string{or(o.YName, "loss")},
		lim: func(int, int) Limits { return lim },
	})
	a := f.panels[0][0]
	f.gridLines(a)
	looks := seriesLooks(series)
	for k, c := range curves {
		f.strokeLine(a, faded(looks[k].color, 0.3), 0.6, nil, a.place(c.rawX, c.rawY))
	}
	entries = nil
	for k, c := range curves {
		e := f.curve(a, c, looks[k])
		if e.name = series[k].Name; e.name != "" {
			entries = append(entries, e)
		}
	}
	f.frame(0, 0, "", edge{left: true, bottom: true})
	f.labelEnds(entries)
	f.clipped(a, curves)
	return f.encode(w)
}

// reduce checks a series and prepares it for an area `wide` pixels across.
func (o LossOptions) reduce(what string, s Series, wide int) (curve, error) {
	x := s.X
	if x == nil {
		for i := range s.Y {
			x = append(x, float64(i))
		}
	}
	if len(x) != len(s.Y) {
		return curve{}, fmt.Errorf("plot: %s: %w: %d steps for %d values", what, ErrShape, len(x), len(s.Y))
	}
	finite := 0
	for i, v := range s.Y {
		if math.IsNaN(x[i]) || math.IsInf(x[i], 0) || i > 0 && x[i] < x[i-1] {
			return curve{}, fmt.Errorf("plot: %s: %w: X[%d] is %v; steps must be finite and must not decrease", what,
				ErrOptions, i, x[i])
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		if finite++; o.Log && v <= 0 {
			return curve{}, fmt.Errorf("plot: %s: %w: Y[%d] is %v on a logarithmic axis; unset Log", what,
				ErrOptions, i, v)
		}
	}
	if finite == 0 {
		return curve{}, fmt.Errorf("plot: %s: %w: none of its %d values is finite", what, ErrEmpty, len(s.Y))
	}
	c := bucket(x, s.Y, 2*wide)
	sd := o.Smooth
	if sd == 0 {
		sd = 0.02
	}
	if len(s.Y) < smoothFrom || sd < 0 {
		c.meanX, c.meanY, c.dots = x, s.Y, len(s.Y) < smoothFrom
		c.rawX, c.rawY = nil, nil
		if len(s.Y) > 2*wide {
			b := bucket(x, s.Y, 2*wide)
			c.meanX, c.meanY = b.rawX, b.rawY
		}
		return c, nil
	}
	c.meanY = smooth(c.meanY, sd*float64(len(c.meanY)))
	return c, nil
}

// bucket reduces n values to at most m buckets: of each its mean, and its lowest
// and highest value in the order in which they came. A bucket without a finite
// value is NaN.
func bucket(x, y []float64, m int) curve {
	n := len(y)
	m = min(m, n)
	var c curve
	for b := range m {
		i0, i1 := b*n/m, (b+1)*n/m
		lo, hi, sum, k := -1, -1, 0.0, 0
		for i := i0; i < i1; i++ {
			if math.IsNaN(y[i]) || math.IsInf(y[i], 0) {
				continue
			}
			if lo < 0 || y[i] < y[lo] {
				lo = i
			}
			if hi < 0 || y[i] > y[hi] {
				hi = i
			}
			sum, k = sum+y[i], k+1
		}
		mid := (x[i0] + x[i1-1]) / 2
		c.meanX, c.meanY = append(c.meanX, mid), append(c.meanY, sum/float64(k)) // 0/0 is the NaN wanted
		if k == 0 {
			c.rawX, c.rawY = append(c.rawX, mid), append(c.rawY, math.NaN())
			continue
		}
		c.rawX, c.rawY = append(c.rawX, x[min(lo, hi)]), append(c.rawY, y[min(lo, hi)])
		if lo != hi {
			c.rawX, c.rawY = append(c.rawX, x[max(lo, hi)]), append(c.rawY, y[max(lo, hi)])
		}
	}
	return c
}

// smooth returns the curve of local straight lines: at each value the line fitted
// to its neighbours, weighted by a Gaussian of sd values (Cleveland 1979). Unlike
// a moving mean it does not bend a falling curve at its ends. Towards the start the window
// narrows, so that a steep beginning stays as it was; towards the end, where neighbours are
// on one side only, it widens, so that the line does not follow the last few of them.
// NaN neighbours do not count, and a NaN stays one.
func smooth(y []float64, sd float64) []float64 {
	if sd < 0.5 {
		return y
	}
	out := make([]float64, len(y))
	for i := range y {
		if out[i] = y[i]; math.IsNaN(y[i]) {
			continue
		}
		at := sd * min(1, float64(i)/(3*sd))
		at *= 1 + max(0, 1-float64(len(y)-1-i)/(3*sd))
		reach := int(3 * at)
		var s0, s1, s2, t0, t1 float64 // Σw, Σwk, Σwk², Σwy, Σwky
		for j := max(i-reach, 0); j <= min(i+reach, len(y)-1); j++ {
			if v := y[j]; !math.IsNaN(v) {
				k := float64(j - i)
				w := math.Exp(-0.5 * k * k / max(at*at, 1e-9))
				s0, s1, s2, t0, t1 = s0+w, s1+w*k, s2+w*k*k, t0+w*v, t1+w*k*v
			}
		}
		if det := s0*s2 - s1*s1; det > 1e-9*s0*s2 { // else there is one neighbour only
			out[i] = (s2*t0 - s1*t1) / det
		}
	}
	return out
}

// lossLimits returns limits that hold the smooth curves and most raw values.
func lossLimits(curves []curve, log bool) Limits {
	l := Limits{math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)}
	for _, c := range curves {
		l.XMin, l.XMax = min(l.XMin, c.meanX[0]), max(l.XMax, c.meanX[len(c.meanX)-1])
		raw := finite(c.rawY)
		slices.Sort(raw)
		if len(raw) > 0 {
			l.YMin, l.YMax = min(l.YMin, quantile(raw, 0.01)), max(l.YMax, quantile(raw, 0.99))
		}
		for _, v := range finite(c.meanY) {
			l.YMin, l.YMax = min(l.YMin, v), max(l.YMax, v)
		}
	}
	high := l.YMax - l.YMin
	for _, c := range curves { // the two ends are what is looked for, if they do not flatten the rest
		if raw := finite(c.rawY); len(raw) > 0 {
			for _, v := range []float64{raw[0], raw[len(raw)-1]} {
				if log || v > l.YMin-high && v < l.YMax+high {
					l.YMin, l.YMax = min(l.YMin, v), max(l.YMax, v)
				}
			}
		}
	}
	if l.XMin == l.XMax {
		l.XMin, l.XMax = l.XMin-1, l.XMax+1
	}
	if log {
		air := math.Pow(max(l.YMax/l.YMin, 1.01), 0.05)
		l.YMin, l.YMax = l.YMin/air, l.YMax*air
		return l
	}
	air := 0.05 * (l.YMax - l.YMin)
	if air == 0 {
		air = max(0.1*math.Abs(l.YMax), 1e-3)
	}
	l.YMin, l.YMax = l.YMin-air, l.YMax+air
	return l
}

func finite(y []float64) []float64 {
	var out []float64
	for _, v := range y {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			out = append(out, v)
		}
	}
	return out
}

// gridLines draws faint lines at the labelled marks of the vertical axis.
func (f *figure) gridLines(a axes) {
	for _, k := range a.yTicks(f.canvas) {
		if k.label != "" {
			y := a.rect.Min.Y + int(math.Floor(a.y(k.at)-float64(f.hair())/2+0.5))
			r := a.rect
			r.Min.Y, r.Max.Y = y, y+f.hair()
			f.fill(r.Intersect(a.rect), inkGrid)
		}
	}
}

// curve draws the mean or smoothed line of one series, and returns its entry.
func (f *figure) curve(a axes, c curve, l look) entry {
	xy := a.place(c.meanX, c.meanY)
	f.strokeLine(a, l.color, curveWidth, nil, xy)
	if c.dots {
		f.marksAlong(a, xy, l)
	}
	at := 0.0
	for _, p := range xy {
		if y := p[1] - float64(a.rect.Min.Y); !math.IsNaN(y) {
			at = y
		}
	}
	return entry{look: l, marked: c.dots, at: at}
}

// clipped says below the curves how many values lie outside of the axes.
func (f *figure) clipped(a axes, curves []curve) {
	n, all := 0, 0
	for _, c := range curves {
		for _, v := range finite(c.rawY) {
			if all++; v < a.lim.YMin || v > a.lim.YMax {
				n++
			}
		}
	}
	if n > 0 {
		f.note(a, fmt.Sprintf("%d of %d raw values outside", n, all), inkFaint)
	}
}
