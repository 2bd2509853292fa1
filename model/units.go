package model

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/nn"
)

// Units maps points between data units and model units: a [data.Standardizer] or a
// [schema.Schema].
type Units interface {
	// Apply maps points [N, D] from data units to model units in place, and Invert back.
	Apply(x flow.Batch)
	Invert(z flow.Batch)
	// Slope returns dx/dz of coordinate d at the value v in data units.
	Slope(d int, v float64) float64
}

// Units returns the units of the data; nil where they are those of the model.
func (s Spec) Units() Units {
	switch {
	case s.Schema != nil:
		return s.Schema
	case s.Standardizer != nil:
		return s.Standardizer
	}
	return nil
}

// Levels returns what a network may know of the levels of a table: those of the Schema, in units of
// the scale of the data; nil without both.
func (s Spec) Levels() []nn.Levels {
	if s.Schema == nil || s.Precondition == nil {
		return nil
	}
	scale := cmp.Or(s.Precondition.Data, 1)
	var all []nn.Levels
	for _, l := range s.Schema.Levels() {
		to := nn.Levels{At: l.At, Noise: l.Noise / scale, Shares: l.Shares, Missing: l.Missing}
		for k := range l.On {
			to.Off, to.On = append(to.Off, l.Off[k]/scale), append(to.On, l.On[k]/scale)
		}
		all = append(all, to)
	}
	return all
}

// checkLevels reports levels of the network that are not those of the table.
func (s Spec) checkLevels() error {
	if len(s.Net.Levels) > 0 && !reflect.DeepEqual(s.Net.Levels, s.Levels()) {
		return fmt.Errorf("%w: the levels of the network are not those of the schema and the precondition", ErrSpec)
	}
	return nil
}

// toModelUnits returns a copy of x in model units.
func (m *Model) toModelUnits(x flow.Batch) flow.Batch {
	z := x.Clone()
	if u := m.spec.Units(); u != nil {
		u.Apply(z)
	}
	return z
}

// outside returns the numbers of points z in model units that a transform of the schema does not take,
// as log does not take -1: their density is 0. They are moved to the middle, so that they can be solved.
func (m *Model) outside(z flow.Batch) (points []int) {
	if m.spec.Schema == nil {
		return nil
	}
	for i := range z.N {
		row := z.Row(i)
		if slices.ContainsFunc(row, func(v float64) bool { return v-v != 0 }) {
			points = append(points, i)
			clear(row)
		}
	}
	return points
}

// toDataUnits adds the log-determinant of the map to model units, at the points x [N, D] in data
// units: p(x) = p(z) |dz/dx|. Of a table with a schema it makes log p of rows: see there.
func (m *Model) toDataUnits(logp []float64, x flow.Batch) {
	switch {
	case m.spec.Schema != nil:
		det, noise := m.spec.Schema.LogDet(x), m.spec.Schema.LogNoise(x)
		for i := range logp {
			logp[i] += det[i] - noise[i]
		}
	case m.manifold != nil:
		for i := range logp {
			logp[i] -= m.manifold.LogVolume(x.Row(i))
		}
	case m.spec.Standardizer != nil:
		shift := m.spec.Standardizer.LogDet(m.Dim())
		for i := range logp {
			logp[i] -= shift
		}
	}
}

// checkSchema reports a schema that is none, or not one of points of so many coordinates.
func (s Spec) checkSchema(dim int) error {
	if s.Standardizer != nil {
		return fmt.Errorf("%w: it has both a schema and a standardizer; leave one out", ErrSpec)
	}
	if err := s.Schema.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrSpec, err)
	}
	if n := s.Schema.Dim(); n != dim {
		return fmt.Errorf("%w: a schema of %d coordinates for points of dimension %d", ErrSpec, n, dim)
	}
	names, kinds := s.Schema.Coordinates()
	for _, f := range []struct {
		what       string
		have, want []string
	}{{"columns", s.Columns, names}, {"kinds", s.Kinds, kinds}} {
		if len(f.have) > 0 && !slices.Equal(f.have, f.want) {
			return fmt.Errorf("%w: its %s, %s, are not those of its schema, %s", ErrSpec, f.what, choice.List(f.have),
				choice.List(f.want))
		}
	}
	return nil
}
