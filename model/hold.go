package model

import (
	"errors"
	"fmt"

	"flowmatch/field"
	"flowmatch/flow"
)

// Hold is what is known of points that a model completes without having been trained
// to: see [field.Held], also for what is wrong with it.
type Hold struct {
	X     flow.Batch // [N, D], in data units; what is not known of it does not matter
	Known []bool     // [N·D]
}

// of returns what is known of points from to to.
func (h *Hold) of(from, to int) *Hold {
	if h == nil || h.X.N < to || len(h.Known) < to*h.X.D { // which held reports
		return h
	}
	return &Hold{X: h.X.Slice(from, to), Known: h.Known[from*h.X.D : to*h.X.D]}
}

// ErrHeld is returned when a point that is held in part is asked for its log-density,
// or in steps of the average velocity.
var ErrHeld = errors.New("model: points are completed by an ODE solver, without log-densities: a field that holds a part of them has no density that was trained")

// held returns the field f, of points that start at x, with what is known held, and
// puts that at the start of its way.
func (m *Model) held(f flow.Field, x flow.Batch, h Hold) (flow.Field, error) {
	if h.X.N != x.N || h.X.D != m.Dim() || len(h.Known) != len(h.X.X) {
		return nil, fmt.Errorf("model: %d points [%d] are known in part, and %d of dimension %d are drawn", h.X.N, h.X.D, x.N, m.Dim())
	}
	x1, noise := h.X.Clone(), x.Clone()
	if m.Standardizer != nil {
		m.Standardizer.Apply(x1)
	}
	lo, _ := m.Span()
	c := m.Scheduler.At(lo)
	for i := range noise.X {
		noise.X[i] /= c.Sigma
		if h.Known[i] {
			x.X[i] += c.Alpha * x1.X[i]
		}
	}
	return field.Held{Field: f, Scheduler: m.Scheduler, X0: noise, X1: x1, Known: h.Known}, nil
}
