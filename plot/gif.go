package plot

import (
	"fmt"
	"image"
	"image/gif"
	"io"
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

// Flow is what one panel of a GIF shows: Frames[k] holds all points at time k.
type Flow struct {
	Title  string
	Frames []flow.Batch
}

// FlowGIF writes an animated GIF of points moving from noise to data, repeated
// for ever: each flow in a panel, side by side.
//
// All frames have the same N and D, with D=1, D=2 or two Columns. times nil means equally
// spaced over [0,1], else it must increase. Points of the plane are coloured by where they
// will be at the end, in groups of neighbours, and leave a short trail; points of D=1 are
// drawn as their density. The axes stay the same throughout, and hold all of the end and 98 %
// of the start; the time stands above them, with a bar that grows along the upper edge. Style
// Heat colours by density on a dark ground, with one scale for all frames: the square root of
// the density, from 0 to the 99.5 % quantile of the last frame.
func FlowGIF(w io.Writer, flows []Flow, times []float64, o GIFOptions) error {
	if len(flows) == 0 {
		return fmt.Errorf("plot: gif: %w: no flows", ErrEmpty)
	}
	size := 5.6
	if len(flows) > 1 {
		size = 3
	}
	opt, err := o.resolve(size, 100)
	if err != nil {
		return err
	}
	if opt.DPI > MostGIFDPI {
		return fmt.Errorf("plot: gif: %w: DPI is %d; want at most %d", ErrOptions, opt.DPI, MostGIFDPI)
	}
	if o.Format != PNG {
		return fmt.Errorf("plot: gif: %w: Format is %s; a GIF is made of pixels", ErrOptions, o.Format)
	}
	if o.Delay < 0 || o.Pause < 0 {
		return fmt.Errorf("plot: gif: %w: Delay %v and Pause %v; want 0 or more", ErrOptions, o.Delay, o.Pause)
	}
	if times == nil && len(flows[0].Frames) > 1 {
		times = evenly(len(flows[0].Frames))
	}
	flat := make([]Flow, len(flows))
	for k, fl := range flows {
		if flat[k], err = opt.flat(fl, flows[0], times); err != nil {
			return err
		}
	}
	a := newAnimation(opt, flows[0].Frames[0].D, flat)
	delays := o.delays(len(times))
	anim := gif.GIF{
		Config: image.Config{ColorModel: a.palette, Width: a.fig.img.Rect.Dx(), Height: a.fig.img.Rect.Dy()}}
	prev := image.NewPaletted(image.Rectangle{}, a.palette)
	for k, t := range times {
		img := a.frame(k, t, (t-times[0])/(times[len(times)-1]-times[0]))
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

// flat checks a flow and returns its points of the plane, or of the line.
func (o Options) flat(fl, first Flow, times []float64) (Flow, error) {
	out := Flow{Title: fl.Title}
	if _, err := checkTimes("gif", fl.Frames, times); err != nil {
		return out, err
	}
	if d := first.Frames[0].D; fl.Frames[0].D != d {
		return out, fmt.Errorf("plot: gif: %w: flow %q has D=%d, the first has D=%d", ErrShape, fl.Title,
			fl.Frames[0].D, d)
	}
	for k, b := range fl.Frames {
		what := fmt.Sprintf("points at t=%v", times[k])
		err := checkBatch(what, b)
		if b.D != 1 && err == nil {
			b, err = o.plane(what, b)
		}
		if err != nil {
			return out, err
		}
		out.Frames = append(out.Frames, b)
	}
	return out, nil
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
