package flowtest

import (
	"errors"
	"fmt"

	"flowmatch/flow"
)

// timed compares the field of points with a time each with the field at these times; the
// points are some of the probe's, in another order.
func (p probe) timed() error {
	if _, ok := p.f.(flow.Timed); !ok {
		return nil
	}
	rows, ts := []int{p.n - 1, 0, 2}, make([]float64, 3)
	f, err := flow.AtTimes(p.f, rows, ts)
	if errors.Is(err, flow.ErrNotTimed) {
		return nil // a wrapper of one that is not
	}
	if err != nil {
		return fmt.Errorf("AtTimes: %w", err)
	}
	for k := range ts { // after the call: they are read in each evaluation
		ts[k] = p.o.Lo + (p.t-p.o.Lo)*float64(k+1)/3
	}
	x, e := flow.Batch{N: p.n, D: p.f.Dim(), X: p.x}.Rows(rows), flow.Batch{N: 3, D: p.f.Dim()}
	e.X = p.normals(len(x.X), 1)
	for _, m := range timedMethods {
		got, err := m.of(f, p.t, x.X, e.X)
		if err != nil {
			return fmt.Errorf("%s at times of the points: %w", m.name, err)
		}
		for k, t := range ts {
			want, err := m.of(p.f, t, x.Row(k), e.Row(k))
			if err != nil {
				return err
			}
			part := got[k*len(want) : (k+1)*len(want)]
			what := fmt.Sprintf("%s of point %d at a time of its own", m.name, k)
			if err := near(what, part, want, p.o.Tol); err != nil {
				return err
			}
		}
	}
	return nil
}

// timedMethods are what a field can be asked for; nil, of a field without the upgrade.
var timedMethods = []struct {
	name string
	of   func(f flow.Field, t float64, x, e []float64) ([]float64, error)
}{
	{"Velocity", func(f flow.Field, t float64, x, _ []float64) ([]float64, error) {
		v := make([]float64, len(x))
		return v, f.Velocity(v, t, x)
	}},
	{"VJP", func(f flow.Field, t float64, x, e []float64) ([]float64, error) {
		d, ok := f.(flow.Differentiable)
		if !ok {
			return nil, nil
		}
		v, g := make([]float64, len(x)), make([]float64, len(x))
		return g, d.VJP(v, g, t, x, e)
	}},
	{"VelocityDiv", func(f flow.Field, t float64, x, _ []float64) ([]float64, error) {
		d, ok := f.(flow.Diverger)
		if !ok {
			return nil, nil
		}
		v, div := make([]float64, len(x)), make([]float64, len(x)/f.Dim())
		return div, d.VelocityDiv(v, div, t, x)
	}},
}
