package plot

import (
	"cmp"
	"image"
	"math"
	"slices"
)

// entry is a line of a legend.
type entry struct {
	name string
	look look
	line dashes
	// marked draws the mark of the look over the line.
	marked bool
	// at is the height of the line's end, in pixels below the panel's top; entries stand as
	// near to theirs as they can.
	at float64
}

// dashes is how a line is dashed, in points; nil is a whole line.
type dashes []float64

// The dashes of lines that lie upon others, and of levels that nothing can pass.
var (
	dashed = dashes{5, 3}
	dotted = dashes{2, 2}
)

// Distances of a legend in points: gap before it, and room for its keys.
const legendGap, legendKey = 8.0, 20.0

// labelEnds writes the names of lines beside the last panel of the top row, each as near as
// possible to the height where its line ends.
func (f *figure) labelEnds(entries []entry) {
	last := f.panels[0][f.cols-1].rect
	left := float64(last.Max.X) + f.px(legendGap)
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(a.at, b.at) })
	want := make([]float64, len(entries))
	for k, e := range entries {
		want[k] = e.at
	}
	for k, y := range spread(want, f.px(sizeTick+4), f.px(6), float64(last.Dy())-f.px(6)) {
		f.entry(left, float64(last.Min.Y)+y, entries[k])
	}
}

// spread moves rising heights apart to at least gap, as little as it can, and keeps them
// within [lo, hi] if they fit.
func spread(want []float64, gap, lo, hi float64) []float64 {
	// Of numbers less their index times gap, the nearest rising ones: pool neighbours in the
	// wrong order, each pool at its mean.
	type pool struct {
		sum float64
		n   int
	}
	var pools []pool
	for k, v := range want {
		v = min(max(v, lo), hi)
		pools = append(pools, pool{v - float64(k)*gap, 1})
		for n := len(pools); n > 1; n = len(pools) {
			a, b := pools[n-2], pools[n-1]
			if a.sum/float64(a.n) <= b.sum/float64(b.n) {
				break
			}
			pools = append(pools[:n-2], pool{a.sum + b.sum, a.n + b.n})
		}
	}
	var out []float64
	most := hi - float64(len(want)-1)*gap
	for _, p := range pools {
		for range p.n {
			out = append(out, max(min(p.sum/float64(p.n), most), lo)+float64(len(out))*gap)
		}
	}
	return out
}

// entry draws one line of a legend whose key begins at left.
func (f *figure) entry(left, mid float64, e entry) {
	wide := f.px(legendKey - 5)
	f.polyline(e.look.color, curveWidth, e.line, [][2]float64{{left, mid}, {left + wide, mid}})
	if e.marked {
		f.mark(left+wide/2, mid, f.px(markSize), e.look)
	}
	f.text(left+f.px(legendKey), mid+f.px(0.36*sizeTick), e.name, textStyle{size: sizeTick, color: inkText})
}

// legend writes the entries, right-aligned, from (x, y) downwards. The text is
// set on a veil so that it can be read over data.
func (f *figure) legend(x, y float64, entries []entry) {
	line := f.px(sizeTick + 4)
	widest := 0.0
	for _, e := range entries {
		widest = max(widest, f.width(e.name, sizeTick))
	}
	left := x - widest - f.px(legendKey)
	for k, e := range entries {
		top := y + float64(k)*line
		f.veil(image.Rect(int(left-f.px(3)), int(top), int(x+f.px(2)), int(math.Ceil(top+line))))
		f.entry(left, top+line/2, e)
	}
}

// veil whitens what lies in r.
func (c *canvas) veil(r image.Rectangle) {
	r = r.Intersect(c.img.Rect)
	for j := r.Min.Y; j < r.Max.Y; j++ {
		for i := r.Min.X; i < r.Max.X; i++ {
			c.img.SetRGBA(i, j, mix(c.img.RGBAAt(i, j), white, 0.8))
		}
	}
	c.touched(r)
}
