package experiment

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"flowmatch/flow"
	"flowmatch/internal/atomicfile"
	"flowmatch/ode"
	"flowmatch/plot"
	"flowmatch/run"
)

// pictureKinds returns the kinds of picture of grids of runs; see [Picture].
func pictureKinds() []string { return []string{"samples", "times", "stages", "nfe", "curves"} }

// galleryPoints is the number of points in a panel.
const galleryPoints = 1000

// galleryDPI keeps a gallery of many panels small.
const galleryDPI = 110

// The columns of galleries.
var (
	galleryTimes = []float64{0, 0.25, 0.5, 0.75, 1}
	galleryNFE   = []int{4, 8, 10, 20}
)

// Draw draws the pictures of a grid into a folder and returns their files, by
// Picture.File. Pictures of samples are of the runs of the first seed.
func Draw(ctx context.Context, g Grid, cells []Cell, results []Result, dir string) (map[string]string, error) {
	files := map[string]string{}
	for _, p := range g.Pictures {
		if p.Task == "" {
			p.Task = g.Tasks[0].Name
		}
		if len(p.Methods) == 0 {
			p.Methods = names(g.Methods)
		}
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return nil, fmt.Errorf("experiment: %w", err)
		}
		file := filepath.Join(dir, p.File+".png")
		err := atomicfile.WriteFile(file, func(w io.Writer) error {
			if p.Kind == "curves" {
				return p.drawCurves(w, results)
			}
			return p.drawGallery(ctx, w, g, cells)
		})
		if err != nil {
			return nil, fmt.Errorf("experiment: picture %s: %w", p.File, err)
		}
		files[p.File] = file
	}
	return files, nil
}

// drawCurves draws a line for each method and curve.
func (p Picture) drawCurves(w io.Writer, results []Result) error {
	var series []plot.Series
	for _, m := range p.Methods {
		for _, name := range p.Curves {
			c := curve(results, p.Task, m, name)
			if len(c.X) == 0 {
				continue
			}
			label := m
			if len(p.Curves) > 1 {
				label += ", " + name[strings.LastIndexByte(name, '/')+1:]
			}
			series = append(series, plot.Series{Name: label, X: c.X, Y: c.Y})
		}
	}
	return plot.Lines(w, series, plot.LineOptions{
		XName: p.XName, YName: p.YName, LinearX: p.LinearX, LinearY: p.LinearY,
	})
}

// drawGallery draws the points of each method.
func (p Picture) drawGallery(ctx context.Context, w io.Writer, g Grid, cells []Cell) error {
	var rows []plot.Row
	var limits plot.Limits
	for _, m := range p.Methods {
		k := slices.IndexFunc(cells, func(c Cell) bool {
			return c.Task == p.Task && c.Method == m && c.Seed == g.Seeds[0]
		})
		if k < 0 {
			continue // a combination that is skipped
		}
		panels, lim, err := p.cellPanels(ctx, cells[k])
		if err != nil {
			return fmt.Errorf("method %s: %w", m, err)
		}
		limits = lim
		rows = append(rows, plot.Row{Name: m, Panels: panels})
	}
	return plot.Gallery(w, rows, plot.Options{Limits: limits, DPI: galleryDPI})
}

// cellPanels are the panels of one cell, and the limits of its data.
func (p Picture) cellPanels(ctx context.Context, c Cell) ([]plot.Panel, plot.Limits, error) {
	if c.Neural != nil {
		panels, err := c.neuralPanels()
		return panels, plot.Limits{}, err
	}
	r, err := run.Open(c.Dir, "")
	if err != nil {
		return nil, plot.Limits{}, err
	}
	t, err := ready(r)
	if err != nil {
		return nil, plot.Limits{}, err
	}
	lim, err := limits(t)
	if err != nil {
		return nil, lim, err
	}
	panels, err := p.panels(ctx, t)
	return panels, lim, err
}

// limitPoints is the most test points that limits looks at.
const limitPoints = 2000

// limits returns the rectangle that the data fill, a little widened, in data units.
func limits(t trained) (plot.Limits, error) {
	x, _, err := t.TestPoints(limitPoints)
	if err != nil {
		return plot.Limits{}, err
	}
	if x.D != 2 {
		return plot.Limits{}, fmt.Errorf("experiment: pictures of points are for data in 2 dimensions; these have %d",
			x.D)
	}
	return plot.Around(x, [2]float64{1, 1}), nil
}

// panels are the panels of one method.
func (p Picture) panels(ctx context.Context, t trained) ([]plot.Panel, error) {
	solver, err := t.Settings.Solver()
	if err != nil {
		return nil, err
	}
	n := min(galleryPoints, t.Set.Test.Len())
	switch p.Kind {
	case "times":
		return paths(ctx, t, n)
	case "stages":
		return growth(ctx, t, solver, n)
	case "nfe":
		var panels []plot.Panel
		for _, nfe := range galleryNFE {
			s := ode.Solver{Method: ode.Midpoint, Control: ode.Fixed(nfe / ode.Midpoint.Stages())}
			x, err := drawn(ctx, t, s, n)
			if err != nil {
				return nil, err
			}
			panels = append(panels, plot.Panel{Title: fmt.Sprintf("NFE %d", nfe), Points: x})
		}
		return panels, nil
	}
	x, err := drawn(ctx, t, solver, n)
	if err != nil {
		return nil, err
	}
	test, _, err := t.TestPoints(n)
	return []plot.Panel{{Title: "samples", Points: x}, {Title: "data", Points: test}}, err
}

// drawn returns samples in data units, from the same source points for every run.
func drawn(ctx context.Context, t trained, solver ode.Solver, n int) (flow.Batch, error) {
	p, err := t.Prompt(n)
	if err != nil {
		return flow.Batch{}, err
	}
	s, err := t.sampleFrom(ctx, source(t, n, 0), p.Given, solver)
	return s.X, err
}

// paths are the points at several times of a solve, in model units scaled to those
// of the data.
func paths(ctx context.Context, t trained, n int) ([]plot.Panel, error) {
	lo, hi := t.Model.Span()
	times := make([]float64, len(galleryTimes))
	for k, u := range galleryTimes {
		times[k] = lo + (hi-lo)*u
	}
	path, err := t.run.Trajectories(ctx, source(t, n, 0), times)
	var panels []plot.Panel
	for k, p := range path {
		t.Set.Original(p)
		panels = append(panels, plot.Panel{Title: fmt.Sprintf("t = %.2g", galleryTimes[k]), Points: p})
	}
	return panels, err
}

// growth are samples of up to five snapshots, from the first to the last, at steps
// that grow by about the same factor.
func growth(ctx context.Context, t trained, solver ode.Solver, n int) ([]plot.Panel, error) {
	steps, err := run.Snapshots(t.run.Dir)
	if err != nil {
		return nil, err
	}
	if len(steps) == 0 {
		return nil, errNoSnapshots
	}
	var panels []plot.Panel
	for _, step := range spread(steps, 5) {
		at, err := t.at(step)
		if err != nil {
			return nil, err
		}
		x, err := drawn(ctx, at, solver, n)
		if err != nil {
			return nil, err
		}
		panels = append(panels, plot.Panel{Title: fmt.Sprintf("step %d", step), Points: x})
	}
	return panels, nil
}

// spread picks up to n of increasing numbers, the first and the last among them,
// as evenly in their logarithms as they allow.
func spread(v []int, n int) []int {
	if len(v) <= n {
		return v
	}
	var out []int
	for k := range n {
		target := float64(v[0]) * math.Pow(float64(v[len(v)-1])/float64(v[0]), float64(k)/float64(n-1))
		i, _ := slices.BinarySearchFunc(v, target, func(a int, t float64) int {
			if float64(a) < t-0.5 {
				return -1
			}
			return 1
		})
		pick := v[min(i, len(v)-1)]
		if len(out) == 0 || pick > out[len(out)-1] {
			out = append(out, pick)
		}
	}
	return out
}
