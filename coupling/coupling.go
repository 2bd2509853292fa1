package coupling

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"flowmatch/flow"
	"flowmatch/internal/assign"
)

// Coupling pairs the rows of two batches.
type Coupling interface {
	// Match writes into src[j] the row of x0 paired with row j of x1. x0 and x1
	// are [N, D], len(src) == N; label, of length N or nil, holds the class of
	// each row of x1. Nothing but src is written. N = 0 is valid. Shapes that differ
	// are an error. With an error src is not to be used.
	Match(src []int, x0, x1 flow.Batch, label []int32, rng *rand.Rand) error
}

// ErrNoLabels is returned by a label-aware coupling that is given no labels.
var ErrNoLabels = errors.New("coupling: label_aware needs the class of every row, and the data has no labels: use " +
	"labelled data or label_aware: false")

// Independent is q(x_0, x_1) = p_0(x_0) p_1(x_1): row j is paired with row j. x0 must be
// drawn independently of x1, as it is when it is fresh noise; rng is not used.
type Independent struct{}

// Match implements [Coupling].
func (Independent) Match(src []int, x0, x1 flow.Batch, label []int32, _ *rand.Rand) error {
	if err := check(src, x0, x1, label); err != nil {
		return err
	}
	for j := range src {
		src[j] = j
	}
	return nil
}

// OT is exact minibatch optimal transport: the permutation that minimises
//
//	Σ_j |x0_src[j] − x1_j|²
//
// (algorithm 3 of Tong et al.). It is a permutation and not a sample of the plan:
// every row of x0 is used exactly once. rng is used only with LabelAware.
type OT struct {
	LabelAware bool // transport within classes, see the package's section on labels
	Cost       Cost // in the place of the squared distance; nil: that
}

// Cost is what it costs to pair points, such as the square of the length of a geodesic.
type Cost interface {
	// Cost returns that of a row of x0 and a row of x1. Rows of points with contexts have these behind
	// them: see [Contextual]. It must be safe for concurrent use. What is not finite is an error of
	// the coupling.
	Cost(x0, x1 []float64) float64
}

// costs writes the costs of all pairs of x0 and x1 by c, or the squared distances where that is nil.
// That of row i of x0 and j of x1 is at i*n+j or, transposed, at j*n+i.
func costs(c Cost, cost []float64, x0, x1 flow.Batch, transposed bool) {
	n := x0.N
	switch {
	case c == nil && transposed:
		assign.SquaredDistances(cost, x1.X, x0.X, x0.D)
		return
	case c == nil:
		assign.SquaredDistances(cost, x0.X, x1.X, x0.D)
		return
	}
	for i := range n {
		for j := range n {
			at := i*n + j
			if transposed {
				at = j*n + i
			}
			cost[at] = c.Cost(x0.Row(i), x1.Row(j))
		}
	}
}

// Match implements [Coupling]. An error names a coordinate that is not finite.
func (o OT) Match(src []int, x0, x1 flow.Batch, label []int32, rng *rand.Rand) error {
	if err := check(src, x0, x1, label); err != nil {
		return err
	}
	transport := func(src []int, x0, x1 flow.Batch) error {
		if o.Cost != nil {
			cost := make([]float64, x1.N*x1.N)
			costs(o.Cost, cost, x0, x1, true)
			if _, err := new(assign.Workspace).Solve(src, cost, x1.N); err != nil {
				return fmt.Errorf("coupling: optimal transport of x_1 (rows) and x_0 (columns): %w", err)
			}
			return nil
		}
		// x1 comes first: its row j is assigned a row of x0, which is what src holds.
		return large.workspace(x1.N, turnsFrom, func(w *assign.Workspace) error {
			if _, err := w.SolvePoints(src, x1.X, x0.X, x1.D, assign.Squared); err != nil {
				return fmt.Errorf("coupling: optimal transport of x_1 (a) and x_0 (b): %w", err)
			}
			return nil
		})
	}
	if o.LabelAware {
		return withinClasses(src, x0, x1, label, rng, transport)
	}
	return transport(src, x0, x1)
}

// check reports shapes that do not fit.
func check(src []int, x0, x1 flow.Batch, label []int32) error {
	if x0.N != x1.N || x0.D != x1.D || len(src) != x1.N || (label != nil && len(label) != x1.N) {
		return fmt.Errorf("coupling: shapes differ: x0 [%d, %d], x1 [%d, %d], %d in src, %d labels",
			x0.N, x0.D, x1.N, x1.D, len(src), len(label))
	}
	for _, x := range []flow.Batch{x0, x1} {
		if len(x.X) != x.N*x.D {
			return fmt.Errorf("coupling: a batch of shape [%d, %d] has %d values", x.N, x.D, len(x.X))
		}
	}
	return nil
}

// withinClasses deals the rows of x0 to the classes at random and calls transport
// for each class, in the order of the labels.
func withinClasses(src []int, x0, x1 flow.Batch, label []int32, rng *rand.Rand,
	transport func(src []int, x0, x1 flow.Batch) error) error {
	if label == nil && x1.N > 0 {
		return ErrNoLabels
	}
	deal := rng.Perm(x0.N)
	order := make([]int, x1.N) // rows of x1, class after class
	for j := range order {
		order[j] = j
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(label[a], label[b]) })
	part := make([]int, x1.N)
	for lo := 0; lo < len(order); {
		class, hi := label[order[lo]], lo+1
		for hi < len(order) && label[order[hi]] == class {
			hi++
		}
		if err := transport(part[lo:hi], x0.Rows(deal[lo:hi]), x1.Rows(order[lo:hi])); err != nil {
			return fmt.Errorf("class %d, %d rows of the batch: %w", class, hi-lo, err)
		}
		for k := lo; k < hi; k++ {
			src[order[k]] = deal[lo+part[k]]
		}
		lo = hi
	}
	return nil
}
