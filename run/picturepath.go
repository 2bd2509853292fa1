package run

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"flowmatch/flow"
	"flowmatch/internal/memory"
	"flowmatch/plot"
)

// trajectoryPicture draws the paths from noise to data: along two axes or, of points on the
// line, over time.
func (a *artist) trajectoryPicture(ctx context.Context, w io.Writer) error {
	axes, err := a.axesOrLine("trajectories")
	if err != nil {
		return err
	}
	path, times, err := a.flowPath(ctx)
	if err != nil {
		return err
	}
	return plot.Trajectories(w, path, times,
		plot.TrajectoryOptions{Options: a.along(axes, path[len(path)-1]), Lines: a.N})
}

// flow draws the points as they move, and beside them those of other runs.
func (a *artist) flow(ctx context.Context, w io.Writer) error {
	axes, err := a.axesOrLine("flow")
	if err != nil {
		return err
	}
	path, times, err := a.flowPath(ctx)
	if err != nil {
		return err
	}
	flows := []plot.Flow{{Frames: path}}
	for _, r := range a.Beside {
		if r.Model.Dim() != a.Model.Dim() {
			return fmt.Errorf("run: the points of %s have %d dimensions, those of %s %d; they cannot move side by side",
				r.Dir, r.Model.Dim(), a.Dir, a.Model.Dim())
		}
		other, err := r.artist(PictureOptions{N: a.N, Seed: a.Seed, NoData: a.NoData}, "flow")
		if err != nil {
			return err
		}
		path, _, err := other.flowPath(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Dir, err)
		}
		flows[0].Title = filepath.Base(a.Dir)
		flows = append(flows, plot.Flow{Title: filepath.Base(r.Dir), Frames: path})
	}
	if len(flows) > 1 { // whose times are alike to a thousandth
		for k := range times {
			times[k] = float64(k) / frames
		}
	}
	return plot.FlowGIF(w, flows, times, plot.GIFOptions{Options: a.along(axes, path[len(path)-1])})
}

// axesOrLine are the axes of a picture that points on the line have too.
func (a *artist) axesOrLine(kind string) ([2]int, error) {
	if a.onLine() {
		return [2]int{}, nil
	}
	return a.axes(kind)
}

// flowPath solves for points at equally spaced times, in data units.
func (a *artist) flowPath(ctx context.Context) ([]flow.Batch, []float64, error) {
	lo, hi := a.Model.Span()
	times := make([]float64, frames+1)
	for k := range times {
		times[k] = lo + (hi-lo)*float64(k)/frames
	}
	path, err := a.pathAt(ctx, times)
	return path, times, err
}

// pathAt solves for points, and returns them at the times in data units.
func (a *artist) pathAt(ctx context.Context, times []float64) ([]flow.Batch, error) {
	// The points at all times, and what the solver works with.
	if err := memory.Check(fmt.Sprintf("a picture of the paths of %d points", a.N),
		(frames+16)*8*float64(a.N)*float64(a.Model.Dim())); err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	path, err := a.trajectories(ctx, a.Model.SourcePoints(a.N, a.Seed), times)
	for _, p := range path {
		a.toData(p)
	}
	return path, err
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
