package native

import (
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// A gradient step of two convolutions, whose weights are packed ahead of the images or by each
// convolution.
func TestWeightsThatAreNotPackedAheadGiveTheSameBits(t *testing.T) {
	const n, side, ci, co = 5, 6, 16, 24
	x := shapes.Make(dtypes.Float32, n, side, side, ci)
	w := shapes.Make(dtypes.Float32, 3, 3, ci, co)
	back := shapes.Make(dtypes.Float32, 3, 3, co, ci)
	run := func(ahead int) (outs [][]float32, memory int) {
		b, err := New(Options{Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Finalize()
		b.packedAhead = ahead
		g := NewGraph(b, "two convolutions")
		in := []*Node{Parameter(g, "x", x), Parameter(g, "w", w), Parameter(g, "back", back)}
		y := Convolve(Square(Convolve(in[0], in[1]).PadSame().Done()), in[2]).PadSame().Done()
		loss := ReduceAllSum(Mul(y, in[0]))
		if err := g.Compile(append([]*Node{loss}, Gradient(loss, in...)...)...); err != nil {
			t.Fatal(err)
		}
		p := g.Executable().(*Program)
		rng := rand.New(rand.NewPCG(1, 2))
		var args []compute.Buffer
		for _, s := range []shapes.Shape{x, w, back} {
			flat := make([]float32, s.Size())
			for i := range flat {
				flat[i] = rng.Float32() - 0.5
			}
			arg, err := b.BufferFromFlatData(0, flat, s)
			if err != nil {
				t.Fatal(err)
			}
			args = append(args, arg)
		}
		res, err := p.Execute(args, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range res {
			s, _ := r.Shape()
			flat := make([]float32, s.Size())
			if err := r.ToFlatData(flat); err != nil {
				t.Fatal(err)
			}
			outs = append(outs, flat)
		}
		return outs, p.Memory()
	}
	want, ahead := run(packedAhead)
	got, late := run(0)
	for i := range want {
		for k, v := range want[i] {
			if got[i][k] != v {
				t.Fatalf("result %d, number %d: %g; want %g", i, k, got[i][k], v)
			}
		}
	}
	if late >= ahead {
		t.Errorf("%d bytes where convolutions pack their weights, %d where they are packed ahead", late, ahead)
	}
}
