package model

import (
	"errors"
	"fmt"

	"flowmatch/flow"
	"flowmatch/manifold"
	"flowmatch/ode"
	"flowmatch/path"
)

// ErrCurved is returned for what a model on a manifold is asked for, and does not have.
var ErrCurved = errors.New("model: the points are on a manifold")

// curve makes the manifold and its source, and reports what does not go with one.
func (m *Model) curve() error {
	spec, law := &m.spec, m.spec.Law
	switch {
	case spec.Space == nil && law == nil:
		return nil
	case spec.Space != nil && law != nil:
		return fmt.Errorf("%w: both Space and Law are set; leave one out", ErrSpec)
	case spec.Space != nil:
		if err := spec.Space.Validate(); err != nil {
			return fmt.Errorf("%w: %w", ErrSpec, err)
		}
		law = spec.Space.Law()
	}
	m.manifold = law.Manifold()
	if d := m.manifold.Ambient(); d != spec.Net.Dim {
		return fmt.Errorf("%w: points of %v have %d numbers, and the network has dimension %d", ErrSpec, m.manifold, d,
			spec.Net.Dim)
	}
	c, straight := m.scheduler.(path.CondOT)
	for _, f := range []struct {
		what string
		set  bool
	}{
		{"a path other than condot", !straight || c.SigmaMin != 0}, {"a Precondition", spec.Precondition != nil},
		{"a Standardizer", spec.Standardizer != nil}, {"a Schema", spec.Schema != nil},
		{"Bounds", spec.Bounds != nil}, {"a Source of R^D", spec.Source != nil}, {"a Condition", spec.Condition != nil},
		{"a BinWidth", spec.BinWidth != 0}, {"average velocities", spec.Net.Average},
		{"shown coordinates", spec.Net.Shown}, {"images", spec.Net.OfImages()},
		{"a prediction other than velocity", spec.Prediction != path.Velocity},
	} {
		if f.set {
			return fmt.Errorf("%w: a model on a manifold (%v) has no %s: its path is along geodesics from a source on "+
				"the manifold", ErrSpec, m.manifold, f.what)
		}
	}
	m.source = manifold.Source{Law: law}
	return nil
}

// Manifold returns what the points are on; nil: R^D.
func (m *Model) Manifold() manifold.Manifold {
	if m == nil {
		return nil
	}
	return m.manifold
}

// tangent returns the field on the manifold of f.
func (m *Model) tangent(f flow.Field) flow.Field {
	if m.manifold == nil || f == nil {
		return f
	}
	return manifold.Field{M: m.manifold, F: f}
}

// onSpace returns s with steps that keep to the manifold.
func (m *Model) onSpace(s ode.Solver) ode.Solver {
	if m.manifold != nil {
		s.Space = manifold.Steps{M: m.manifold}
	}
	return s
}

// checkPoints reports the first of points that is none of the manifold.
func (m *Model) checkPoints(x flow.Batch) error {
	if m.manifold == nil {
		return nil
	}
	for i := range x.N {
		if err := m.manifold.Check(x.Row(i)); err != nil {
			return fmt.Errorf("model: point %d: %w", i, err)
		}
	}
	return nil
}
