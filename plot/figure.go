package plot

import (
	"image"
	"image/color"
	"math"
	"slices"
	"strings"
)

// axes is one data area on the canvas and the rectangle of data it shows.
type axes struct {
	rect image.Rectangle
	lim  Limits

	logX, logY bool
	// labels stand at the heights n-1 ... 0 in the place of numbers.
	labels []string
}

// x returns the pixel position of data value v across, from the left of the area.
func (a axes) x(v float64) float64 {
	lo, hi := a.lim.XMin, a.lim.XMax
	if a.logX {
		lo, hi, v = math.Log(lo), math.Log(hi), math.Log(v)
	}
	return (v - lo) / (hi - lo) * float64(a.rect.Dx())
}

// y returns the pixel position of data value v, from the top of the area.
func (a axes) y(v float64) float64 {
	lo, hi := a.lim.YMin, a.lim.YMax
	if a.logY {
		lo, hi, v = math.Log(lo), math.Log(hi), math.Log(v)
	}
	return (hi - v) / (hi - lo) * float64(a.rect.Dy())
}

// xTicks and yTicks return the marks of the two axes; about one label every
// half inch is readable.
func (a axes) xTicks(c *canvas) []tick {
	if a.logX {
		return a.roomy(c, logTicks(a.lim.XMin, a.lim.XMax))
	}
	return ticks(a.lim.XMin, a.lim.XMax, min(max(2, int(float64(a.rect.Dx())/c.px(36))), 7))
}

// roomy takes away the labels across that have no room: powers of ten stay before fives and
// twos, and these before the rest.
func (a axes) roomy(c *canvas, marks []tick) []tick {
	var taken [][2]float64
	labelled := make([]bool, len(marks))
	for _, leading := range []string{"1", "52", "346789"} {
		for k, t := range marks {
			digits := strings.TrimLeft(strings.ReplaceAll(t.label, ".", ""), "0")
			if digits == "" || !strings.Contains(leading, digits[:1]) {
				continue
			}
			half := c.width(t.label, sizeTick)/2 + c.px(2)
			lo, hi := a.x(t.at)-half, a.x(t.at)+half
			free := func(other [2]float64) bool { return hi <= other[0] || lo >= other[1] }
			if !slices.ContainsFunc(taken, func(other [2]float64) bool { return !free(other) }) {
				labelled[k], taken = true, append(taken, [2]float64{lo, hi})
			}
		}
	}
	for k := range marks {
		if !labelled[k] {
			marks[k].label = ""
		}
	}
	return marks
}

func (a axes) yTicks(c *canvas) []tick {
	if a.labels != nil {
		out := make([]tick, len(a.labels))
		for k, name := range a.labels {
			out[k] = tick{float64(len(a.labels) - 1 - k), name}
		}
		return out
	}
	if a.logY {
		return logTicks(a.lim.YMin, a.lim.YMax)
	}
	return ticks(a.lim.YMin, a.lim.YMax, min(max(2, int(float64(a.rect.Dy())/c.px(36))), 7))
}

// layout says how a figure of equal panels is arranged. Lengths in points
// unless said otherwise.
type layout struct {
	rows, cols int
	w, h       int // data area of one panel, pixels
	gap        float64
	title      string
	note       string // a line below the picture
	panelTitle bool
	xNames     []string // one a column; empty names take no room
	yNames     []string // one a row
	rowNames   []string // of galleries: stand before the names of the axes
	bar        *bar     // colour scale, or nil
	lastBar    *bar     // of the last panel, if it has one of its own; bar is then of the others
	beside     []entry  // lines of a legend beside the panels, or none
	labels     []string // of rows of dots, in the place of numbers at the y axis
	upNames    []string // of the columns of a matrix, upwards below it, in the place of numbers
	lim        func(row, col int) Limits
	logX, logY bool
}

// figure is a canvas with panels laid out on it.
type figure struct {
	*canvas
	layout
	panels [][]axes
}

// margins are what a figure needs around its panels, in pixels; between is the room before the
// last panel for the colour bar of the others.
type margins struct{ left, right, top, bottom, between int }

// margins measures the texts of the layout.
func (l layout) margins(probe *canvas) (m margins) {
	px := func(pt float64) int { return int(math.Round(probe.px(pt))) }
	labels := 0.0
	for r := range l.rows {
		a := axes{rect: image.Rect(0, 0, l.w, l.h), lim: l.lim(r, 0), logX: l.logX, logY: l.logY,
			labels: l.labels}
		for _, t := range a.yTicks(probe) {
			labels = max(labels, probe.width(t.label, sizeTick))
		}
	}
	m.left = px(8+tickLen+2) + int(math.Ceil(labels))
	for _, names := range [][]string{l.yNames, l.rowNames} {
		if anyName(names) {
			m.left += px(sizeName + 5)
		}
	}
	m.top, m.bottom = px(7), px(6+tickLen+2+sizeTick)
	if l.title != "" {
		m.top += px(sizeTitle + 6)
	}
	if l.panelTitle {
		m.top += px(sizePanel + 3)
	}
	if l.upNames != nil {
		m.bottom = px(6 + tickLen + 2)
		widest := 0.0
		for _, name := range l.upNames {
			widest = max(widest, probe.width(name, sizeTick))
		}
		m.bottom += int(math.Ceil(widest))
	}
	if anyName(l.xNames) {
		m.bottom += px(sizeName + 4)
	}
	if l.note != "" {
		m.bottom += px(sizeTick + 5)
	}
	// The last tick label may stand half outside of the area.
	m.right = px(12)
	if l.bar != nil {
		m.right = px(6) + l.bar.room(probe, l.h)
	}
	if l.lastBar != nil {
		m.between, m.right = m.right, px(6)+l.lastBar.room(probe, l.h)
	}
	for _, e := range l.beside {
		m.right = max(m.right, px(legendGap+legendKey+7)+int(math.Ceil(probe.width(e.name, sizeTick))))
	}
	// What is written above and below must not run out of the picture.
	inner := l.cols*l.w + (l.cols-1)*px(l.gap) + m.between
	m.right = max(m.right, int(math.Ceil(probe.widthOf(l.title, sizeTitle, true)))+px(14)-m.left-inner,
		int(math.Ceil(probe.width(l.note, sizeTick)))+px(7)-inner)
	return m
}

// newFigure arranges the panels and sizes the canvas around them.
func newFigure(o Options, l layout) *figure {
	m := l.margins(newCanvas(1, 1, o.DPI, PNG))
	gap := int(math.Round(l.gap * float64(o.DPI) / 72))
	w := m.left + l.cols*l.w + (l.cols-1)*gap + m.between + m.right
	h := m.top + l.rows*l.h + (l.rows-1)*gap + m.bottom
	f := &figure{canvas: newCanvas(w, h, o.DPI, o.Format), layout: l}
	f.dark = o.Dark
	for r := range l.rows {
		row := make([]axes, l.cols)
		for k := range row {
			p := image.Pt(m.left+k*(l.w+gap), m.top+r*(l.h+gap))
			if k == l.cols-1 {
				p.X += m.between
			}
			row[k] = axes{rect: image.Rectangle{p, p.Add(image.Pt(l.w, l.h))}, lim: l.lim(r, k),
				logX: l.logX, logY: l.logY, labels: l.labels}
		}
		f.panels = append(f.panels, row)
	}
	if l.title != "" {
		first, last := float64(f.panels[0][0].rect.Min.X), float64(f.panels[0][l.cols-1].rect.Max.X)
		half := f.widthOf(l.title, sizeTitle, true) / 2
		mid := min(max((first+last)/2, half+f.px(5)), float64(w)-half-f.px(5))
		f.text(mid, f.px(7+sizeTitle*0.8), l.title, textStyle{size: sizeTitle, align: 0.5, color: inkText, bold: true})
	}
	if l.note != "" {
		f.text(float64(m.left), float64(h)-f.px(5), l.note, textStyle{size: sizeTick, color: inkText})
	}
	scaled := l.cols - 1
	if l.lastBar != nil {
		f.drawBar(l.lastBar, scaled)
		scaled--
	}
	if l.bar != nil {
		f.drawBar(l.bar, scaled)
	}
	return f
}

func anyName(names []string) bool {
	for _, n := range names {
		if n != "" {
			return true
		}
	}
	return false
}

// edge says which sides of a panel carry marks with labels and names.
type edge struct{ left, bottom bool }

// frame draws the box of a panel, its marks, its title, and at the outer edges
// the labels. It is drawn after the data, so that the box lies on top.
func (f *figure) frame(row, col int, title string, e edge) {
	a := f.panels[row][col]
	f.box(a.rect, inkAxis)
	if e.bottom {
		over := 5.0 // how far a label may stand out of its panel, in points
		if f.cols > 1 {
			over = min(over, f.gap/2-1)
		}
		f.xAxis(a, f.xName(col), f.px(over))
	}
	if e.left {
		rowName := ""
		if row < len(f.rowNames) {
			rowName = f.rowNames[row]
		}
		f.yAxis(a, f.yName(row), rowName)
	}
	if title != "" {
		mid := float64(a.rect.Min.X+a.rect.Max.X) / 2
		f.text(mid, float64(a.rect.Min.Y)-f.px(5), title, textStyle{size: sizePanel, align: 0.5, color: inkText})
	}
}

func (f *figure) xName(col int) string {
	if col < len(f.xNames) {
		return f.xNames[col]
	}
	return ""
}

func (f *figure) yName(row int) string {
	if row < len(f.yNames) {
		return f.yNames[row]
	}
	return ""
}

// box draws the outline of r in whole pixels, just outside of it.
func (c *canvas) box(r image.Rectangle, col color.RGBA) {
	t := c.hair()
	o := r.Inset(-t)
	c.fill(image.Rect(o.Min.X, o.Min.Y, o.Max.X, r.Min.Y), col)
	c.fill(image.Rect(o.Min.X, r.Max.Y, o.Max.X, o.Max.Y), col)
	c.fill(image.Rect(o.Min.X, o.Min.Y, r.Min.X, o.Max.Y), col)
	c.fill(image.Rect(r.Max.X, o.Min.Y, o.Max.X, o.Max.Y), col)
}

// hair is the width of axis lines in whole pixels, so that they are crisp.
func (c *canvas) hair() int { return max(1, int(math.Round(c.px(lineWidth)))) }

// xAxis draws marks, labels and name below the panel, which labels leave by at most over pixels.
func (c *canvas) xAxis(a axes, name string, over float64) {
	t := c.hair()
	y0 := a.rect.Max.Y + t
	y1 := y0 + int(math.Round(c.px(tickLen)))
	base := float64(y1) + c.px(2+0.75*sizeTick)
	for _, k := range a.xTicks(c) {
		x := float64(a.rect.Min.X) + a.x(k.at)
		i := int(math.Floor(x - float64(t)/2 + 0.5))
		c.fill(image.Rect(i, y0, i+t, y1), inkAxis)
		// A label at the very end must not run into that of the next panel.
		half := c.width(k.label, sizeTick) / 2
		x = min(max(x, float64(a.rect.Min.X)-over+half), float64(a.rect.Max.X)+over-half)
		c.text(x, base, k.label, textStyle{size: sizeTick, align: 0.5, color: inkText})
	}
	if name != "" {
		mid := float64(a.rect.Min.X+a.rect.Max.X) / 2
		c.text(mid, base+c.px(4+sizeName), name, textStyle{size: sizeName, align: 0.5, color: inkText})
	}
}

// yAxis draws marks, labels and names to the left of the panel.
func (c *canvas) yAxis(a axes, names ...string) {
	t := c.hair()
	x1 := a.rect.Min.X - t
	long := int(math.Round(c.px(tickLen)))
	widest := 0.0
	for _, k := range a.yTicks(c) {
		y := float64(a.rect.Min.Y) + a.y(k.at)
		j := int(math.Floor(y - float64(t)/2 + 0.5))
		size := long
		if k.label == "" {
			size = long / 2
		}
		c.fill(image.Rect(x1-size, j, x1, j+t), inkAxis)
		c.text(float64(x1-long)-c.px(2), y+c.px(0.36*sizeTick), k.label,
			textStyle{size: sizeTick, align: 1, color: inkText})
		widest = max(widest, c.width(k.label, sizeTick))
	}
	at := float64(x1-long) - c.px(2+5) - widest
	mid := float64(a.rect.Min.Y+a.rect.Max.Y) / 2
	for k, name := range names {
		if name != "" {
			c.text(at, mid, name, textStyle{size: sizeName, align: 0.5, color: inkText, up: true, bold: k > 0})
			at -= c.px(sizeName + 5)
		}
	}
}

// bar is a colour scale for the values lo to hi, drawn beside the panels.
type bar struct {
	colors colormap
	lo, hi float64
	name   string // stands above
}

// Distances of the colour bar in points: gap before it and its width.
const barGap, barWidth = 9.0, 8.0

// axes returns the bar's scale over rectangle r.
func (b *bar) axes(r image.Rectangle) axes { return axes{rect: r, lim: Limits{0, 1, b.lo, b.hi}} }

// room returns the pixels that the bar needs beside panels of height h.
func (b *bar) room(c *canvas, h int) int {
	widest := c.width(b.name, sizeTick) - c.px(barWidth+tickLen+2)
	for _, t := range b.axes(image.Rect(0, 0, 1, h)).yTicks(c) {
		widest = max(widest, c.width(t.label, sizeTick))
	}
	return int(math.Ceil(c.px(barGap+barWidth+tickLen+2) + widest))
}

// drawBar draws a colour bar along a panel of the top row.
func (f *figure) drawBar(b *bar, col int) {
	last := f.panels[0][col].rect
	x0 := last.Max.X + int(math.Round(f.px(barGap)))
	r := image.Rect(x0, last.Min.Y, x0+int(math.Round(f.px(barWidth))), last.Max.Y)
	for j := r.Min.Y; j < r.Max.Y; j++ {
		u := (float64(r.Max.Y) - float64(j) - 0.5) / float64(r.Dy())
		f.fill(image.Rect(r.Min.X, j, r.Max.X, j+1), b.colors.at(u))
	}
	if b.colors.ownGround() {
		f.keep(r)
	}
	f.box(r, inkAxis)
	a := b.axes(r)
	t := f.hair()
	for _, k := range a.yTicks(f.canvas) {
		y := float64(r.Min.Y) + a.y(k.at)
		j := int(math.Floor(y - float64(t)/2 + 0.5))
		f.fill(image.Rect(r.Max.X+t, j, r.Max.X+t+int(f.px(tickLen)), j+t), inkAxis)
		f.text(float64(r.Max.X+t)+f.px(tickLen+2), y+f.px(0.36*sizeTick), k.label,
			textStyle{size: sizeTick, color: inkText})
	}
	f.text(float64(r.Min.X), float64(r.Min.Y)-f.px(5), b.name, textStyle{size: sizeTick, color: inkText})
}
