package plot

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"

	"flowmatch/flow"
)

// Numbers of shades in the palette of an animation. Few shades make long runs
// of equal pixels and so a small file; a GIF has 256 colours at most.
const (
	shadesDots = 9 // of each colour
	shadesHeat = 46
	shadesGrey = 18
)

// destinations is the number of groups that points are coloured by, each by where it ends.
const destinations = 8

// trail is how many frames back a point's trail reaches, and trailInk how opaque it begins.
const (
	trail    = 4
	trailInk = 0.35
)

// animation is what all frames share. The palette holds the shades of the data
// first, from the empty ground to full, and then the greys of the axes, from
// white to ink: so a pixel's colour is chosen by its shade, not by a search.
type animation struct {
	fig     *figure
	flows   []Flow
	groups  [][]uint8 // of each flow, the group of each point
	palette color.Palette
	greys   int // where they begin in the palette
	shades  int // of one colour of the data
	heat    bool
	top     []float64 // of each flow, the density per pixel at the brightest shade
	ground  *image.Paletted
}

func newAnimation(o Options, d int, flows []Flow) *animation {
	a := &animation{heat: d > 1 && o.heat(flows[0].Frames[0].N), flows: flows, shades: shadesDots}
	a.colours(o.Dark)
	var lim Limits
	wide := o.side()
	high := wide * 2 / 3
	names := []string{o.name(0), "density"}
	if d == 1 {
		lim = o.lineLimits(flows, wide)
	} else {
		wide, high, lim = o.panel(o.tight(flows))
		i, j := o.columns(d)
		names = []string{o.name(i), o.name(j)}
	}
	a.fig = newFigure(o, layout{
		rows: 1, cols: len(flows), w: wide, h: high, gap: 14, title: o.Title, panelTitle: true,
		xNames: slices.Repeat(names[:1], len(flows)), yNames: names[1:],
		lim: func(int, int) Limits { return lim },
	})
	for k, fl := range flows {
		end := fl.Frames[len(fl.Frames)-1]
		switch {
		case d == 1:
			a.groups = append(a.groups, nil)
		case a.heat:
			p := slices.Sorted(slices.Values(smoothHist(a.fig.panels[0][k], end).p))
			top := quantile(p, 0.995)
			if top <= 0 {
				top = max(p[len(p)-1], 1/float64(len(p)))
			}
			a.top = append(a.top, top)
		default:
			a.groups = append(a.groups, neighbours(end, destinations))
		}
		a.fig.frame(0, k, "", edge{left: k == 0, bottom: true})
	}
	a.ground = image.NewPaletted(a.fig.img.Rect, a.palette)
	a.grey(a.ground, a.ground.Rect)
	return a
}

// colours fills the palette.
func (a *animation) colours(dark bool) {
	if a.heat {
		a.shades = shadesHeat
		for k := range a.shades {
			a.palette = append(a.palette, magma.at(float64(k)/float64(a.shades-1)))
		}
	} else {
		for g := range destinations {
			for k := range a.shades {
				a.palette = append(a.palette, mix(white, category(g), float64(k)/float64(a.shades-1)))
			}
		}
	}
	a.greys = len(a.palette)
	for k := range shadesGrey {
		a.palette = append(a.palette, mix(white, inkText, float64(k)/(shadesGrey-1)))
	}
	for k, c := range a.palette {
		if light, ok := c.(color.RGBA); ok && dark && (k >= a.greys || !a.heat) {
			a.palette[k] = opposite(light)
		}
	}
}

// tight returns the limits that hold all of where the points end, and 98 % of where they start.
func (o Options) tight(flows []Flow) Limits {
	if !o.Limits.zero() {
		return o.Limits
	}
	l := Limits{math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)}
	for _, fl := range flows {
		end := fl.Frames[len(fl.Frames)-1]
		for j, ends := range [2][2]*float64{{&l.XMin, &l.XMax}, {&l.YMin, &l.YMax}} {
			lo, hi := span(j, end)
			q0, q1 := quantiles(fl.Frames[0], j, 0.02)
			*ends[0], *ends[1] = min(*ends[0], lo, q0), max(*ends[1], hi, q1)
		}
	}
	return l
}

// lineLimits are those of densities of points of the line over w pixels.
func (o Options) lineLimits(flows []Flow, w int) Limits {
	l := o.Limits
	if !l.zero() {
		return l
	}
	l.XMin, l.XMax = math.Inf(1), math.Inf(-1)
	for _, fl := range flows {
		lo, hi := span(0, fl.Frames[0], fl.Frames[len(fl.Frames)-1])
		l.XMin, l.XMax = min(l.XMin, lo), max(l.XMax, hi)
	}
	for _, fl := range flows {
		for _, b := range fl.Frames {
			l.YMax = max(l.YMax, 1.08*slices.Max(lineDensity(b, l, w)))
		}
	}
	return l
}

// lineDensity is the density of points of the line at each of w pixels, smoothed over 1 % of
// them.
func lineDensity(b flow.Batch, l Limits, w int) []float64 {
	m := &heatmap{w: w, h: 1, p: make([]float64, w)}
	unit := float64(w) / (l.XMax - l.XMin)
	for _, v := range b.X {
		m.add((v-l.XMin)*unit, 0.5, unit/float64(b.N))
	}
	tmp := slices.Clone(m.p)
	convolve(m.p, tmp, 1, w, w, 1, bell(max(0.01*float64(w), 1)))
	return m.p
}

// grey copies the axes and texts within r into img, in shades of grey.
func (a *animation) grey(img *image.Paletted, r image.Rectangle) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			ink := float64(white.R-a.fig.img.RGBAAt(x, y).R) / float64(white.R-inkText.R)
			img.SetColorIndex(x, y, uint8(a.greys)+uint8(min(ink, 1)*(shadesGrey-1)+0.5))
		}
	}
}

// frame draws moment k; progress goes from 0 to 1 over the animation.
func (a *animation) frame(k int, t, progress float64) *image.Paletted {
	img := image.NewPaletted(a.ground.Rect, a.palette)
	copy(img.Pix, a.ground.Pix)
	for n, fl := range a.flows {
		ax := a.fig.panels[0][n]
		a.head(img, ax.rect, fl.Title, t, progress)
		switch {
		case fl.Frames[k].D == 1:
			a.line(img, ax, fl.Frames[k])
		case a.heat:
			m := smoothHist(ax, fl.Frames[k])
			for i, p := range m.p {
				shade := math.Sqrt(min(p/a.top[n], 1))
				img.SetColorIndex(ax.rect.Min.X+i%m.w, ax.rect.Min.Y+i/m.w, uint8(shade*float64(a.shades-1)+0.5))
			}
		default:
			a.dots(img, ax, fl.Frames, k, a.groups[n])
		}
	}
	return img
}

// head writes the time above a panel, and draws how far it is.
func (a *animation) head(img *image.Paletted, r image.Rectangle, title string, t, progress float64) {
	f := a.fig
	high := int(math.Round(f.px(sizePanel + 5)))
	label := image.Rect(r.Min.X, r.Min.Y-high, r.Max.X, r.Min.Y-f.hair())
	f.fill(label, white)
	text := fmt.Sprintf("t = %.2f", t)
	if title != "" {
		text = title + ", " + text
	}
	f.text(float64(r.Min.X+r.Max.X)/2, float64(r.Min.Y)-f.px(5), text,
		textStyle{size: sizePanel, align: 0.5, color: inkText})
	a.grey(img, label)
	thick := max(2, int(f.px(1.6)))
	right := r.Min.X + int(math.Round(progress*float64(r.Dx())))
	for y := label.Max.Y - thick; y < label.Max.Y; y++ {
		for x := r.Min.X; x < right; x++ {
			img.SetColorIndex(x, y, uint8(a.greys+shadesGrey*2/3))
		}
	}
}

// line draws the density of points of the line.
func (a *animation) line(img *image.Paletted, ax axes, b flow.Batch) {
	p := lineDensity(b, ax.lim, ax.rect.Dx())
	thick := int(math.Ceil(a.fig.px(1.2)))
	for i, v := range p {
		top, next := ax.y(v), ax.y(p[min(i+1, len(p)-1)])
		from, to := min(top, next), max(top, next)+float64(thick)
		for j := max(0, int(from)); j < ax.rect.Dy(); j++ {
			shade := a.shades / 3
			if float64(j) < to {
				shade = a.shades - 1
			}
			img.SetColorIndex(ax.rect.Min.X+i, ax.rect.Min.Y+j, uint8(shade))
		}
	}
}

// dots draws points in the colours of their groups, with their trails below.
func (a *animation) dots(img *image.Paletted, ax axes, frames []flow.Batch, k int, groups []uint8) {
	w, h := ax.rect.Dx(), ax.rect.Dy()
	c := &coloured{layer: newLayer(w, h), group: make([]uint8, w*h)}
	radius, alpha := dotStyle(frames[k].N, float64(w)/a.fig.dpi)
	r := max(a.fig.px(radius), 1)
	at := func(m, i int) (x, y float64) { return ax.x(frames[m].X[2*i]), ax.y(frames[m].X[2*i+1]) }
	for m := max(1, k-trail+1); m <= k && k < len(frames)-1; m++ { // points that have arrived leave none
		ink := trailInk * alpha * (1 - float64(k-m)/trail)
		for i, g := range groups {
			x0, y0 := at(m-1, i)
			x1, y1 := at(m, i)
			c.segment(x0, y0, x1, y1, 0.45*r, ink, g)
		}
	}
	for i, g := range groups {
		x, y := at(k, i)
		c.segment(x, y, x, y, r, min(1, 1.3*alpha), g)
	}
	for i, t := range c.through {
		shade := uint8((1-t)*float64(a.shades-1) + 0.5)
		img.SetColorIndex(ax.rect.Min.X+i%w, ax.rect.Min.Y+i/w, c.group[i]*uint8(a.shades)+shade)
		if shade == 0 {
			img.SetColorIndex(ax.rect.Min.X+i%w, ax.rect.Min.Y+i/w, 0) // one white for all: long runs
		}
	}
}

// coloured is a layer whose pixels have the colour of what was drawn on them last.
type coloured struct {
	*layer
	group []uint8
}

// segment adds a line of half-width r; of one point it is a dot.
func (c *coloured) segment(ax, ay, bx, by, r, alpha float64, group uint8) {
	i0, i1, j0, j1 := box(c.w, c.h, min(ax, bx)-r-1, max(ax, bx)+r+1, min(ay, by)-r-1, max(ay, by)+r+1)
	dx, dy := bx-ax, by-ay
	norm := dx*dx + dy*dy
	for j := j0; j < j1; j++ {
		for i := i0; i < i1; i++ {
			px, py := float64(i)+0.5-ax, float64(j)+0.5-ay
			u := 0.0
			if norm > 0 {
				u = min(max((px*dx+py*dy)/norm, 0), 1)
			}
			px, py = px-u*dx, py-u*dy
			if px*px+py*py >= (r+0.5)*(r+0.5) {
				continue
			}
			ink := alpha * min(r+0.5-math.Sqrt(px*px+py*py), 1)
			k := j*c.w + i
			if c.through[k] *= 1 - ink; ink > 0.5*alpha {
				c.group[k] = group
			}
		}
	}
}

// neighbours splits points of the plane into at most n groups of those that lie together, and
// returns the group of each: k-means from centres that lie far apart (Gonzalez 1985).
func neighbours(xy flow.Batch, n int) []uint8 {
	group := make([]uint8, xy.N)
	centres := [][2]float64{{xy.X[0], xy.X[1]}}
	nearest := func(i int) (g int, d float64) {
		d = math.Inf(1)
		for k, c := range centres {
			if e := math.Hypot(xy.X[2*i]-c[0], xy.X[2*i+1]-c[1]); e < d {
				g, d = k, e
			}
		}
		return g, d
	}
	for len(centres) < min(n, xy.N) {
		far, most := 0, -1.0
		for i := range xy.N {
			if _, d := nearest(i); d > most {
				far, most = i, d
			}
		}
		centres = append(centres, [2]float64{xy.X[2*far], xy.X[2*far+1]})
	}
	const rounds = 30
	for range rounds {
		sums, counts := make([][2]float64, len(centres)), make([]float64, len(centres))
		for i := range xy.N {
			g, _ := nearest(i)
			group[i] = uint8(g)
			sums[g][0], sums[g][1] = sums[g][0]+xy.X[2*i], sums[g][1]+xy.X[2*i+1]
			counts[g]++
		}
		for g, c := range counts {
			if c > 0 {
				centres[g] = [2]float64{sums[g][0] / c, sums[g][1] / c}
			}
		}
	}
	return group
}
