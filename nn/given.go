package nn

import (
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/flow"
)

// given is a [flow.Given] in a graph: label [N], context [N, Dc], and of what is shown the values
// [N, D], zero where they are not known, and 1 where they are, [N, D]; nil where the network has none.
// Among the inputs of a program they come in this order; this file alone knows it.
type given struct{ label, context, shown, known *Node }

// givenShapes are the shapes of the inputs that hold what is given at n points.
func (c Config) givenShapes(n int) (in []shapes.Shape) {
	if c.Classes > 0 {
		in = append(in, shapes.Make(dtypes.Int32, n))
	}
	if c.Context > 0 {
		in = append(in, shapes.Make(dtypes.Float32, n, c.Context))
	}
	if c.Shown {
		in = append(in, floats(n, c.Dim), floats(n, c.Dim))
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
	if c.Shown {
		g.shown, g.known, in = in[0], in[1], in[2:]
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
	return given{cut(g.label), cut(g.context), cut(g.shown), cut(g.known)}
}

// hidden returns x [N, ..., D] with zeros at the coordinates that are shown.
func (g given) hidden(x *Node) *Node {
	if g.known == nil {
		return x
	}
	free := OneMinus(as(x, g.known))
	if x.Rank() == 3 {
		free = InsertAxes(free, 1)
	}
	return Mul(x, free)
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
			repeat(f.floats(at), c.Context)
		}
		at++
	}
	if c.Shown {
		shown, known := f.floats(at), f.floats(at+1)
		clear(shown)
		clear(known)
		for i, v := range g.Shown.X {
			if !math.IsNaN(v) {
				shown[i], known[i] = float32(v), 1
			}
		}
		if g.Shown.N == 1 {
			repeat(shown, c.Dim)
			repeat(known, c.Dim)
		}
		at += 2
	}
	return at
}

// repeat fills x with its first n numbers, again and again.
func repeat(x []float32, n int) {
	for i := n; i < len(x); i++ {
		x[i] = x[i-n]
	}
}

// CheckGiven reports whether what is given fits n points. The error is [flow.ErrLabels],
// [flow.ErrContext] or [flow.ErrShown].
func (c Config) CheckGiven(g flow.Given, n int) error {
	return g.Check(n, c.Classes, c.Context, c.showable()/2)
}

// checkGiven is CheckGiven with the name of this package.
func (c Config) checkGiven(g flow.Given, n int) error {
	if err := c.CheckGiven(g, n); err != nil {
		return fmt.Errorf("nn: %w", err)
	}
	return nil
}
