package coupling

import (
	"fmt"
	"math"
	"math/rand/v2"

	"flowmatch/flow"
)

// Contextual couples points that are given contexts: contexts count in the distance, as
// further coordinates, with Weight times the square of their difference. A row of x_0 has the
// context of its own row of x_1, which it does not depend on, and is paired with a row of x_1
// whose context is near to that one (arXiv 2503.10636).
//
// Pairs then have p(x_0|c) = p_0 only in the limit of a large Weight, where rows stay as they
// are, the independent coupling. Weight 0 is the coupling itself, which is wrong: see the
// package's section on labels. In between, what is left of the dependence falls with the
// Weight.
type Contextual struct {
	Coupling Coupling
	Weight   float64 // of the contexts, in model units; not negative
}

// Match implements [Coupling] of points without contexts: it is that of the Coupling.
func (c Contextual) Match(src []int, x0, x1 flow.Batch, label []int32, rng *rand.Rand) error {
	return c.Coupling.Match(src, x0, x1, label, rng)
}

func (c Contextual) needsLabels() bool { return NeedsLabels(c.Coupling) }

// String returns the name of the Coupling.
func (c Contextual) String() string { return fmt.Sprint(c.Coupling) }

// Match pairs rows of x0 and x1 as c does, with the contexts that x1 is given: only a
// [Contextual] looks at them. label is as in [Coupling].
func Match(c Coupling, src []int, x0, x1 flow.Batch, label []int32, context flow.Batch, rng *rand.Rand) error {
	by, ok := c.(Contextual)
	if !ok || by.Weight == 0 || context.N == 0 {
		return c.Match(src, x0, x1, label, rng)
	}
	if !(by.Weight > 0) || math.IsInf(by.Weight, 0) {
		return fmt.Errorf("coupling: context_weight = %g: want a number that is not negative", by.Weight)
	}
	if context.N != x1.N || len(context.X) != context.N*context.D {
		return fmt.Errorf("coupling: contexts [%d, %d] of %d values for %d rows", context.N, context.D, len(context.X),
			x1.N)
	}
	if err := check(src, x0, x1, label); err != nil {
		return err
	}
	root := math.Sqrt(by.Weight)
	return by.Coupling.Match(src, beside(x0, context, root), beside(x1, context, root), label, rng)
}

// beside returns rows [x, root·c].
func beside(x, c flow.Batch, root float64) flow.Batch {
	y := flow.NewBatch(x.N, x.D+c.D)
	for i := range x.N {
		row := y.Row(i)
		copy(row, x.Row(i))
		for k, v := range c.Row(i) {
			row[x.D+k] = root * v
		}
	}
	return y
}
