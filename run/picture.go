package run

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"flowmatch/data"
	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/memory"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/plot"
)

// Pictures returns the kinds of picture that Picture draws.
func Pictures() []string {
	return []string{"samples", "density", "field", "trajectories", "loss", "flow"}
}

// PictureOptions says what to draw; the zero value is usable.
type PictureOptions struct {
	N    int    // points drawn; default 4000, of images 100
	Seed uint64 // of the samples
	// Cells is the number of cells along each side of the grid that a density is
	// evaluated on; default 96.
	Cells int
	// Columns are the two coordinates that are drawn of points of more than 2 dimensions,
	// counted from 0; the zero value is the first two, and of samples up to plot.MaxPairs
	// dimensions all pairs.
	Columns [2]int
	// NoData, if not nil, is called where a picture would show held-out data, which
	// cannot be opened; it then shows the model alone.
	NoData func(err error)
}

// frames of the animation, and times of the field's panels.
const frames = 40

var fieldTimes = []float64{0, 0.25, 0.5, 0.75, 0.95}

// pictureTolerance is the least tolerance that pictures are solved with.
const pictureTolerance = 1e-3

// artist draws the pictures of a run.
type artist struct {
	*Run
	PictureOptions
	subject eval.Subject
}

// Picture draws a picture of one kind: PNG, or an animated GIF for flow.
func (r *Run) Picture(ctx context.Context, w io.Writer, kind string, o PictureOptions) error {
	a, err := r.artist(o)
	if err != nil {
		return err
	}
	switch kind {
	case "samples":
		return a.samples(ctx, w)
	case "density":
		return a.density(ctx, w)
	case "field":
		return a.field(ctx, w)
	case "trajectories":
		return a.trajectoryPicture(ctx, w)
	case "flow":
		axes, err := a.axes("flow")
		if err != nil {
			return err
		}
		path, times, err := a.flowPath(ctx)
		if err != nil {
			return err
		}
		return plot.FlowGIF(w, path, times, plot.GIFOptions{Options: a.options(axes, path[len(path)-1])})
	case "loss":
		return r.drawLoss(w)
	}
	return fmt.Errorf("run: %w", choice.Check("picture", kind, Pictures()))
}

// artist returns who draws: an eye sees three digits, so a picture need not wait for
// more.
func (r *Run) artist(o PictureOptions) (*artist, error) {
	if o.N == 0 {
		o.N = 4000
		if r.Model.Spec().Image() != nil {
			o.N = 100
		}
	}
	s, err := r.Subject(false)
	s.Settings.Solve.RTol = max(s.Settings.Solve.RTol, pictureTolerance)
	s.Settings.Solve.ATol = max(s.Settings.Solve.ATol, pictureTolerance)
	return &artist{Run: r, PictureOptions: o, subject: s}, err
}

// data returns the data of the run, or nil where they cannot be opened.
func (a *artist) data() *data.Set {
	if a.subject.Set == nil {
		set, err := a.Run.Data()
		if err != nil && a.NoData != nil {
			a.NoData(err)
			a.NoData = nil // once
		}
		a.subject.Set = set
	}
	return a.subject.Set
}

// options are those of a picture of points x along two axes; of points in the plane, or on
// the line, these are all.
func (a *artist) options(axes [2]int, x flow.Batch) plot.Options {
	o := plot.Options{Names: a.Model.Spec().Columns}
	if x.D < 2 {
		return o
	}
	if x.D > 2 {
		o.Columns = axes
	}
	flat := plane{axes: axes, at: make([]float64, x.D)}.coordinates(x)
	o.Stretch = stretched(plot.Around(flat, [2]float64{1, 1}))
	return o
}

// trajectoryPicture draws the paths from noise to data: along two axes or, of points on the
// line, over time.
func (a *artist) trajectoryPicture(ctx context.Context, w io.Writer) error {
	var axes [2]int
	if a.Model.Dim() > 1 {
		var err error
		if axes, err = a.axes("trajectories"); err != nil {
			return err
		}
	}
	path, times, err := a.flowPath(ctx)
	if err != nil {
		return err
	}
	return plot.Trajectories(w, path, times, plot.TrajectoryOptions{Options: a.options(axes, path[len(path)-1])})
}

// prompt returns what n points are given; the held-out images that contexts are made
// of come with the data.
func (a *artist) prompt(n int) (eval.Prompt, error) {
	if a.Model.Spec().Net.Context > 0 {
		a.data()
	}
	return a.subject.Prompt(n)
}

func (a *artist) samples(ctx context.Context, w io.Writer) error {
	p, err := a.prompt(a.N)
	if err != nil {
		return err
	}
	if err := a.inProportion(&p); err != nil {
		return err
	}
	x, err := a.sample(ctx, p, a.N, a.Seed)
	if err != nil {
		return err
	}
	if p.OfImages() {
		if err := p.Keep(x); err != nil {
			return err
		}
		return a.DrawPrompt(w, x, p)
	}
	return a.points(w, x, p.Given.Label, 0)
}

// inProportion gives the points of a picture, which stand beside held-out ones, the classes of
// those where they have some.
func (a *artist) inProportion(p *eval.Prompt) error {
	label := p.Given.Label
	if label == nil || a.Model.Spec().Image() != nil {
		return nil
	}
	set := a.data()
	if set == nil || set.Test.Len() == 0 || set.Test.Classes() == 0 {
		return nil
	}
	_, given, err := a.subject.TestPoints(len(label))
	if err != nil {
		return err
	}
	p.Given.Label = make([]int32, len(label))
	for i := range label {
		p.Given.Label[i] = given.Label[i%len(given.Label)]
	}
	return nil
}

// sample draws n samples in data units.
func (a *artist) sample(ctx context.Context, p eval.Prompt, n int, seedValue uint64) (flow.Batch, error) {
	how, err := a.subject.Settings.Sampler()
	if err != nil {
		return flow.Batch{}, err
	}
	o := model.SampleOptions{N: n, Seed: seedValue, Given: p.Given, Sampler: how}
	if a.Watch != nil {
		o.Progress = a.Watch("samples", n)
	}
	s, err := a.Model.Sample(ctx, o)
	return s.X, err
}

// DrawPoints draws points in data units: images as a grid of that many columns (0: of
// labels in turn a column a class, else about a square), where a column or a row of
// one class has its name; others beside as many held-out points, where the data can be
// opened. label may be nil.
func (r *Run) DrawPoints(w io.Writer, x flow.Batch, label []int32, cols int, o PictureOptions) error {
	a, err := r.artist(o)
	if err != nil {
		return err
	}
	return a.points(w, x, label, cols)
}

func (a *artist) points(w io.Writer, x flow.Batch, label []int32, cols int) error {
	spec := a.Model.Spec()
	if spec.Image() != nil {
		return plot.ImageGrid(w, x, spec.Shape, a.grid(label, x.N, cols))
	}
	samples := plot.Panel{Title: "samples", Points: x}
	panels := []plot.Panel{samples}
	if set := a.data(); set != nil && set.Test.Len() > 0 {
		n := min(x.N, set.Test.Len()) // as many of both: dots of more look denser
		test, _, err := a.subject.TestPoints(n)
		if err != nil {
			return err
		}
		if samples.Points = x.Slice(0, n); n < x.N {
			samples.Title = fmt.Sprintf("%d of %d samples", n, x.N)
		}
		panels = []plot.Panel{{Title: "data", Points: test}, samples}
	}
	o := plot.Options{Names: spec.Columns}
	if x.D == 2 || x.D > plot.MaxPairs || a.Columns != [2]int{} {
		axes, err := a.axes("samples")
		if err != nil {
			return err
		}
		o = a.options(axes, panels[0].Points)
	}
	return plot.Samples(w, panels, o)
}

// DrawPrompt draws images beside what they were made of: the image that the context or
// what is held shows, the sample and, where it is known, the original, one after the other.
func (r *Run) DrawPrompt(w io.Writer, x flow.Batch, p eval.Prompt) error {
	parts := []flow.Batch{p.Shown(), x}
	if p.Original.N > 0 {
		parts = append(parts, p.Original)
	}
	all := flow.NewBatch(x.N*len(parts), x.D)
	for i := range all.N {
		copy(all.Row(i), parts[i%len(parts)].Row(i/len(parts)))
	}
	across := math.Ceil(math.Sqrt(float64(all.N)) / float64(len(parts)))
	return plot.ImageGrid(w, all, r.Model.Spec().Shape, plot.ImageOptions{Cols: int(across) * len(parts)})
}

// window returns the plane through the data along two axes, and the rectangle of it that they
// fill, a little widened, in model units or in data units; where there are no data, those of
// samples.
func (a *artist) window(ctx context.Context, axes [2]int, modelUnits bool) (plane, plot.Limits, error) {
	x, err := a.typical(ctx)
	if err != nil {
		return plane{}, plot.Limits{}, err
	}
	std := a.Model.Spec().Standardizer
	if x.N == 0 {
		p := plane{axes: axes, at: make([]float64, a.Model.Dim())}
		return p, plot.Limits{XMin: -4, XMax: 4, YMin: -4, YMax: 4}, nil
	}
	if std != nil && !modelUnits {
		std.Invert(x)
	}
	p := through(x, axes)
	least := [2]float64{unit(std, axes[0], modelUnits), unit(std, axes[1], modelUnits)}
	return p, plot.Around(p.coordinates(x), least), nil
}

// unit is the length of a model unit along an axis.
func unit(std *data.Standardizer, axis int, modelUnits bool) float64 {
	if std == nil || modelUnits {
		return 1
	}
	return std.Std[min(axis, len(std.Std)-1)]
}

// mostAspect is the ratio of the sides of a picture beyond which its axes are scaled apart.
const mostAspect = 4

// stretched says whether a rectangle is too flat or too tall for equal units on both axes.
func stretched(l plot.Limits) bool {
	ratio := (l.XMax - l.XMin) / (l.YMax - l.YMin)
	return ratio > mostAspect || ratio < 1./mostAspect
}

// typical returns points in model units that lie where the data do.
func (a *artist) typical(ctx context.Context) (flow.Batch, error) {
	const most = 2000
	if set := a.data(); set != nil {
		x, _, err := data.RandomRows(set.Test, most, a.Config.Seed, "run/limits",
			seed.Rand(a.Config.Seed, "run/limits", 1))
		return x, err
	}
	p, err := a.prompt(most)
	if err != nil {
		return flow.Batch{}, err
	}
	x, err := a.sample(ctx, p, most, a.Config.Seed)
	if std := a.Model.Spec().Standardizer; std != nil && err == nil {
		std.Apply(x)
	}
	return x, err
}

func (a *artist) field(ctx context.Context, w io.Writer) error {
	axes, err := a.axes("field")
	if err != nil {
		return err
	}
	p, err := a.prompt(1)
	if err != nil {
		return err
	}
	f, err := a.Model.Field(p.Given)
	if err != nil {
		return err
	}
	part, limits, err := a.window(ctx, axes, true)
	if err != nil {
		return err
	}
	lo, hi := a.Model.Span() // beyond which there is no velocity
	times := make([]float64, len(fieldTimes))
	for k, t := range fieldTimes {
		times[k] = min(max(t, lo), hi)
	}
	o := plot.Options{Limits: limits, Stretch: stretched(limits), Names: a.names(axes)}
	o.Title = "velocity v of points x at times t, from noise (0) to data (1), in model units"
	if rest := part.title(); rest != "" {
		o.Title += "; " + rest
	}
	return plot.Field(w, inPlane{part, f}, times, o)
}

// names returns those of two columns; nil where they have none.
func (a *artist) names(axes [2]int) []string {
	all := a.Model.Spec().Columns
	if all == nil {
		return nil
	}
	return []string{all[axes[0]], all[axes[1]]}
}

// density draws the learnt density beside the exact one, where it is known.
func (a *artist) density(ctx context.Context, w io.Writer) error {
	axes, err := a.axes("density")
	if err != nil {
		return err
	}
	part, limits, err := a.window(ctx, axes, false)
	if err != nil {
		return err
	}
	cells := cmp.Or(a.Cells, 96)
	grid := plot.Grid{Limits: limits, NX: cells, NY: cells}
	flat, err := grid.Points()
	if err != nil {
		return err
	}
	points := part.points(flat)
	p, err := a.prompt(1)
	if err != nil {
		return err
	}
	logp, _, err := a.subject.LogProb(ctx, points, p.Given)
	if err != nil {
		return err
	}
	maps := []plot.Map{{Title: "learnt density", LogP: logp}}
	exact, err := a.subject.DataLogProb(points)
	if err != nil {
		return err
	}
	if exact != nil {
		maps = append(maps, plot.Map{Title: "exact density", LogP: exact})
	}
	o := plot.Options{Stretch: stretched(limits), Names: a.names(axes), Title: part.title()}
	return plot.Density(w, grid, maps, plot.DensityOptions{Options: o})
}

// flowPath solves for points in model units at equally spaced times.
func (a *artist) flowPath(ctx context.Context) ([]flow.Batch, []float64, error) {
	// The points at all times, and what the solver works with.
	if err := memory.Check(fmt.Sprintf("a picture of the paths of %d points", a.N),
		(frames+16)*8*float64(a.N)*float64(a.Model.Dim())); err != nil {
		return nil, nil, fmt.Errorf("run: %w", err)
	}
	x := flow.NewBatch(a.N, a.Model.Dim())
	a.Model.Source().Sample(x, seed.Rand(a.Seed, "sample", 0))
	lo, hi := a.Model.Span()
	times := make([]float64, frames+1)
	for k := range times {
		times[k] = lo + (hi-lo)*float64(k)/frames
	}
	path, err := a.trajectories(ctx, x, times)
	return path, times, err
}

// Trajectories solves from source points x [N, D], which come to where they end, and
// returns the points at the times, all in model units; times rise within the model's
// Span.
func (r *Run) Trajectories(ctx context.Context, x flow.Batch, times []float64) ([]flow.Batch, error) {
	s, err := r.Subject(false)
	if err != nil {
		return nil, err
	}
	return (&artist{Run: r, subject: s}).trajectories(ctx, x, times)
}

func (a *artist) trajectories(ctx context.Context, x flow.Batch, times []float64) ([]flow.Batch, error) {
	solver, err := a.subject.Settings.PathSolver()
	if err != nil {
		return nil, err
	}
	p, err := a.prompt(x.N)
	if err != nil {
		return nil, err
	}
	f, err := a.Model.Field(p.Given)
	if err != nil {
		return nil, err
	}
	var path []flow.Batch
	_, err = solver.SolveAt(ctx, f.Velocity, x.X, times, func(_ int, at []float64) error {
		path = append(path, flow.Batch{N: x.N, D: x.D, X: slices.Clone(at)})
		return nil
	})
	return path, err
}

func (r *Run) drawLoss(w io.Writer) error {
	events, err := r.events()
	if err != nil {
		return err
	}
	training, validation := losses(events)
	training.Name, validation.Name = "training", "validation (EMA)"
	series := []plot.Series{training, validation}
	if len(validation.X) == 0 {
		series = series[:1]
	}
	return plot.Loss(w, series, plot.LossOptions{})
}
