package run

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
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
}

// frames of the animation, and times of the field's panels.
const frames = 40

var fieldTimes = []float64{0, 0.25, 0.5, 0.75, 0.95}

// pictureTolerance is the least tolerance that pictures are solved with.
const pictureTolerance = 1e-3

// Picture draws a picture of one kind: PNG, or an animated GIF for flow.
func (r *Run) Picture(ctx context.Context, w io.Writer, kind string, o PictureOptions) error {
	if o.N == 0 {
		o.N = 4000
		if r.Data.Kind == data.KindImages {
			o.N = 100
		}
	}
	// An eye sees three digits: a picture need not wait for more.
	coarse := *r
	r = &coarse
	r.Config.Eval.RTol = max(r.Config.Eval.RTol, pictureTolerance)
	r.Config.Eval.ATol = max(r.Config.Eval.ATol, pictureTolerance)
	switch kind {
	case "samples":
		return r.drawSamples(ctx, w, o)
	case "density":
		return r.drawDensity(ctx, w, o)
	case "field":
		if err := r.planar(kind); err != nil {
			return err
		}
		f, err := r.field()
		if err != nil {
			return err
		}
		return plot.Field(w, f, fieldTimes, plot.Options{Limits: r.Limits(f.Dim(), true)})
	case "trajectories":
		path, times, err := r.flowPath(ctx, o)
		if err != nil {
			return err
		}
		return plot.Trajectories(w, path, times, plot.TrajectoryOptions{})
	case "flow":
		path, times, err := r.flowPath(ctx, o)
		if err != nil {
			return err
		}
		return plot.FlowGIF(w, path, times, plot.GIFOptions{})
	case "loss":
		return r.drawLoss(w)
	}
	return fmt.Errorf("run: unknown picture %q; it must be one of %v", kind, Pictures())
}

// planar reports that a kind of picture needs data in the plane.
func (r *Run) planar(kind string) error {
	if r.Data.Dim != 2 {
		return fmt.Errorf("run: a picture of the %s is for data in 2 dimensions; these have %d", kind, r.Data.Dim)
	}
	return nil
}

func (r *Run) field() (flow.Field, error) {
	told, err := r.Told(1)
	if err != nil {
		return nil, err
	}
	return r.Model.FieldTo(told.Label, told.Cond)
}

// Labels returns n labels for a conditional model, every class in turn, else nil.
func (r *Run) Labels(n int) []int32 {
	if !r.Config.Conditional {
		return nil
	}
	label := make([]int32, n)
	for i := range label {
		label[i] = int32(i % r.Data.Classes)
	}
	return label
}

func (r *Run) drawSamples(ctx context.Context, w io.Writer, o PictureOptions) error {
	how, err := r.Config.Eval.Sampling()
	if err != nil {
		return err
	}
	told, err := r.Told(o.N)
	if err != nil {
		return err
	}
	how.N, how.Seed, how.Label, how.Cond, how.Progress = o.N, o.Seed, told.Label, told.Cond, r.watch("samples", o.N)
	s, err := r.Model.Sample(ctx, how)
	if err != nil {
		return err
	}
	if told.Cond.N > 0 {
		r.Keep(s.X, told)
		return r.DrawTold(w, s.X, told)
	}
	return r.DrawPoints(w, s.X, told.Label, 0)
}

// DrawPoints draws points in data units: images as a grid of that many columns (0: of
// labels in turn a column a class, else about a square), where a column or a row of
// one class has its name; others beside as many held-out points. label may be nil.
func (r *Run) DrawPoints(w io.Writer, x flow.Batch, label []int32, cols int) error {
	if r.Data.Kind == data.KindImages {
		return plot.ImageGrid(w, x, r.Data.Shape, r.grid(label, x.N, cols))
	}
	panels := []plot.Panel{{Title: "samples", Points: x}}
	if n := min(x.N, r.Data.Test.Len()); n > 0 {
		test, _ := r.TestPoints(n)
		panels = append([]plot.Panel{{Title: "data", Points: test}}, panels...)
	}
	return plot.Samples(w, panels, plot.Options{Names: r.Data.Columns})
}

// Limits returns the rectangle that the data fill, a little widened; in model
// units, or in data units.
func (r *Run) Limits(dim int, modelUnits bool) plot.Limits {
	x, _ := data.Rows(r.Data.Test, 0, min(2000, r.Data.Test.Len()), seed.Rand(r.Config.Seed, "run/limits", 0))
	if !modelUnits {
		r.Data.Original(x)
	}
	if x.N == 0 {
		return plot.Limits{XMin: -4, XMax: 4, YMin: -4, YMax: 4}
	}
	var lo, hi [2]float64
	for d := range 2 {
		lo[d], hi[d] = math.Inf(1), math.Inf(-1)
		for i := range x.N {
			lo[d], hi[d] = min(lo[d], x.X[i*dim+d]), max(hi[d], x.X[i*dim+d])
		}
		margin := 0.12 * (hi[d] - lo[d])
		lo[d], hi[d] = lo[d]-margin, hi[d]+margin
	}
	return plot.Limits{XMin: lo[0], XMax: hi[0], YMin: lo[1], YMax: hi[1]}
}

// drawDensity draws the learnt density beside the exact one, where it is known.
func (r *Run) drawDensity(ctx context.Context, w io.Writer, o PictureOptions) error {
	if err := r.planar("density"); err != nil {
		return err
	}
	cells := cmp.Or(o.Cells, 96)
	grid := plot.Grid{Limits: r.Limits(2, false), NX: cells, NY: cells}
	points := grid.Points()
	logp, _, err := r.LogProb(ctx, points, r.Labels(1))
	if err != nil {
		return err
	}
	maps := []plot.Map{{Title: "learnt density", LogP: logp}}
	if exact := r.exact(points); exact != nil {
		maps = append(maps, plot.Map{Title: "exact density", LogP: exact})
	}
	return plot.Density(w, grid, maps, plot.DensityOptions{})
}

// flowPath solves for points in model units at equally spaced times.
func (r *Run) flowPath(ctx context.Context, o PictureOptions) ([]flow.Batch, []float64, error) {
	x := flow.NewBatch(o.N, r.Model.Dim())
	r.Model.Start().Sample(x, seed.Rand(o.Seed, "sample", 0))
	lo, hi := r.Model.Span()
	times := make([]float64, frames+1)
	for k := range times {
		times[k] = lo + (hi-lo)*float64(k)/frames
	}
	path, err := r.Ways(ctx, x, times)
	return path, times, err
}

// Ways solves from source points x [N, D], which come to where they end, and returns
// the points at the times, all in model units; times rise within the model's Span.
func (r *Run) Ways(ctx context.Context, x flow.Batch, times []float64) ([]flow.Batch, error) {
	solver, err := r.Config.Eval.ODESolver()
	if err != nil {
		return nil, err
	}
	told, err := r.Told(x.N)
	if err != nil {
		return nil, err
	}
	f, err := r.Model.FieldTo(told.Label, told.Cond)
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
	events, err := ReadMetrics(filepath.Join(r.Dir, MetricsFile))
	if err != nil {
		return err
	}
	series := []plot.Series{{Name: "training"}, {Name: "validation (EMA)"}}
	for _, e := range events {
		series[0].X = append(series[0].X, float64(e.Step))
		series[0].Y = append(series[0].Y, e.Loss)
		if e.ValLoss != nil {
			series[1].X = append(series[1].X, float64(e.Step))
			series[1].Y = append(series[1].Y, *e.ValLoss)
		}
	}
	if len(series[1].X) == 0 {
		series = series[:1]
	}
	return plot.Loss(w, series, plot.LossOptions{})
}
