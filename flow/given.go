package flow

import (
	"errors"
	"fmt"
)

// Given is what a flow is conditioned on at each of N points: a label, which is a
// class, a context, which is numbers (columns of a table, an observation, an image
// at low resolution), and what is known of the points themselves. The zero Given is that of an
// unconditional flow.
//
// Each part has one entry for each point, or a single one that holds for all of them.
type Given struct {
	Label   []int32 // [N] or [1]; -1 is "no label"; nil: the flow has no classes
	Context Batch   // [N, Dc] or [1, Dc]; the zero Batch: the flow has no context
	// Shown are the coordinates of the points that are known, [N, D] or [1, D]; those that are not
	// are NaN, and are what moves. The zero Batch: none is known.
	Shown Batch
}

// ErrLabels is returned when labels are given to a flow without classes, are missing
// for one that has them, or are out of range; ErrContext likewise for contexts. ErrShown is returned
// when coordinates are shown to a flow that was not trained to look at them, or do not fit.
var (
	ErrLabels  = errors.New("labels do not fit")
	ErrContext = errors.New("contexts do not fit")
	ErrShown   = errors.New("shown coordinates do not fit")
)

// NewGiven returns an empty Given to be filled for n points: labels if wanted, and
// contexts of dim numbers if dim > 0.
func NewGiven(n int, labels bool, dim int) Given {
	var g Given
	if labels {
		g.Label = make([]int32, n)
	}
	if dim > 0 {
		g.Context = NewBatch(n, dim)
	}
	return g
}

// Empty reports whether nothing is given.
func (g Given) Empty() bool { return len(g.Label) == 0 && g.Context.N == 0 && g.Shown.N == 0 }

// Slice returns what is given at points i (included) to j (excluded), sharing memory
// with g. A single entry, which holds for all points, stays.
func (g Given) Slice(i, j int) Given {
	if len(g.Label) > 1 {
		g.Label = g.Label[i:j:j]
	}
	if g.Context.N > 1 {
		g.Context = g.Context.Slice(i, j)
	}
	if g.Shown.N > 1 {
		g.Shown = g.Shown.Slice(i, j)
	}
	return g
}

// Rows returns what is given at the points of these numbers, in their order. A single
// entry, which holds for all points, stays.
func (g Given) Rows(numbers []int) Given {
	if len(g.Label) > 1 {
		label := make([]int32, len(numbers))
		for k, i := range numbers {
			label[k] = g.Label[i]
		}
		g.Label = label
	}
	if g.Context.N > 1 {
		g.Context = g.Context.Rows(numbers)
	}
	if g.Shown.N > 1 {
		g.Shown = g.Shown.Rows(numbers)
	}
	return g
}

// Check reports whether g fits n points of a flow with so many classes (0: none), contexts of dim
// numbers (0: none), and points of so many coordinates that may be shown (0: none may). Of no points
// nothing needs to be given. The error is [ErrLabels], [ErrContext] or [ErrShown], wrapped with what is
// wrong and what would be right.
func (g Given) Check(n, classes, dim, shown int) error {
	switch {
	case classes == 0 && len(g.Label) > 0:
		return fmt.Errorf("%w: %d labels given, but the flow has no classes", ErrLabels, len(g.Label))
	case classes > 0 && len(g.Label) == 0 && n > 0:
		return fmt.Errorf("%w: none given, the flow has %d classes", ErrLabels, classes)
	case len(g.Label) > 1 && len(g.Label) != n:
		return fmt.Errorf("%w: %d labels for %d points", ErrLabels, len(g.Label), n)
	case dim == 0 && g.Context.N > 0:
		return fmt.Errorf("%w: %d contexts given, but the flow has none", ErrContext, g.Context.N)
	case dim > 0 && g.Context.N == 0 && n > 0:
		return fmt.Errorf("%w: none given, the flow takes %d numbers for each point", ErrContext, dim)
	case g.Context.N > 0 && g.Context.D != dim:
		return fmt.Errorf("%w: they hold %d numbers for each point, the flow takes %d", ErrContext, g.Context.D, dim)
	case g.Context.N > 1 && g.Context.N != n:
		return fmt.Errorf("%w: %d contexts for %d points", ErrContext, g.Context.N, n)
	case len(g.Context.X) != g.Context.N*g.Context.D:
		return fmt.Errorf("%w: a batch of shape [%d, %d] has %d numbers",
			ErrContext, g.Context.N, g.Context.D, len(g.Context.X))
	}
	if err := g.checkShown(n, shown); err != nil {
		return err
	}
	for i, l := range g.Label {
		if l < -1 || int(l) >= classes {
			return fmt.Errorf("%w: label %d of point %d; it must be in 0..%d, or -1 for none", ErrLabels,
				l, i, classes-1)
		}
	}
	return nil
}

// checkShown is the part of Check that is for coordinates.
func (g Given) checkShown(n, dim int) error {
	switch s := g.Shown; {
	case s.N == 0:
		return nil
	case dim == 0:
		return fmt.Errorf("%w: coordinates of %d points are shown, and the flow was not trained to look at any",
			ErrShown, s.N)
	case s.D != dim || len(s.X) != s.N*s.D:
		return fmt.Errorf("%w: a batch of shape [%d, %d] with %d numbers for points of dimension %d", ErrShown, s.N,
			s.D, len(s.X), dim)
	case s.N > 1 && s.N != n:
		return fmt.Errorf("%w: coordinates of %d points are shown, of %d that there are", ErrShown, s.N, n)
	}
	return nil
}

// LabelsInTurn returns n labels, every class in turn; nil where there are no classes.
func LabelsInTurn(n, classes int) []int32 {
	if classes < 1 {
		return nil
	}
	label := make([]int32, max(0, n))
	for i := range label {
		label[i] = int32(i % classes)
	}
	return label
}
