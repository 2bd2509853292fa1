package plot

import (
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"io"
	"math"
	"slices"
	"time"

	"flowmatch/flow"
)

// GIFOptions are the options of FlowGIF.
type GIFOptions struct {
	Options
	// Delay is the time a frame stands, rounded to 1/100 s, at least 20 ms
	// (viewers slow down shorter ones). 0 means 60 ms.
	Delay time.Duration
	// Pause is the time the last frame stands; the first stands a third of it.
	// 0 means 1.5 s. It is never shorter than Delay.
	Pause time.Duration
}

// Numbers of shades in the palette of an animation. Few shades make long runs
// of equal pixels and so a small file; the sums are powers of two because a GIF
// rounds its colour table up.
const (
	shadesDots = 14
	shadesHeat = 46
	shadesGrey = 18
)

// FlowGIF writes an animated GIF of points moving from noise to data, repeated
// for ever.
//
// frames[k] holds all points at times[k]; all have the same N and D, and D=2
// unless Columns are chosen. times nil means equally spaced over [0,1], else it
// must increase. The axes stay the same throughout; the time stands above them,
// with a bar that grows along the upper edge. Style Heat colours by density on a
// dark ground, with one scale for all frames: the square root of the density,
// from 0 to the 99.5 % quantile of the last frame.
func FlowGIF(w io.Writer, frames []flow.Batch, times []float64, o GIFOptions) error {
	opt, err := o.resolve(3.75, 100)
	if err != nil {
		return err
	}
	if times, err = checkTimes("gif", frames, times); err != nil {
		return err
	}
	if o.Delay < 0 || o.Pause < 0 {
		return fmt.Errorf("plot: gif: %w: Delay %v and Pause %v; want 0 or more", ErrOptions, o.Delay, o.Pause)
	}
	flat := make([]flow.Batch, len(frames))
	for k, b := range frames {
		if flat[k], err = opt.plane(fmt.Sprintf("points at t=%v", times[k]), b); err != nil {
			return err
		}
	}
	a := newAnimation(opt, frames[0].D, opt.fit(flat...), flat)
	delays := o.delays(len(flat))
	anim := gif.GIF{
		Config: image.Config{ColorModel: a.palette, Width: a.fig.img.Rect.Dx(), Height: a.fig.img.Rect.Dy()}}
	prev := image.NewPaletted(image.Rectangle{}, a.palette)
	for k, xy := range flat {
		img := a.frame(xy, times[k], (times[k]-times[0])/(times[len(times)-1]-times[0]))
		anim.Image = append(anim.Image, changed(prev, img))
		anim.Delay = append(anim.Delay, delays[k])
		anim.Disposal = append(anim.Disposal, gif.DisposalNone)
		prev = img
	}
	if err := gif.EncodeAll(w, &anim); err != nil {
		return fmt.Errorf("plot: writing the GIF: %w", err)
	}
	return nil
}

// delays returns how long each of n frames stands, in 1/100 s.
func (o GIFOptions) delays(n int) []int {
	if o.Delay == 0 {
		o.Delay = 60 * time.Millisecond
	}
	if o.Pause == 0 {
		o.Pause = 1500 * time.Millisecond
	}
	hundredths := func(d time.Duration) int {
		return max(int((d+5*time.Millisecond)/(10*time.Millisecond)), 2)
	}
	d := slices.Repeat([]int{hundredths(o.Delay)}, n)
	d[0] = max(d[0], hundredths(o.Pause/3))
	d[n-1] = max(d[n-1], hundredths(o.Pause))
	return d
}

// animation is what all frames share. The palette holds the shades of the data
// first, from the empty ground to full, and then the greys of the axes, from
// white to ink: so a pixel's colour is chosen by its shade, not by a search.
type animation struct {
	fig     *figure
	axes    axes
	palette color.Palette
	shades  int // of the data
	heat    bool
	top     float64 // density per pixel at the brightest shade
	ground  *image.Paletted
	label   image.Rectangle // where the time and the bar stand
}

func newAnimation(o Options, d int, lim Limits, flat []flow.Batch) *animation {
	i, j := o.columns(d)
	a := &animation{heat: o.heat(flat[0].N), shades: shadesDots}
	ramp := func(u float64) color.RGBA { return mix(white, category(0), u) }
	if a.heat {
		a.shades, ramp = shadesHeat, magma.at
	}
	for k := range a.shades {
		a.palette = append(a.palette, ramp(float64(k)/float64(a.shades-1)))
	}
	for k := range shadesGrey {
		a.palette = append(a.palette, mix(white, inkText, float64(k)/(shadesGrey-1)))
	}
	a.fig = newFigure(o, layout{
		rows: 1, cols: 1, w: o.side(), h: o.side(), title: o.Title, panelTitle: true,
		xNames: []string{o.name(i)}, yNames: []string{o.name(j)},
		lim: func(int, int) Limits { return lim },
	})
	a.axes = a.fig.panels[0][0]
	if a.heat {
		p := slices.Sorted(slices.Values(smoothHist(a.axes, flat[len(flat)-1]).p))
		if a.top = quantile(p, 0.995); a.top <= 0 {
			a.top = max(p[len(p)-1], 1/float64(len(p)))
		}
	}
	a.fig.frame(0, 0, "", edge{left: true, bottom: true})
	r := a.axes.rect
	high := int(math.Round(a.fig.px(sizePanel + 5)))
	a.label = image.Rect(r.Min.X, r.Min.Y-high, r.Max.X, r.Min.Y-a.fig.hair())
	a.ground = image.NewPaletted(a.fig.img.Rect, a.palette)
	a.grey(a.ground, a.ground.Rect)
	return a
}

// grey copies the axes and texts within r into img, in shades of grey.
func (a *animation) grey(img *image.Paletted, r image.Rectangle) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			ink := float64(white.R-a.fig.img.RGBAAt(x, y).R) / float64(white.R-inkText.R)
			img.SetColorIndex(x, y, uint8(a.shades)+uint8(min(ink, 1)*(shadesGrey-1)+0.5))
		}
	}
}

// frame draws one moment; progress goes from 0 to 1 over the animation.
func (a *animation) frame(xy flow.Batch, t, progress float64) *image.Paletted {
	img := image.NewPaletted(a.ground.Rect, a.palette)
	copy(img.Pix, a.ground.Pix)
	f, r := a.fig, a.axes.rect
	f.fill(a.label, white)
	f.text(float64(r.Min.X+r.Max.X)/2, float64(r.Min.Y)-f.px(5), fmt.Sprintf("t = %.2f", t),
		textStyle{size: sizePanel, align: 0.5, color: inkText})
	a.grey(img, a.label)
	thick := max(2, int(f.px(1.6)))
	bar := image.Rect(r.Min.X, a.label.Max.Y-thick, r.Min.X+int(math.Round(progress*float64(r.Dx()))), a.label.Max.Y)
	accent := uint8(a.shades - 1)
	if a.heat {
		accent = uint8(a.shades * 6 / 10) // the brightest shade would vanish on white
	}
	for y := bar.Min.Y; y < bar.Max.Y; y++ {
		for x := bar.Min.X; x < bar.Max.X; x++ {
			img.SetColorIndex(x, y, accent)
		}
	}
	shade := a.shade(xy)
	for j := range r.Dy() {
		for i := range r.Dx() {
			img.SetColorIndex(r.Min.X+i, r.Min.Y+j, uint8(shade(j*r.Dx()+i)*float64(a.shades-1)+0.5))
		}
	}
	return img
}

// shade returns the function from a pixel of the data area to its shade in [0,1].
func (a *animation) shade(xy flow.Batch) func(k int) float64 {
	if a.heat {
		m := smoothHist(a.axes, xy)
		return func(k int) float64 { return math.Sqrt(min(m.p[k]/a.top, 1)) }
	}
	l := newLayer(a.axes.rect.Dx(), a.axes.rect.Dy())
	r, alpha := dotStyle(xy.N, float64(a.axes.rect.Dx())/a.fig.dpi)
	for k := range xy.N {
		l.dot(a.axes.x(xy.X[2*k]), a.axes.y(xy.X[2*k+1]), max(a.fig.px(r), 1), alpha)
	}
	return func(k int) float64 { return 1 - l.through[k] }
}

// changed returns the smallest part of img that holds all pixels that differ
// from prev: the rest of the picture stays on the screen.
func changed(prev, img *image.Paletted) *image.Paletted {
	if prev.Rect != img.Rect {
		return img
	}
	var r image.Rectangle
	for y := img.Rect.Min.Y; y < img.Rect.Max.Y; y++ {
		for x := img.Rect.Min.X; x < img.Rect.Max.X; x++ {
			if img.ColorIndexAt(x, y) != prev.ColorIndexAt(x, y) {
				r = r.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	if r.Empty() { // a frame must have a pixel
		r = image.Rect(0, 0, 1, 1)
	}
	return img.SubImage(r).(*image.Paletted)
}
