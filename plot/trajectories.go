package plot

import (
	"fmt"
	"image/color"
	"io"
	"math"

	"flowmatch/flow"
)

// TrajectoryOptions are the options of Trajectories.
type TrajectoryOptions struct {
	Options
	// Lines is how many paths are drawn at most; the end points are drawn of all.
	// 0 means 300.
	Lines int
}

// Trajectories writes a PNG of the paths that points take from x_0 to x_1.
//
// path[k] holds all points at times[k]; all have the same N and D. times nil
// means equally spaced over [0,1], else it must increase. For D=2 (or two
// Columns) the lines run through the plane, coloured by time; starts are dark
// dots and ends light ones. For D=1 the horizontal axis is the time. The first
// TrajectoryOptions.Lines points are followed.
func Trajectories(w io.Writer, path []flow.Batch, times []float64, o TrajectoryOptions) error {
	opt, err := o.resolve(3.4, 160)
	if err != nil {
		return err
	}
	times, err = checkTimes("trajectories", path, times)
	if err != nil {
		return err
	}
	if o.Lines < 0 {
		return fmt.Errorf("plot: trajectories: %w: Lines is %d; want 1 or more, or 0 for 300", ErrOptions, o.Lines)
	}
	overTime := path[0].D == 1
	flat := make([]flow.Batch, len(path))
	for k, b := range path {
		what := fmt.Sprintf("points at t=%v", times[k])
		if overTime {
			flat[k], err = withTime(what, b, times[k])
		} else {
			flat[k], err = opt.plane(what, b)
		}
		if err != nil {
			return err
		}
	}
	names := [2]string{"t", opt.name(0)}
	if overTime {
		opt.Stretch = true
	} else {
		i, j := opt.columns(path[0].D)
		names = [2]string{opt.name(i), opt.name(j)}
	}
	lim := opt.fit(flat...)
	if overTime && opt.Limits.zero() {
		lim.XMin, lim.XMax = times[0], times[len(times)-1]
	}
	f := newFigure(opt, layout{
		rows: 1, cols: 1, w: opt.side(), h: opt.side(), title: opt.Title, panelTitle: true,
		xNames: names[:1], yNames: names[1:],
		bar: &bar{viridis, times[0], times[len(times)-1], "t"},
		lim: func(int, int) Limits { return lim },
	})
	lines := o.Lines
	if lines == 0 {
		lines = 300
	}
	f.followPoints(f.panels[0][0], flat, times, min(lines, path[0].N), !overTime)
	f.frame(0, 0, "", edge{left: true, bottom: true})
	return f.encode(w)
}

// checkTimes checks a sequence of batches and returns its times, equally spaced
// over [0,1] if none were given.
func checkTimes(what string, path []flow.Batch, times []float64) ([]float64, error) {
	if len(path) < 2 {
		return nil, fmt.Errorf("plot: %s: %w: %d moments; want at least the start and the end", what,
			ErrEmpty, len(path))
	}
	for k, b := range path {
		if b.N != path[0].N || b.D != path[0].D {
			return nil, fmt.Errorf("plot: %s: %w: moment %d has N=%d, D=%d, the first N=%d, D=%d",
				what, ErrShape, k, b.N, b.D, path[0].N, path[0].D)
		}
	}
	if times == nil {
		for k := range path {
			times = append(times, float64(k)/float64(len(path)-1))
		}
		return times, nil
	}
	if len(times) != len(path) {
		return nil, fmt.Errorf("plot: %s: %w: %d times for %d moments", what, ErrShape, len(times), len(path))
	}
	for k, t := range times {
		if math.IsNaN(t) || math.IsInf(t, 0) || k > 0 && t <= times[k-1] {
			return nil, fmt.Errorf("plot: %s: %w: times[%d] is %v; times must be finite and increase", what,
				ErrOptions, k, t)
		}
	}
	return times, nil
}

// withTime returns the points (t, x) of a batch of D=1.
func withTime(what string, b flow.Batch, t float64) (flow.Batch, error) {
	if err := checkBatch(what, b); err != nil {
		return flow.Batch{}, err
	}
	p := flow.NewBatch(b.N, 2)
	for i, x := range b.X {
		p.X[2*i], p.X[2*i+1] = t, x
	}
	return p, nil
}

// followPoints draws n paths and, if asked, the ends of all points.
func (f *figure) followPoints(a axes, path []flow.Batch, times []float64, n int, ends bool) {
	line := newStroke(a.rect.Dx(), a.rect.Dy())
	first, last := times[0], times[len(times)-1]
	alpha := min(max(0.8*math.Pow(60/float64(n), 0.4), 0.2), 0.8)
	for i := range n {
		for k := 1; k < len(path); k++ {
			p, q := path[k-1].X[2*i:2*i+2], path[k].X[2*i:2*i+2]
			line.segment(a.x(p[0]), a.y(p[1]), a.x(q[0]), a.y(q[1]), f.px(0.45),
				(times[k-1]-first)/(last-first), (times[k]-first)/(last-first))
		}
		line.blend(f.img, a.rect, alpha, viridis.at)
	}
	f.touched(a.rect)
	if !ends {
		return
	}
	r, _ := dotStyle(path[0].N, float64(a.rect.Dx())/f.dpi)
	f.marks(a, path[0], 0.6*f.px(r), 0)
	f.marks(a, path[len(path)-1], 0.8*f.px(r), 1)
}

// marks draws dots in the colour of time u, with a thin dark rim so that the
// light ones stand out on white.
func (f *figure) marks(a axes, xy flow.Batch, radius, u float64) {
	rim, dot := newLayer(a.rect.Dx(), a.rect.Dy()), newLayer(a.rect.Dx(), a.rect.Dy())
	for i := range xy.N {
		x, y := a.x(xy.X[2*i]), a.y(xy.X[2*i+1])
		rim.dot(x, y, radius+f.px(0.3), 0.7)
		dot.dot(x, y, radius, 0.95)
	}
	blend(f.img, a.rect, []*layer{rim}, []color.RGBA{inkText})
	blend(f.img, a.rect, []*layer{dot}, []color.RGBA{viridis.at(u)})
	f.touched(a.rect)
}
