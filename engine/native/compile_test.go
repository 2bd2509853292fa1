package native

import (
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"
)

// compiled builds and compiles a graph function.
func compiled(t *testing.T, b *Backend, fn func(in []*gx.Node) []*gx.Node, inputs ...shapes.Shape) *Program {
	t.Helper()
	g := gx.NewGraph(b, "test")
	var in []*gx.Node
	for i, s := range inputs {
		in = append(in, gx.Parameter(g, string(rune('a'+i)), s))
	}
	if err := g.Compile(fn(in)...); err != nil {
		t.Fatal(err)
	}
	p := g.Executable().(*Program)
	if !p.graph.sound() {
		t.Errorf("a tensor is read before it is made:\n%v", p)
	}
	return p
}

func floats(dims ...int) shapes.Shape { return shapes.Make(dtypes.Float32, dims...) }

// descent is a step of gradient descent of a net of two layers on a slab of
// weights, with momentum: what a training step looks like.
func descent(rows, in, hidden, out int) (fn func(in []*gx.Node) []*gx.Node, inputs []shapes.Shape) {
	size := hidden*in + hidden + out*hidden + out
	return func(x []*gx.Node) []*gx.Node {
		theta, momentum, at, target := x[0], x[1], x[2], x[3]
		offset := 0
		cut := func(dims ...int) *gx.Node {
			n := shapes.Make(dtypes.Float32, dims...).Size()
			offset += n
			return gx.Reshape(gx.Slice(theta, gx.AxisRange(offset-n, offset)), dims...)
		}
		p := []*gx.Node{cut(hidden, in), cut(hidden), cut(out, hidden), cut(out)}
		layer := func(h, w, b *gx.Node) *gx.Node {
			return gx.Add(gx.DotGeneral(h, []int{1}, nil, w, []int{1}, nil), gx.InsertAxes(b, 0))
		}
		z := layer(at, p[0], p[1])
		loss := gx.ReduceAllMean(gx.Square(gx.Sub(layer(gx.Mul(z, gx.Sigmoid(z)), p[2], p[3]), target)))
		var flat []*gx.Node
		for _, d := range gx.Gradient(loss, p...) {
			flat = append(flat, gx.Reshape(d, d.Shape().Size()))
		}
		momentum = gx.Add(gx.MulScalar(momentum, 0.9), gx.Concatenate(flat, 0))
		return []*gx.Node{gx.Sub(theta, gx.MulScalar(momentum, 0.1)), momentum, loss}
	}, []shapes.Shape{floats(size), floats(size), floats(rows, in), floats(rows, out)}
}

// A training step must stay what makes it fast: pack the weights, one loop over
// the batch in which no activation leaves its tile, one loop over the weights
// that writes them where they were.
func TestATrainingStepIsThreeLoops(t *testing.T) {
	for name, b := range backends(t) {
		t.Run(name, func(t *testing.T) {
			fn, inputs := descent(256, 3, 64, 2)
			p := compiled(t, b, fn, inputs...)
			var units []int
			for _, l := range p.levels {
				for _, r := range l.regions {
					if r.units > 1 &&
						!slices.ContainsFunc(r.tensors, func(t *tensor) bool { return t.kind == kindPack }) {
						units = append(units, r.units)
					}
				}
			}
			if size := inputs[0].Size(); !slices.Equal(units, []int{256, size}) || len(p.levels) > 3 {
				t.Errorf("loops over %d in %d levels; want one over 256 rows and one over %d weights in 3 levels:\n%v",
					units, len(p.levels), size, p)
			}
			for _, s := range p.slots {
				if s.from == fromArena && s.t.kind != kindPack && s.t.kind != kindTotal {
					t.Errorf("%v is kept in memory, and not in a tile", s.t)
				}
			}
			if len(p.Fallbacks()) > 0 {
				t.Errorf("operations %q fall back", p.Fallbacks())
			}
			for i := range 2 {
				if p.outputs[i].donor != i {
					t.Errorf("result %d takes the memory of argument %d; want that which it replaces", i,
						p.outputs[i].donor)
				}
			}
		})
	}
}

// Labels come by way of the shadow backend, in one unit. What they are added to, the
// rest of a conditional network, must stay a loop over the rows, which cores share.
func TestLabelsDoNotMakeARowOfTheBatch(t *testing.T) {
	const rows, classes, width = 48, 10, 64
	for name, b := range backends(t) {
		p := compiled(t, b, func(in []*gx.Node) []*gx.Node {
			hot := gx.OneHot(in[1], classes, dtypes.Float32)
			h := gx.Add(gx.Dot(in[0], in[2]).Product(), gx.Dot(hot, in[3]).Product())
			return []*gx.Node{gx.Dot(gx.Tanh(h), in[2]).Product()}
		}, floats(rows, width), shapes.Make(dtypes.Int32, rows), floats(width, width), floats(classes, width))
		for _, l := range p.levels {
			for _, r := range l.regions {
				if d := slices.IndexFunc(r.tensors, func(t *tensor) bool { return t.kind == kindDot }); d >= 0 &&
					r.units != rows {
					t.Errorf("%s: %v is made in a loop over %d; want %d:\n%v", name, r.tensors[d], r.units, rows, p)
				}
			}
		}
	}
}

// upload makes an argument.
func upload(t *testing.T, b *Backend, s shapes.Shape, f func(i int) float32) compute.Buffer {
	t.Helper()
	x := make([]float32, s.Size())
	for i := range x {
		x[i] = f(i)
	}
	buf, err := b.BufferFromFlatData(0, x, s)
	if err != nil {
		t.Fatal(err)
	}
	return buf
}

func values(t *testing.T, b compute.Buffer) []float32 {
	t.Helper()
	s, err := b.Shape()
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, s.Size())
	if err := b.ToFlatData(x); err != nil {
		t.Fatal(err)
	}
	return x
}

// Weights are packed once and kept; others in their place, or the same buffer
// written to, must be packed again.
func TestKeptWeightsAreThoseOfTheCall(t *testing.T) {
	for name, b := range backends(t) {
		t.Run(name, func(t *testing.T) {
			p := compiled(t, b, func(in []*gx.Node) []*gx.Node {
				return []*gx.Node{gx.DotGeneral(in[0], []int{1}, nil, in[1], []int{1}, nil)}
			}, floats(5, 40), floats(50, 40))
			if p.keptSize == 0 {
				t.Fatalf("nothing is kept:\n%v", p)
			}
			x := upload(t, b, p.inputs[0], func(int) float32 { return 1 })
			call := func(w compute.Buffer) float32 {
				out, err := p.Execute([]compute.Buffer{x, w}, nil, 0)
				if err != nil {
					t.Fatal(err)
				}
				return values(t, out[0])[0]
			}
			ones := upload(t, b, p.inputs[1], func(int) float32 { return 1 })
			twos := upload(t, b, p.inputs[1], func(int) float32 { return 2 })
			shared, flat, err := b.NewSharedBuffer(0, p.inputs[1])
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range []float32{40, 40, 80, 40} {
				w := ones
				if i == 2 {
					w = twos
				}
				if got := call(w); got != want {
					t.Errorf("call %d: got %g, want %g", i, got, want)
				}
			}
			for _, v := range []float32{3, 4} {
				for i := range flat.([]float32) {
					flat.([]float32)[i] = v
				}
				if got := call(shared); got != 40*v {
					t.Errorf("memory written by its owner: got %g, want %g", got, 40*v)
				}
			}
		})
	}
}

// A sum over rows is by parts, so its bits do not depend on who did which part.
func TestSameBitsEveryTime(t *testing.T) {
	b := backends(t)["portable"]
	fn, inputs := descent(1000, 3, 40, 2)
	p := compiled(t, b, fn, inputs...)
	var first [][]float32
	for run := range 20 {
		var args []compute.Buffer
		for k, s := range inputs {
			args = append(args, upload(t, b, s, func(i int) float32 { return float32((i*7919+k)%101)/101 - 0.5 }))
		}
		outs, err := p.Execute(args, []bool{run%2 == 0, run%3 == 0, false, false}, 0)
		if err != nil {
			t.Fatal(err)
		}
		var got [][]float32
		for _, o := range outs {
			got = append(got, values(t, o))
		}
		if first == nil {
			first = got
		}
		for i := range got {
			if !slices.Equal(got[i], first[i]) {
				t.Fatalf("run %d, result %d differs from that of run 0", run, i)
			}
		}
	}
}
