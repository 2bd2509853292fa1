package model

import (
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

// check reports a Hold that does not fit n points of a model. nil fits.
func (h *Hold) check(m *Model, n int) error {
	if h == nil {
		return nil
	}
	if m.manifold != nil {
		return fmt.Errorf("%w: coordinates of points of a manifold are not known one by one: leave Hold out", ErrCurved)
	}
	if h.X.N != n || h.X.D != m.Dim() || len(h.X.X) != h.X.N*h.X.D || len(h.Known) != len(h.X.X) {
		return fmt.Errorf("%w: points known in part are [%d, %d] with %d numbers and %d truth values; "+
			"they must be [%d, %d]",
			ErrSampler, h.X.N, h.X.D, len(h.X.X), len(h.Known), n, m.Dim())
	}
	return nil
}

// slice returns what is known of points from to to.
func (h *Hold) slice(from, to int) Hold {
	return Hold{X: h.X.Slice(from, to), Known: h.Known[from*h.X.D : to*h.X.D]}
}

// held returns the field f, of points that start at x, with what is known held, and
// moves the known coordinates of x to the start of their path.
func (m *Model) held(f flow.Field, x flow.Batch, h Hold) flow.Field {
	x1, noise := m.toModelUnits(h.X), x.Clone()
	lo, _ := m.Span()
	c := m.scheduler.At(lo)
	for i := range noise.X {
		noise.X[i] /= c.Sigma
		if h.Known[i] {
			x.X[i] += c.Alpha * x1.X[i]
		}
	}
	return field.Held{Field: f, Scheduler: m.scheduler, X0: noise, X1: x1, Known: h.Known}
}
