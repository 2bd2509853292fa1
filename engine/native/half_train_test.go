package native

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"

	"flowmatch/engine/native/kernel"
)

// mixedStep is a step of gradient descent of a net of three layers with products
// of type dt; weights, sums and the loss are float32.
func mixedStep(dt dtypes.DType, rows, in, hidden, out int) (fn func(p []*gx.Node) []*gx.Node, inputs []shapes.Shape) {
	cast := func(x *gx.Node) *gx.Node { return gx.ConvertDType(x, dt) }
	return func(p []*gx.Node) []*gx.Node {
			at, target, weights := p[0], p[1], p[2:]
			dense := func(h, w, b *gx.Node) *gx.Node {
				y := gx.Dot(cast(h), cast(w)).Product() // of type dt, and so are the gradients that come back
				return gx.Add(gx.ConvertDType(y, dtypes.Float32), gx.InsertAxes(b, 0))
			}
			h := dense(at, weights[0], weights[1])
			h = dense(gx.Mul(h, gx.Sigmoid(h)), weights[2], weights[3])
			h = dense(gx.Tanh(h), weights[4], weights[5])
			loss := gx.ReduceAllMean(gx.Square(gx.Sub(h, target)))
			outs := []*gx.Node{loss}
			for i, d := range gx.Gradient(loss, weights...) {
				outs = append(outs, gx.Sub(weights[i], gx.MulScalar(d, 0.1)), d)
			}
			return outs
		}, []shapes.Shape{floats(rows, in), floats(rows, out), floats(in, hidden), floats(hidden),
			floats(hidden, hidden), floats(hidden), floats(hidden, out), floats(out)}
}

func mixedArguments(inputs []shapes.Shape) (args []any) {
	r := rand.New(rand.NewPCG(1, 2))
	for i, s := range inputs {
		x := make([]float32, s.Size())
		for k := range x {
			x[k] = float32(r.NormFloat64())
			if i > 1 {
				x[k] /= float32(math.Sqrt(float64(s.Dimensions[0])))
			}
		}
		args = append(args, x)
	}
	return args
}

// A step of mixed precision is compiled as one of float32 is, and is that but for
// the bits that bfloat16 has not.
func TestMixedPrecisionStep(t *testing.T) {
	for name, b := range backends(t) {
		t.Run(name, func(t *testing.T) {
			fn, inputs := mixedStep(dtypes.Float32, 300, 40, 64, 33)
			args := mixedArguments(inputs)
			want, plain := evaluate(t, b, fn, inputs, args, nil)
			fn, _ = mixedStep(dtypes.BFloat16, 300, 40, 64, 33)
			got, e := evaluate(t, b, fn, inputs, args, nil)
			p := e.(*Program)
			if len(p.Fallbacks()) > 0 {
				t.Errorf("%q fall back", p.Fallbacks())
			}
			if n := len(plain.(*Program).levels); len(p.levels) > n {
				t.Errorf("%d levels; want %d, as in float32:\n%v", len(p.levels), n, p)
			}
			dots, half := 0, 0
			for _, u := range p.graph.tensors {
				if u.kind == kindDot {
					if dots++; u.dot.half {
						half++
					}
				}
			}
			// three forwards, three for weights, two for activations
			if b.mat.HasBF16() && (half != dots || dots != 8) {
				t.Errorf("%d of %d products in bfloat16; want 8 of 8:\n%v", half, dots, p)
			}
			differs := false
			for i := range want {
				d := distance(got[i], want[i])
				differs = differs || d > 0
				// Roundings of 2^-9 in each of a chain of six products, at random.
				if !(d <= 6*math.Sqrt2/512) {
					t.Errorf("result %d is off by %.3g of its length", i, d)
				}
			}
			if !differs {
				t.Error("the results are those of float32")
			}
		})
	}
}

// Attention, with its gradients, all of it in bfloat16.
func TestHalfAttention(t *testing.T) {
	const batch, time, width, heads = 6, 33, 64, 2
	model := func(dt dtypes.DType) func(p []*gx.Node) []*gx.Node {
		return func(p []*gx.Node) []*gx.Node {
			var in []*gx.Node
			for _, x := range p {
				in = append(in, gx.ConvertDType(x, dt))
			}
			split := func(w *gx.Node) *gx.Node {
				return gx.Transpose(gx.Reshape(gx.Einsum("bti,io->bto", in[0], w), batch, time, heads, width/heads), 1,
					2)
			}
			scores := gx.MulScalar(gx.Einsum("bhti,bhsi->bhts", split(in[1]), split(in[2])), 1/math.Sqrt(width/heads))
			y := gx.Einsum("bhts,bhsi->bhti", gx.Softmax(scores, -1), split(in[3]))
			y = gx.Add(in[0], gx.Einsum("bti,io->bto", gx.Reshape(gx.Transpose(y, 1, 2), batch, time, width), in[4]))
			y = gx.ConvertDType(y, dtypes.Float32)
			loss := gx.ReduceAllMean(gx.Square(gx.Tanh(y)))
			return append([]*gx.Node{loss, y}, gx.Gradient(loss, p...)...)
		}
	}
	inputs := []shapes.Shape{floats(batch, time, width), floats(width, width), floats(width, width),
		floats(width, width), floats(width, width)}
	r := rand.New(rand.NewPCG(1, 2))
	var args []any
	for i, s := range inputs {
		x := asFloats(halfData(r, s.Size()))
		for k := range x {
			if i > 0 {
				x[k] /= 8
			}
		}
		args = append(args, x)
	}
	for name, b := range backends(t) {
		t.Run(name, func(t *testing.T) {
			want, _ := evaluate(t, b, model(dtypes.Float32), inputs, args, nil)
			got, e := evaluate(t, b, model(dtypes.BFloat16), inputs, args, nil)
			p := e.(*Program)
			if len(p.Fallbacks()) > 0 {
				t.Errorf("%q fall back", p.Fallbacks())
			}
			// Roundings of 2^-9 at some ten places of a path, which the softmax spreads.
			for i := range want {
				if d := distance(got[i], want[i]); !(d <= 6./512) {
					t.Errorf("result %d is off by %.3g of its length", i, d)
				}
			}
		})
	}
}

// distance is that of two vectors, as a part of the length of the second.
func distance(x, y []float32) float64 {
	norm, dist := 0.0, 0.0
	for i, v := range y {
		norm += float64(v) * float64(v)
		d := float64(x[i]) - float64(v)
		dist += d * d
	}
	return math.Sqrt(dist / norm)
}

// A net whose weights, too, are bfloat16: they are packed once, as they lie, and
// all else is one loop over the batch.
func TestHalfWeightsAreKept(t *testing.T) {
	for name, b := range backends(t) {
		t.Run(name, func(t *testing.T) {
			p := compiled(t, b, func(in []*gx.Node) []*gx.Node {
				h := gx.Tanh(gx.Add(gx.DotGeneral(in[0], []int{1}, nil, in[1], []int{1}, nil), gx.InsertAxes(in[2], 0)))
				return []*gx.Node{gx.Mul(h, in[3])}
			}, halves(150, 40), halves(50, 40), halves(50), halves())
			want := b.mat.PackedLen(40, 50)
			if b.mat.HasBF16() {
				want = b.mat.PackedLenBF16(40, 50)
			}
			if p.keptSize != align(want) || len(p.levels) != 2 || !p.levels[0].kept || len(p.levels[1].regions) != 1 {
				t.Errorf("%d floats are kept; want %d, and then one loop:\n%v", p.keptSize, align(want), p)
			}
		})
	}
}

func BenchmarkMixedPrecisionStep(b *testing.B) {
	for _, l := range kernel.Levels() {
		for _, threads := range []int{1, 2} {
			eng, err := newAt(l, Options{Threads: threads})
			if err != nil {
				b.Fatal(err)
			}
			for _, s := range [][4]int{{256, 2, 64, 2}, {256, 32, 256, 32}, {256, 64, 512, 64}, {2048, 64, 512, 64}} {
				for _, dt := range []dtypes.DType{dtypes.Float32, dtypes.BFloat16} {
					fn, inputs := mixedStep(dt, s[0], s[1], s[2], s[3])
					g := gx.NewGraph(eng, "bench")
					var in []*gx.Node
					var args []compute.Buffer
					for i, x := range mixedArguments(inputs) {
						in = append(in, gx.Parameter(g, fmt.Sprint("p", i), inputs[i]))
						buf, err := eng.BufferFromFlatData(0, x, inputs[i])
						if err != nil {
							b.Fatal(err)
						}
						args = append(args, buf)
					}
					if err := g.Compile(fn(in)...); err != nil {
						b.Fatal(err)
					}
					b.Run(fmt.Sprintf("%v/%dthreads/%v/%v", l, threads, s, dt), func(b *testing.B) {
						p := g.Executable().(*Program)
						outs, err := p.Execute(args, nil, 0)
						if err != nil {
							b.Fatal(err)
						}
						for range b.N {
							if err := p.ExecuteInto(outs, args); err != nil {
								b.Fatal(err)
							}
						}
					})
				}
			}
			eng.Finalize()
		}
	}
}
