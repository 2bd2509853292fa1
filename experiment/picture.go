package experiment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"flowmatch/flow"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/internal/stat"
	"flowmatch/ode"
	"flowmatch/plot"
	"flowmatch/run"
)

// pictureKinds returns the kinds of picture of grids of runs; see [Picture].
func pictureKinds() []string {
	return []string{"samples", "times", "stages", "nfe", kindPosterior, kindDensity, "curves", kindValues,
		kindDots}
}

// The kinds of picture that are drawn of values.
const kindValues, kindDots = "values", "dots"

// galleryPoints is the number of points in a panel.
const galleryPoints = 1000

// galleryDPI keeps a gallery of many panels small.
const galleryDPI = 110

// The columns of galleries.
var (
	galleryTimes = []float64{0, 0.25, 0.5, 0.75, 1}
	galleryNFE   = []int{4, 8, 10, 20}
)

// Drawn is what became of a picture of a grid.
type Drawn struct {
	File    string   // empty: there is nothing that can be drawn
	Missing []string // what is not in it, and why
}

// Draw draws the pictures of a grid into a folder and returns them by Picture.File. Pictures of
// samples are of the runs of the first seed; a run that cannot be drawn is left out.
func Draw(ctx context.Context, g Grid, cells []Cell, results []Result, dir string) (map[string]Drawn, error) {
	files := map[string]Drawn{}
	for _, p := range g.Pictures {
		p = p.filled(g)
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return nil, fmt.Errorf("experiment: %w", err)
		}
		drawn, err := p.draw(ctx, g, cells, results, filepath.Join(dir, p.File+".png"))
		if err != nil {
			return nil, fmt.Errorf("experiment: picture %s: %w", p.File, err)
		}
		files[p.File] = drawn
	}
	return files, nil
}

// filled returns the picture with the task and the methods that it leaves out.
func (p Picture) filled(g Grid) Picture {
	if p.Task == "" && p.Kind != kindDots {
		p.Task = g.Tasks[0].Name
	}
	if len(p.Tasks) == 0 && p.Kind == kindDots {
		p.Tasks = names(g.Tasks)
	}
	if len(p.Methods) == 0 {
		p.Methods = names(g.Methods)
	}
	return p
}

// fromResults says whether a picture is drawn from the results alone, without the runs.
func (p Picture) fromResults() bool {
	return slices.Contains([]string{"curves", kindValues, kindDots}, p.Kind)
}

// errEmpty is what comes of a picture without anything to draw.
var errEmpty = errors.New("there is nothing to draw")

// draw draws a picture into a file.
func (p Picture) draw(ctx context.Context, g Grid, cells []Cell, results []Result, file string) (d Drawn, err error) {
	err = atomicfile.WriteFile(file, func(w io.Writer) error {
		switch {
		case p.fromResults():
			return p.drawResults(w, results)
		case p.Kind == "orbits":
			d.Missing, err = p.drawOrbits(w, g, cells, results)
			return err
		case p.Kind == kindRows:
			d.Missing, err = p.drawRows(w, g, cells, results)
			return err
		case p.Kind == kindPosterior:
			d.Missing, err = p.drawPosterior(ctx, w, g, cells, results)
			return err
		case p.Kind == kindDensity:
			d.Missing, err = p.drawDensity(ctx, w, g, cells, results)
			return err
		}
		d.Missing, err = p.drawGallery(ctx, w, g, cells, results)
		return err
	})
	switch {
	case ends(ctx, err):
		return d, err
	case errors.Is(err, errEmpty):
		d.Missing = append(d.Missing, errEmpty.Error())
	case err != nil:
		d.Missing = append(d.Missing, choice.Spoken(err))
	default:
		d.File = file
	}
	return d, nil
}

// drawResults draws what needs no runs.
func (p Picture) drawResults(w io.Writer, results []Result) error {
	if p.Kind == kindDots {
		return p.drawDots(w, results)
	}
	series := p.curves(results)
	if p.Kind == kindValues {
		series = p.values(results)
	}
	if !slices.ContainsFunc(series, func(s plot.Series) bool { return len(s.X) > 0 }) {
		return errEmpty
	}
	return plot.Lines(w, series, plot.LineOptions{
		XName: p.XName, YName: p.YName, LinearX: p.LinearX, LinearY: p.LinearY, Floors: p.floors(results),
	})
}

// curves returns a line for each method and curve.
func (p Picture) curves(results []Result) (series []plot.Series) {
	for _, m := range p.Methods {
		for _, name := range p.Curves {
			c, sd := curve(results, p.Task, m, name)
			if len(c.X) == 0 {
				continue
			}
			s := plot.Series{Name: m, X: c.X, Y: c.Y, SD: sd}
			if part := name[strings.LastIndexByte(name, '/')+1:]; len(p.Curves) > 1 && len(p.Methods) == 1 {
				s.Name = part // which is then what lines differ in
			} else if len(p.Curves) > 1 {
				s.Name += ", " + part
			}
			series = append(series, s)
		}
	}
	return series
}

// levels are the values of a task that bound the curves whose names begin so, and what they are.
var levels = []struct{ curves, value, name string }{
	{"nll", "optimum", "exact density"},
	{"w2", "w2_data", "data against data"},
	{"sw2", "sw2_data", "data against data"},
	{"off", "off_data", "fresh data"},
	{"fid", "fid_data", "data against data"},
}

// floors are the levels below which differences between the curves of the picture mean nothing,
// where the results have them: the likelihood of the exact density, the distance between two
// sets of data.
func (p Picture) floors(results []Result) []plot.Floor {
	for _, l := range levels {
		if slices.ContainsFunc(p.Curves, func(c string) bool { return !strings.HasPrefix(c, l.curves) }) {
			continue
		}
		var at []float64
		for _, r := range results {
			if v, ok := r.Values[l.value]; ok && !r.Trial && r.Task == p.Task {
				at = append(at, v)
			}
		}
		if len(at) > 0 {
			return []plot.Floor{{Name: l.name, Y: stat.Mean(at)}}
		}
	}
	return nil
}

// cells returns the cells that the pictures show, those of the first seed without the
// combinations that are skipped, and says which of them have failed, which are left out.
func (p Picture) cells(g Grid, cells []Cell, results []Result) (shown []Cell, missing []string) {
	for _, m := range p.Methods {
		k := slices.IndexFunc(cells, func(c Cell) bool {
			return !c.Trial && c.Task == p.Task && c.Method == m && c.Seed == g.Seeds[0]
		})
		if k < 0 {
			continue
		}
		r := slices.IndexFunc(results, func(r Result) bool {
			return !r.Trial && r.Task == p.Task && r.Method == m && r.Seed == g.Seeds[0] && r.Failed != ""
		})
		if r >= 0 {
			missing = append(missing, fmt.Sprintf("method %s: it %s", m, results[r].failure()))
			continue
		}
		shown = append(shown, cells[k])
	}
	return shown, missing
}

// drawOrbits draws the trajectory of each method on its fit, and says which it cannot.
func (p Picture) drawOrbits(w io.Writer, g Grid, cells []Cell, results []Result) (missing []string, err error) {
	var fits []plot.Fit
	shown, missing := p.cells(g, cells, results)
	for _, c := range shown {
		fit, err := c.neuralFit()
		if err != nil {
			return missing, fmt.Errorf("method %s: %w", c.Method, err)
		}
		fits = append(fits, fit)
	}
	if len(fits) == 0 {
		return missing, errEmpty
	}
	return missing, plot.Fits(w, fits, plot.Options{})
}

// drawGallery draws the points or the images of each method, and says which it cannot.
func (p Picture) drawGallery(ctx context.Context, w io.Writer, g Grid, cells []Cell,
	results []Result) (missing []string, err error) {
	var rows []plot.Row
	var limits plot.Limits
	var shape []int
	shown, missing := p.cells(g, cells, results)
	for _, c := range shown {
		found, err := p.cellPanels(ctx, c)
		if ends(ctx, err) {
			return missing, fmt.Errorf("method %s: %w", c.Method, err)
		}
		if err != nil {
			missing = append(missing, fmt.Sprintf("method %s: %s", c.Method, choice.Spoken(err)))
			continue
		}
		limits, shape = found.limits, found.shape
		rows = append(rows, plot.Row{Name: c.Method, Panels: found.panels})
	}
	switch {
	case len(rows) == 0:
		return missing, errEmpty
	case shape != nil:
		return missing, p.imageGallery(w, rows, shape)
	}
	return missing, plot.Gallery(w, rows, plot.Options{Limits: limits, DPI: galleryDPI})
}

// panels are those of one cell: of points, with the limits of its data, or of images of a
// shape.
type panels struct {
	panels []plot.Panel
	limits plot.Limits
	shape  []int
}

// cellPanels are the panels of one cell.
func (p Picture) cellPanels(ctx context.Context, c Cell) (out panels, err error) {
	r, err := run.OpenWith(c.Dir, run.OpenOptions{Known: &c.Config})
	if err != nil {
		return out, err
	}
	t, err := ready(r)
	if err != nil {
		return out, err
	}
	n := min(galleryPoints, t.Set.Test.Len())
	if r.Model.Spec().Image() != nil {
		out.shape, n = r.Model.Spec().Shape, p.images()
		t.Settings.Solve = t.wide() // an eye sees three digits
	} else if out.limits, err = limits(t); err != nil {
		return out, err
	}
	out.panels, err = p.panels(ctx, t, n)
	return out, err
}

// images is how many images stand in the place of a panel of points.
func (p Picture) images() int {
	if p.Kind == "samples" {
		return 16
	}
	return 3
}

// imageGallery draws the images of all panels, a row for each method. Images of the data are
// the same for all methods, and make the first row.
func (p Picture) imageGallery(w io.Writer, rows []plot.Row, shape []int) error {
	if p.Kind == "samples" && len(rows) > 0 {
		rows = append([]plot.Row{{Name: "data", Panels: rows[0].Panels[1:]}}, rows...)
		for i := range rows[1:] {
			rows[i+1].Panels = []plot.Panel{{Points: rows[i+1].Panels[0].Points}}
		}
		rows[0].Panels[0].Title = ""
	}
	var all flow.Batch
	var o plot.ImageOptions
	for i, row := range rows {
		o.RowNames = append(o.RowNames, row.Name)
		if len(row.Panels) > 1 { // whose images belong together
			o.Group = row.Panels[0].Points.N
		}
		for _, panel := range row.Panels {
			all = flow.Batch{X: append(all.X, panel.Points.X...), N: all.N + panel.Points.N, D: panel.Points.D}
			if i == 0 {
				head := make([]string, panel.Points.N)
				head[len(head)/2] = panel.Title // above the one in the middle
				o.ColNames = append(o.ColNames, head...)
			}
		}
	}
	o.Cols = len(o.ColNames)
	return plot.ImageGrid(w, all, shape, o)
}

// limitPoints is the most test points that limits looks at.
const limitPoints = 2000

// limits returns the rectangle that the data fill, a little widened, in data units.
func limits(t trained) (plot.Limits, error) {
	x, _, err := t.TestPoints(limitPoints)
	if err != nil {
		return plot.Limits{}, err
	}
	if err := flat(x.D); err != nil {
		return plot.Limits{}, err
	}
	return plot.Around(x, [2]float64{1, 1}), nil
}

// flat reports points that are none of the plane.
func flat(dim int) error {
	if dim == 2 {
		return nil
	}
	return fmt.Errorf("experiment: pictures of points are for data in 2 dimensions; these have %d", dim)
}

// panels are the panels of one method, of n points each.
func (p Picture) panels(ctx context.Context, t trained, n int) ([]plot.Panel, error) {
	solver, err := t.Settings.Solver()
	if err != nil {
		return nil, err
	}
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
	p, err := t.HeldOutPrompt(n)
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
