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
	// Lines is how many points are followed at most. 0 means 300.
	Lines int
}

// Trajectories writes a picture of the paths that points take from x_0 to x_1.
//
// path[k] holds all points at times[k]; all have the same N and D. times nil
// means equally spaced over [0,1], else it must increase. For D=2 (or two
// Columns) the lines run through the plane, coloured by time, over a dark dot where each
// starts and a bright one where it ends. For D=1 the horizontal axis is the time. The first
// TrajectoryOptions.Lines points are followed, and no others drawn.
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
	lines := o.Lines
	if lines == 0 {
		lines = 300
	}
	for k := range flat {
		flat[k] = flat[k].Slice(0, min(lines, path[0].N))
	}
	wide, high, lim := opt.panel(opt.fit(flat...))
	if overTime && opt.Limits.zero() {
		lim.XMin, lim.XMax = times[0], times[len(times)-1]
	}
	f := newFigure(opt, layout{
		rows: 1, cols: 1, w: wide, h: high, title: opt.Title, panelTitle: true,
		xNames: names[:1], yNames: names[1:],
		bar: &bar{hours, times[0], times[len(times)-1], "t"},
		lim: func(int, int) Limits { return lim },
	})
	f.followPoints(f.panels[0][0], flat, times, !overTime)
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
		return evenly(len(path)), nil
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

// evenly returns n times from 0 to 1.
func evenly(n int) []float64 {
	times := make([]float64, n)
	for k := range times {
		times[k] = float64(k) / float64(n-1)
	}
	return times
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

// followPoints draws the paths of all points, over their two ends if these are asked for.
func (f *figure) followPoints(a axes, path []flow.Batch, times []float64, ends bool) {
	n := path[0].N
	if ends {
		r, _ := dotStyle(n, float64(a.rect.Dx())/f.dpi)
		f.marks(a, path[0], 0.5*f.px(r), 0)
		f.marks(a, path[len(path)-1], 0.65*f.px(r), 1)
	}
	line := newStroke(a.rect.Dx(), a.rect.Dy())
	first, last := times[0], times[len(times)-1]
	alpha := min(max(0.8*math.Pow(60/float64(n), 0.3), 0.25), 0.8)
	for i := range n {
		for k := 1; k < len(path); k++ {
			p, q := path[k-1].X[2*i:2*i+2], path[k].X[2*i:2*i+2]
			line.segment(a.x(p[0]), a.y(p[1]), a.x(q[0]), a.y(q[1]), f.px(0.45),
				(times[k-1]-first)/(last-first), (times[k]-first)/(last-first))
		}
		line.blend(f.img, a.rect, alpha, hours.at)
	}
	f.touched(a.rect)
}

// marks draws dots in the colour of time u.
func (f *figure) marks(a axes, xy flow.Batch, radius, u float64) {
	dots := newLayer(a.rect.Dx(), a.rect.Dy())
	for i := range xy.N {
		dots.dot(a.x(xy.X[2*i]), a.y(xy.X[2*i+1]), radius, 0.9)
	}
	blend(f.img, a.rect, []*layer{dots}, []color.RGBA{hours.at(u)})
	f.touched(a.rect)
}
