package native

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"
)

// checkpointed is the gradient of a chain of blocks, each of three layers, with or
// without what GoMLX calls gradient checkpoints at their ends.
func checkpointed(blocks, width int, recompute bool) func(p []*gx.Node) []*gx.Node {
	return func(p []*gx.Node) []*gx.Node {
		h, w := p[0], p[1]
		for i := range blocks {
			if recompute {
				h = h.Checkpoint()
			}
			in := h
			for k := range 3 {
				layer := gx.Reshape(gx.Slice(w, gx.AxisRange(3*i+k, 3*i+k+1)), width, width)
				h = gx.Tanh(gx.Dot(h, layer).Product())
			}
			h = gx.Add(in, h)
			if recompute {
				h = h.StopCheckpoint()
			}
		}
		loss := gx.ReduceAllMean(gx.Square(h))
		return append([]*gx.Node{loss}, gx.Gradient(loss, p...)...)
	}
}

// What is computed again is not what was kept: a row of the batch takes less memory,
// and the products of the blocks are there twice. The results are the same.
func TestWhatIsComputedAgainIsNotKept(t *testing.T) {
	const blocks, width = 6, 40
	inputs := []shapes.Shape{floats(90, width), floats(3*blocks, width, width)}
	r := rand.New(rand.NewPCG(1, 2))
	var args []any
	for _, s := range inputs {
		x := make([]float32, s.Size())
		for k := range x {
			x[k] = float32(r.NormFloat64() / math.Sqrt(width))
		}
		args = append(args, x)
	}
	for name, b := range backends(t) {
		t.Run(name, func(t *testing.T) {
			want, plain := evaluate(t, b, checkpointed(blocks, width, false), inputs, args, nil)
			got, again := evaluate(t, b, checkpointed(blocks, width, true), inputs, args, nil)
			if n, m := dots(plain), dots(again); n != 9*blocks || m != 12*blocks {
				t.Errorf("%d products, and %d with computing again; want %d and %d", n, m, 9*blocks, 12*blocks)
			}
			// Plain keeps three results a layer; else two blocks' ends, and one block.
			if p, a := rowFloats(plain, 90), rowFloats(again, 90); p < 3*blocks*width || a > (blocks+8)*width {
				t.Errorf("a row takes %d floats, %d with computing again; want at least %d, and at most %d",
					p, a, 3*blocks*width, (blocks+8)*width)
			}
			for i := range want {
				if d := distance(got[i], want[i]); d > 1e-6 {
					t.Errorf("result %d is off by %.3g of its length", i, d)
				}
			}
		})
	}
}

// dots counts the products of a program.
func dots(e any) (n int) {
	for _, t := range e.(*Program).graph.tensors {
		if t.kind == kindDot {
			n++
		}
	}
	return n
}

// rowFloats is the memory that a row of a loop over so many takes.
func rowFloats(e any, units int) (most int) {
	for _, l := range e.(*Program).levels {
		for _, r := range l.regions {
			if r.units == units {
				_, n := r.tiles(r.order)
				most = max(most, n)
			}
		}
	}
	return most
}
