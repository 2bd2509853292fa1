package nn

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/flow"
)

// given is a [flow.Given] in a graph: label [N] and context [N, Dc], nil where the
// network has none. Among the inputs of a program they come in this order; this file
// alone knows it.
type given struct{ label, context *Node }

// givenShapes are the shapes of the inputs that hold what is given at n points.
func (c Config) givenShapes(n int) (in []shapes.Shape) {
	if c.Classes > 0 {
		in = append(in, shapes.Make(dtypes.Int32, n))
	}
	if c.Context > 0 {
		in = append(in, shapes.Make(dtypes.Float32, n, c.Context))
	}
	return in
}

// splitGiven splits what is given from the inputs behind it.
func (c Config) splitGiven(in []*Node) (g given, rest []*Node) {
	if c.Classes > 0 {
		g.label, in = in[0], in[1:]
	}
	if c.Context > 0 {
		g.context, in = in[0], in[1:]
	}
	return g, in
}

// rows returns what is given at points i (included) to j (excluded).
func (g given) rows(i, j int) given {
	cut := func(x *Node) *Node {
		if x == nil {
			return nil
		}
		return Slice(x, AxisRange(i, j))
	}
	return given{cut(g.label), cut(g.context)}
}

// setGiven fills the inputs of a frame from number at on with what is given, and
// returns the number of the next input. Rows behind the last entry become zero; a
// single entry fills them all.
func (c Config) setGiven(f *frame, at int, g flow.Given) (next int) {
	if c.Classes > 0 {
		dst := f.ints(at)
		clear(dst[copy(dst, g.Label):])
		if len(g.Label) == 1 {
			for i := range dst {
				dst[i] = g.Label[0]
			}
		}
		at++
	}
	if c.Context > 0 {
		f.set(at, g.Context.X)
		if g.Context.N == 1 {
			dst := f.floats(at)
			for i := c.Context; i < len(dst); i++ {
				dst[i] = dst[i-c.Context]
			}
		}
		at++
	}
	return at
}

// checkGiven reports whether what is given fits n points. The error is
// [flow.ErrLabels] or [flow.ErrContext].
func (c Config) checkGiven(g flow.Given, n int) error {
	if err := g.Check(n, c.Classes, c.Context); err != nil {
		return fmt.Errorf("nn: %w", err)
	}
	return nil
}
