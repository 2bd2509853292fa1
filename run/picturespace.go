package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/manifold"
	"flowmatch/plot"
)

// This file draws points that are on a manifold: maps of the sphere, and columns of the rest.

// picturesOnSpaces are the kinds that are drawn of them.
var picturesOnSpaces = []string{"samples", "pairs", "density", "globe", "loss"}

// ErrPicture is returned for a picture of a kind that points of a run's space do not have.
var ErrPicture = errors.New("run: there is no such picture of the points of this run")

// checkSpace reports what a picture of points on a manifold does not have, by an [ErrPicture].
func (a *artist) checkSpace(kind string) error {
	space := a.Model.Spec().Space
	mapped := space != nil && isMap(space)
	if kind == "globe" && !mapped {
		return fmt.Errorf("%w: a globe is drawn of the density of a sphere of dimension 2, which they are not on; "+
			"draw the density as a .png, .svg or .pdf", ErrPicture)
	}
	if space == nil || kind == "loss" {
		return nil
	}
	kinds := slices.DeleteFunc(slices.Clone(picturesOnSpaces), func(k string) bool {
		return k == "globe" && !mapped || k == "pairs" && mapped
	})
	switch {
	case !slices.Contains(kinds, kind):
		return fmt.Errorf("%w: a picture of kind %s is of points of R^d; of points of %s there are %s", ErrPicture,
			kind, space, choice.List(kinds))
	case kind == "density" && !mapped && !(space.Form == manifold.Angles && space.Dim <= 2):
		return fmt.Errorf("%w: the density is drawn of a sphere of dimension 2 and of a torus of one or two angles, "+
			"and the space is %v; draw samples", ErrPicture, space.Manifold())
	case a.Columns != [2]int{} || a.Truth != nil || a.Limits != plot.Limits{}:
		return fmt.Errorf("%w: columns, limits and a truth have no effect on one of points of %s; leave them out",
			ErrPicture, space)
	}
	return nil
}

// isMap says whether points are drawn on maps.
func isMap(space *manifold.Space) bool {
	return space.Name == "sphere" && space.Dim == 2 && len(space.Product) == 0
}

// lonLat returns points of a sphere as longitudes and latitudes in degrees.
func lonLat(x flow.Batch) flow.Batch {
	return places().Rows(x)
}

// places is the sphere in columns of longitude and latitude.
func places() *manifold.Space {
	return &manifold.Space{Config: manifold.Config{Name: "sphere", Dim: 2, Form: manifold.LatLon},
		Columns: []string{"longitude", "latitude"}}
}

// onSphere returns longitudes and latitudes in degrees as points of it.
func onSphere(lonLat flow.Batch) (flow.Batch, error) {
	return places().Points(lonLat, nil)
}

// spacePoints draws samples beside as many held-out points.
func (a *artist) spacePoints(w io.Writer, x flow.Batch, label []int32) error {
	space := a.Model.Spec().Space
	titles, sets, labels := []string{"samples"}, []flow.Batch{x}, [][]int32{label}
	if set := a.beside(); set != nil && set.Test.Len() > 0 {
		n := min(x.N, set.Test.Len()) // as many of both: dots of more look denser
		test, _, err := a.subject.TestPoints(n)
		if err != nil {
			return err
		}
		if n < x.N {
			titles[0] = fmt.Sprintf("%d of %d samples", n, x.N)
		}
		if label != nil {
			label = label[:n]
		}
		titles, sets, labels = []string{"data", titles[0]}, []flow.Batch{test, x.Slice(0, n)}, [][]int32{nil, label}
	}
	o := a.options()
	if isMap(space) {
		panels := make([]plot.WorldPanel, len(sets))
		for k := range sets {
			panels[k] = plot.WorldPanel{Title: titles[k], Points: lonLat(sets[k]), Labels: labels[k]}
		}
		return plot.World(w, panels, plot.WorldOptions{Options: o, Bare: space.Form != manifold.LatLon})
	}
	panels := make([]plot.Panel, len(sets))
	for k := range sets {
		panels[k] = plot.Panel{Title: titles[k], Points: space.Rows(sets[k])}
		if panels[k].Points.D > plot.MaxPairs {
			panels[k].Points = some(panels[k].Points, []int{0, 1, 2, 3, 4, 5, 6, 7})
		}
	}
	o.Names = space.Columns[:panels[0].Points.D]
	if a.pairs {
		return plot.Pairs(w, panels, o)
	}
	return plot.Samples(w, panels, o)
}

// spaceDensity draws the density of a sphere as a map, with held-out points, and that of a torus over
// its angles.
func (a *artist) spaceDensity(ctx context.Context, w io.Writer) error {
	space := a.Model.Spec().Space
	if !isMap(space) {
		return a.torusDensity(ctx, w, space)
	}
	cells := plot.Sphere{Rows: a.Cells}
	logp, err := a.onSphere(ctx, cells)
	if err != nil {
		return err
	}
	panels := []plot.WorldPanel{{Title: "learnt density", LogP: logp}}
	if set := a.beside(); set != nil && set.Test.Len() > 0 && a.one.N == 0 {
		test, _, err := a.subject.TestPoints(0)
		if err != nil {
			return err
		}
		panels = append(panels, plot.WorldPanel{Title: fmt.Sprintf("%d held-out points", test.N), Points: lonLat(test)})
	}
	return plot.World(w, panels, plot.WorldOptions{Options: a.options(), Sphere: cells, Log: a.Log,
		Bare: space.Form != manifold.LatLon})
}

// onSphere returns the learnt log-density at the cells of a sphere.
func (a *artist) onSphere(ctx context.Context, cells plot.Sphere) ([]float64, error) {
	at, err := cells.Points()
	if err != nil {
		return nil, err
	}
	x, err := onSphere(at)
	if err != nil {
		return nil, err
	}
	logp, _, err := a.densities(ctx, x)
	return logp, err
}

// globe draws the density of a sphere on a globe that turns.
func (a *artist) globe(ctx context.Context, w io.Writer) error {
	cells := plot.Sphere{Rows: a.Cells}
	logp, err := a.onSphere(ctx, cells)
	if err != nil {
		return err
	}
	return plot.Globe(w, logp, plot.GlobeOptions{GIFOptions: plot.GIFOptions{Options: a.options()}, Sphere: cells,
		Log: a.Log, Bare: a.Model.Spec().Space.Form != manifold.LatLon})
}

// torusDensity draws the density of one or two angles.
func (a *artist) torusDensity(ctx context.Context, w io.Writer, space *manifold.Space) error {
	half := 180.0
	if space.Units == manifold.Radians {
		half = math.Pi
	}
	o := a.options()
	o.Names = space.Columns
	if space.Dim == 1 {
		line := flow.NewBatch(4*cmp.Or(a.Cells, 96), 1)
		for i := range line.X {
			line.X[i] = half * (2*(float64(i)+0.5)/float64(line.N) - 1)
		}
		logp, err := a.atRows(ctx, space, line)
		if err != nil {
			return err
		}
		series, name := a.curves(line, [][]float64{nil, logp})
		return plot.Lines(w, series, plot.LineOptions{Options: o, LinearX: true, LinearY: true,
			XName: or(o.Names, "x1"), YName: name})
	}
	cells := cmp.Or(a.Cells, 96)
	grid := plot.Grid{Limits: plot.Limits{XMin: -half, XMax: half, YMin: -half, YMax: half}, NX: cells, NY: cells}
	rows, err := grid.Points()
	if err != nil {
		return err
	}
	logp, err := a.atRows(ctx, space, rows)
	if err != nil {
		return err
	}
	return plot.Density(w, grid, []plot.Map{{Title: "learnt density", LogP: logp}},
		plot.DensityOptions{Options: o, Log: a.Log})
}

// atRows returns the learnt log-density at rows of a file.
func (a *artist) atRows(ctx context.Context, space *manifold.Space, rows flow.Batch) ([]float64, error) {
	x, err := space.Points(rows, nil)
	if err != nil {
		return nil, err
	}
	logp, _, err := a.densities(ctx, x)
	return logp, err
}
