package run

import (
	"cmp"
	"context"
	"io"
	"math"
	"slices"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/plot"
)

// window returns the plane through the data along two axes, and the rectangle of it that they
// fill, a little widened, in data units; where no points are held out, those of samples.
func (a *artist) window(ctx context.Context, axes [2]int) (plane, plot.Limits, error) {
	x, err := a.typical(ctx)
	if err != nil {
		return plane{}, plot.Limits{}, err
	}
	p := through(x, axes)
	if a.Limits != (plot.Limits{}) {
		return p, a.Limits, nil
	}
	u := a.Model.Spec().Units()
	return p, plot.Around(p.coordinates(x), [2]float64{unit(u, axes[0], p.at), unit(u, axes[1], p.at)}), nil
}

// unit is the length of a model unit along an axis, at a point x in data units.
func unit(u model.Units, axis int, x []float64) float64 {
	if u == nil {
		return 1
	}
	return u.Slope(axis, x[axis])
}

// mostAspect is the ratio of the sides of a picture beyond which its axes are scaled apart.
const mostAspect = 4

// stretched says whether a rectangle is too flat or too tall for equal units on both axes.
func stretched(l plot.Limits) bool {
	ratio := (l.XMax - l.XMin) / (l.YMax - l.YMin)
	return ratio > mostAspect || ratio < 1./mostAspect
}

// typical returns points in data units that lie where the data do.
func (a *artist) typical(ctx context.Context) (flow.Batch, error) {
	const most = 2000
	if set := a.beside(); set != nil && set.Test.Len() > 0 {
		x, _, err := data.RandomRows(set.Test, most, a.Config.Seed, "run/limits",
			seed.Rand(a.Config.Seed, "run/limits", 1))
		if err == nil {
			a.toData(x)
		}
		return x, err
	}
	p, err := a.prompt(most)
	if err != nil {
		return flow.Batch{}, err
	}
	return a.sample(ctx, p, most, a.Config.Seed)
}

// toData turns points from model units into those of the data, in place.
func (a *artist) toData(x flow.Batch) {
	if u := a.Model.Spec().Units(); u != nil && x.N > 0 {
		u.Invert(x)
	}
}

// inDataUnits is a field of the model as one of points in data units.
type inDataUnits struct {
	flow.Field
	units model.Units
}

// Velocity implements [flow.Field]. Points that have no model units, such as those beyond the bounds of
// a column, do not move.
func (f inDataUnits) Velocity(v []float64, t float64, x []float64) error {
	d := f.Dim()
	z := flow.Batch{N: len(x) / d, D: d, X: slices.Clone(x)}
	f.units.Apply(z)
	out := make([]bool, z.N)
	for i := range out {
		if out[i] = slices.ContainsFunc(z.Row(i), notFinite); out[i] {
			clear(z.Row(i))
		}
	}
	if err := f.Field.Velocity(v, t, z.X); err != nil {
		return err
	}
	for i := range v {
		if out[i/d] {
			v[i] = 0
			continue
		}
		v[i] *= unit(f.units, i%d, x[i-i%d:i-i%d+d])
	}
	return nil
}

func notFinite(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }

// field draws the velocities in the plane, over the points at that time; of points on the line
// the density over time, with paths.
func (a *artist) field(ctx context.Context, w io.Writer) error {
	if a.onLine() {
		path, times, err := a.flowPath(ctx)
		if err != nil {
			return err
		}
		return plot.OverTime(w, path, times, a.options())
	}
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
	if u := a.Model.Spec().Units(); u != nil {
		f = inDataUnits{f, u}
	}
	part, limits, err := a.window(ctx, axes)
	if err != nil {
		return err
	}
	lo, hi := a.Model.Span() // beyond which there is no velocity
	times := make([]float64, len(fieldTimes))
	for k, t := range fieldTimes {
		times[k] = min(max(t, lo), hi)
	}
	path, err := a.pathAt(ctx, times)
	if err != nil {
		return err
	}
	for k := range path {
		path[k] = part.coordinates(path[k])
	}
	o := a.options()
	o.Limits, o.Stretch, o.Names = limits, stretched(limits), a.names(axes)
	o.Title = a.titled(part.title())
	return plot.Field(w, inPlane{part, f}, times, plot.FieldOptions{Options: o, Points: path})
}

// onLine says whether the points have one dimension.
func (a *artist) onLine() bool { return a.Model.Dim() == 1 && a.Model.Spec().Image() == nil }

// names returns those of two columns; nil where they have none.
func (a *artist) names(axes [2]int) []string {
	all := a.Model.Spec().Columns
	if all == nil {
		return nil
	}
	return []string{all[axes[0]], all[axes[1]]}
}

// density draws the learnt density beside the exact one, where it is known, and their
// difference.
func (a *artist) density(ctx context.Context, w io.Writer) error {
	if a.Model.Spec().Space != nil {
		return a.spaceDensity(ctx, w)
	}
	if a.onLine() {
		return a.lineDensity(ctx, w)
	}
	axes, err := a.axes("density")
	if err != nil {
		return err
	}
	part, limits, err := a.window(ctx, axes)
	if err != nil {
		return err
	}
	cells := cmp.Or(a.Cells, cellsFor(a.Model.Dim()))
	grid := plot.Grid{Limits: limits, NX: cells, NY: cells}
	flat, err := grid.Points()
	if err != nil {
		return err
	}
	learnt, exact, err := a.densities(ctx, part.points(flat))
	if err != nil {
		return err
	}
	maps := []plot.Map{{Title: "learnt density", LogP: learnt}}
	if exact != nil {
		maps = append(maps, plot.Map{Title: "exact density", LogP: exact})
	}
	o := a.options()
	o.Stretch, o.Names = stretched(limits), a.names(axes)
	o.Title = a.titled(part.title())
	if a.Truth != nil {
		o.Truth = []float64{a.Truth[axes[0]], a.Truth[axes[1]]}
	}
	return plot.Density(w, grid, maps, plot.DensityOptions{Options: o, Log: a.Log, Difference: exact != nil})
}

// densities returns the learnt log-density at points in data units, and the exact one, nil where
// it is not known.
func (a *artist) densities(ctx context.Context, x flow.Batch) (learnt, exact []float64, err error) {
	p, err := a.prompt(1)
	if err != nil {
		return nil, nil, err
	}
	if learnt, _, err = a.subject.LogProb(ctx, x, p.Given); err != nil {
		return nil, nil, err
	}
	exact, err = a.subject.DataLogProb(x)
	return learnt, exact, err
}

// leastLogP is how far below its top a density of the line is shown on a logarithmic axis, in
// nats, as in pictures of the plane.
const leastLogP = 12

// lineDensity draws the densities of points on the line as curves.
func (a *artist) lineDensity(ctx context.Context, w io.Writer) error {
	x, err := a.typical(ctx)
	if err != nil {
		return err
	}
	lo, hi := a.Limits.XMin, a.Limits.XMax
	if a.Limits == (plot.Limits{}) {
		shown := append(slices.Clone(x.X), a.Truth...)
		lo, hi = slices.Min(shown), slices.Max(shown)
		air := cmp.Or(0.12*(hi-lo), unit(a.Model.Spec().Units(), 0, []float64{(lo + hi) / 2}))
		lo, hi = lo-air, hi+air
	}
	at := flow.NewBatch(4*cmp.Or(a.Cells, 96), 1)
	for i := range at.X {
		at.X[i] = lo + (hi-lo)*float64(i)/float64(at.N-1)
	}
	learnt, exact, err := a.densities(ctx, at)
	if err != nil {
		return err
	}
	series, name := a.curves(at, [][]float64{exact, learnt})
	o := a.options()
	o.Truth = a.Truth
	return plot.Lines(w, series, plot.LineOptions{
		Options: o, LinearX: true, LinearY: true, XName: or(o.Names, "x1"), YName: name,
	})
}

// curves returns the exact and the learnt density at points of the line as curves, those that are
// known, and the name of their axis.
func (a *artist) curves(at flow.Batch, logps [][]float64) (series []plot.Series, name string) {
	name = "p(x)"
	for k, logp := range logps {
		if logp == nil {
			continue
		}
		s := plot.Series{Name: []string{"exact", "learnt"}[k], X: at.X, Y: slices.Clone(logp), Bare: true}
		top := slices.Max(logp)
		for i, v := range logp {
			if s.Y[i] = math.Exp(v); a.Log {
				s.Y[i], name = max(v, top-leastLogP), "log p(x)"
			}
		}
		series = append(series, s)
	}
	return series, name
}

// or returns the first name, if there is one.
func or(names []string, otherwise string) string {
	if len(names) > 0 {
		return names[0]
	}
	return otherwise
}

// cellsFor is the default of PictureOptions.Cells in so many dimensions: the numbers that are
// solved for stay about as many from 64 dimensions on.
func cellsFor(dim int) int {
	const most, least, from = 96, 16, 64
	return max(least, int(most*math.Sqrt(min(1, from/float64(dim)))))
}
