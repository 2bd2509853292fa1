package plot

import (
	"fmt"
	"image"
	"image/color"
	"math"
)

// Series is one curve: value Y[i] at X[i], in a picture of losses a step. X must not decrease; nil means
// 0, 1, 2, ... A NaN or infinite Y leaves a gap, so that a run that diverged can
// be looked at.
type Series struct {
	Name string
	X, Y []float64
	// SD draws a band of one standard deviation around the curve; nil: none, else one
	// number of 0 or more a value. Only in Lines.
	SD []float64
	// Bare draws no marks: for a curve that is known everywhere. Only in Lines.
	Bare bool
	// Neutral draws curve and band in grey: for what others are compared with. Only in Lines.
	Neutral bool
	// Style is the name by which the colour and the marks are chosen; empty means Name. The
	// methods of this library have theirs in every picture.
	Style string
}

// Floor is a level that no curve can pass, or that is worth knowing: a dashed line across.
type Floor struct {
	Name string
	Y    float64
}

// style is the name by which a series gets its look.
func (s Series) style() string {
	if s.Style != "" {
		return s.Style
	}
	return s.Name
}

// seriesLooks returns the look of each series.
func seriesLooks(series []Series) []look {
	names := make([]string, len(series))
	for k, s := range series {
		names[k] = s.style()
	}
	out := looks(names)
	for k, s := range series {
		if s.Neutral {
			out[k].color = inkAxis
		}
	}
	return out
}

// Widths of curves and the radius of their marks, in points; a curve of more values than
// mostMarks is marked at about so many.
const (
	curveWidth = 1.5
	underWidth = 3.2 // of a curve that another one covers
	markSize   = 2.2
	mostMarks  = 24
)

// clip returns the parts of the line through points that lie in r; a point that is not finite
// breaks the line.
func clip(r image.Rectangle, xy [][2]float64) (parts [][][2]float64) {
	open := false
	for k := 1; k < len(xy); k++ {
		p, q, ok := clipSegment(r, xy[k-1], xy[k])
		if !ok {
			open = false
			continue
		}
		if !open || p != xy[k-1] {
			parts = append(parts, [][2]float64{p})
		}
		n := len(parts) - 1
		parts[n] = append(parts[n], q)
		open = q == xy[k]
	}
	return parts
}

// clipSegment cuts a segment to r by the method of Liang and Barsky.
func clipSegment(r image.Rectangle, p, q [2]float64) (a, b [2]float64, ok bool) {
	for _, v := range [4]float64{p[0], p[1], q[0], q[1]} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return p, q, false
		}
	}
	lo, hi := 0.0, 1.0
	for d, ends := range [2][2]int{{r.Min.X, r.Max.X}, {r.Min.Y, r.Max.Y}} {
		from, step := p[d], q[d]-p[d]
		t0, t1 := (float64(ends[0])-from)/step, (float64(ends[1])-from)/step
		switch {
		case step == 0 && (from < float64(ends[0]) || from > float64(ends[1])):
			return p, q, false
		case step == 0:
			continue
		case t0 > t1:
			t0, t1 = t1, t0
		}
		lo, hi = max(lo, t0), min(hi, t1)
	}
	if lo > hi {
		return p, q, false
	}
	at := func(t float64) [2]float64 { return [2]float64{p[0] + t*(q[0]-p[0]), p[1] + t*(q[1]-p[1])} }
	a, b = p, q
	if lo > 0 {
		a = at(lo)
	}
	if hi < 1 {
		b = at(hi)
	}
	return a, b, true
}

// place returns where values are in the picture.
func (a axes) place(x, y []float64) [][2]float64 {
	out := make([][2]float64, len(x))
	for i := range x {
		out[i] = [2]float64{float64(a.rect.Min.X) + a.x(x[i]), float64(a.rect.Min.Y) + a.y(y[i])}
	}
	return out
}

// inside says whether a point of the picture lies in r or on its edge.
func inside(r image.Rectangle, p [2]float64) bool {
	return p[0] >= float64(r.Min.X) && p[0] <= float64(r.Max.X) && p[1] >= float64(r.Min.Y) && p[1] <= float64(r.Max.Y)
}

// strokeLine draws a line of the picture within panel a.
func (f *figure) strokeLine(a axes, c color.Color, width float64, dash dashes, xy [][2]float64) {
	for _, part := range clip(a.rect, xy) {
		f.polyline(c, width, dash, part)
	}
}

// faded is a colour that lets most of what lies below through.
func faded(c color.RGBA, alpha float64) color.NRGBA {
	return color.NRGBA{R: c.R, G: c.G, B: c.B, A: uint8(255*alpha + 0.5)}
}

// bandInk is how opaque the band of one curve is; of n curves it is less by the root of n, for
// they lie upon one another.
const bandInk = 0.26

// band fills one standard deviation to both sides of a curve.
func (f *figure) band(a axes, s Series, c color.RGBA, alpha float64) {
	if s.SD == nil {
		return
	}
	var edge [][2]float64
	add := func(i int, sign float64) {
		y := a.y(s.Y[i] + sign*s.SD[i])
		if math.IsNaN(y) { // below 0 on a logarithmic axis
			y = math.Inf(1)
		}
		x := float64(a.rect.Min.X) + a.x(s.X[i])
		edge = append(edge, [2]float64{x, float64(a.rect.Min.Y) + min(max(y, 0), float64(a.rect.Dy()))})
	}
	for i := range s.Y {
		add(i, 1)
	}
	for i := len(s.Y) - 1; i >= 0; i-- {
		add(i, -1)
	}
	f.polygon(faded(c, alpha), edge...)
}

// marks draws the marks of a curve; of a long one only some.
func (f *figure) marksAlong(a axes, xy [][2]float64, l look) {
	every := (len(xy) + mostMarks - 1) / mostMarks
	for i, p := range xy {
		if (i == 0 || (len(xy)-1-i)%every == 0) && inside(a.rect, p) { // both ends have marks
			f.mark(p[0], p[1], f.px(markSize), l)
		}
	}
}

// under says which curve lies so near to an earlier one that it would hide it: it is then
// drawn dashed, and the earlier one wide.
func under(curves [][][2]float64, near float64) (covers []bool, covered []bool) {
	covers, covered = make([]bool, len(curves)), make([]bool, len(curves))
	for k, c := range curves {
		for j, d := range curves[:k] {
			if !covers[j] && len(c) == len(d) && coincide(c, d, near) {
				covers[k], covered[j] = true, true
				break
			}
		}
	}
	return covers, covered
}

// coincide says whether two curves are nearly one in three of four places.
func coincide(c, d [][2]float64, near float64) bool {
	n := 0
	for i := range c {
		if math.Hypot(c[i][0]-d[i][0], c[i][1]-d[i][1]) <= near {
			n++
		}
	}
	return 4*n >= 3*len(c)
}

// floors draws levels, and returns their entries.
func (f *figure) floors(a axes, levels []Floor) (entries []entry) {
	for _, l := range levels {
		y := a.y(l.Y)
		at := float64(a.rect.Min.Y) + y
		f.strokeLine(a, inkAxis, 1, dotted, [][2]float64{{float64(a.rect.Min.X), at}, {float64(a.rect.Max.X), at}})
		entries = append(entries, entry{name: l.Name, look: look{color: inkAxis}, line: dotted, at: y})
	}
	return entries
}

// check reports a level that the axes cannot show.
func (l Floor) check(log bool) error {
	if math.IsNaN(l.Y) || math.IsInf(l.Y, 0) || log && l.Y <= 0 {
		return fmt.Errorf("plot: level %q: %w: it is at %v; want a finite number, positive on a logarithmic axis",
			l.Name, ErrOptions, l.Y)
	}
	return nil
}
