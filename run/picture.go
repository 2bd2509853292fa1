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
		path, times, err := a.flowPath(ctx)
		if err != nil {
			return err
		}
		return plot.Trajectories(w, path, times, plot.TrajectoryOptions{})
	case "flow":
		path, times, err := a.flowPath(ctx)
		if err != nil {
			return err
		}
		return plot.FlowGIF(w, path, times, plot.GIFOptions{})
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

// planar reports that a kind of picture needs data in the plane.
func (r *Run) planar(kind string) error {
	if d := r.Model.Dim(); d != 2 {
		return fmt.Errorf("run: a picture of the %s is for data in 2 dimensions; these have %d", kind, d)
	}
	return nil
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
	panels := []plot.Panel{{Title: "samples", Points: x}}
	if set := a.data(); set != nil && set.Test.Len() > 0 {
		test, _, err := a.subject.TestPoints(min(x.N, set.Test.Len()))
		if err != nil {
			return err
		}
		panels = append([]plot.Panel{{Title: "data", Points: test}}, panels...)
	}
	return plot.Samples(w, panels, plot.Options{Names: spec.Columns})
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

// limits returns the rectangle that the data fill, a little widened, in model units or in
// data units; where there are no data, that of samples.
func (a *artist) limits(ctx context.Context, modelUnits bool) (plot.Limits, error) {
	x, err := a.typical(ctx)
	if err != nil {
		return plot.Limits{}, err
	}
	if std := a.Model.Spec().Standardizer; std != nil && !modelUnits {
		std.Invert(x)
	}
	if x.N == 0 {
		return plot.Limits{XMin: -4, XMax: 4, YMin: -4, YMax: 4}, nil
	}
	std := a.Model.Spec().Standardizer
	return plot.Around(x, [2]float64{unit(std, 0, modelUnits), unit(std, 1, modelUnits)}), nil
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
	if err := a.planar("field"); err != nil {
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
	limits, err := a.limits(ctx, true)
	if err != nil {
		return err
	}
	lo, hi := a.Model.Span() // beyond which there is no velocity
	times := make([]float64, len(fieldTimes))
	for k, t := range fieldTimes {
		times[k] = min(max(t, lo), hi)
	}
	return plot.Field(w, f, times, plot.Options{Limits: limits, Stretch: stretched(limits)})
}

// density draws the learnt density beside the exact one, where it is known.
func (a *artist) density(ctx context.Context, w io.Writer) error {
	if err := a.planar("density"); err != nil {
		return err
	}
	limits, err := a.limits(ctx, false)
	if err != nil {
		return err
	}
	cells := cmp.Or(a.Cells, 96)
	grid := plot.Grid{Limits: limits, NX: cells, NY: cells}
	points, err := grid.Points()
	if err != nil {
		return err
	}
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
	return plot.Density(w, grid, maps, plot.DensityOptions{Options: plot.Options{Stretch: stretched(limits)}})
}

// flowPath solves for points in model units at equally spaced times.
func (a *artist) flowPath(ctx context.Context) ([]flow.Batch, []float64, error) {
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
	solver, err := a.subject.Settings.Solver()
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
