package native

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// model is a computation as trainers have it, with the shapes of its parameters;
// a negative length stands for that of the batch.
type model struct {
	name   string
	params [][]int
	f      func(p []*Node) []*Node
}

// withGradients returns a loss and its gradients by the other parameters.
func withGradients(loss *Node, by ...*Node) []*Node {
	return append([]*Node{loss}, Gradient(loss, by...)...)
}

func dense(x, w, b *Node) *Node { return Add(Dot(x, w).Product(), ExpandLeftToRank(b, 2)) }

func layerNorm(x, gain, shift *Node) *Node {
	x = Sub(x, ReduceAndKeep(x, ReduceMean, -1))
	x = Div(x, Sqrt(AddScalar(ReduceAndKeep(Square(x), ReduceMean, -1), 1e-5)))
	return Add(Mul(x, ExpandLeftToRank(gain, x.Rank())), ExpandLeftToRank(shift, x.Rank()))
}

func silu(x *Node) *Node { return Mul(x, Sigmoid(x)) }

var models = []model{
	{"mlp and its step", [][]int{{-1, 5}, {-1, 3}, {5, 64}, {64}, {64, 33}, {33}, {33, 3}, {3}},
		func(p []*Node) []*Node {
			h := silu(dense(p[0], p[2], p[3]))
			h = Tanh(dense(h, p[4], p[5]))
			loss := ReduceAllMean(Square(Sub(dense(h, p[6], p[7]), p[1])))
			grads := Gradient(loss, p[2:]...)
			out := []*Node{loss}
			for i, d := range grads { // a step, whose results are as large as the parameters
				out = append(out, Sub(p[i+2], MulScalar(d, 0.01)))
			}
			return out
		}},
	{"residual layer norm", [][]int{{-1, 32}, {32, 32}, {32}, {32}, {32}}, func(p []*Node) []*Node {
		h := Add(p[0], silu(dense(layerNorm(p[0], p[3], p[4]), p[1], p[2])))
		return withGradients(ReduceAllMean(Square(Sin(h))), p...)
	}},
	{"classes", [][]int{{-1, 10}, {10, 17}, {17}}, func(p []*Node) []*Node {
		logits := dense(p[0], p[1], p[2])
		target := Softmax(p[0], -1)
		logp := Slice(LogSoftmax(logits, -1), AxisRange(), AxisRange(0, 10))
		loss := Neg(ReduceAllMean(ReduceSum(Mul(logp, target), -1)))
		return append(withGradients(loss, p[1], p[2]), Softmax(logits, -1), ArgMax(logits, -1))
	}},
	{"attention", [][]int{{-1, 9, 16}, {16, 16}, {16, 16}, {16, 16}, {16, 16}}, func(p []*Node) []*Node {
		heads := func(w *Node) *Node {
			y := Einsum("bti,io->bto", p[0], w)
			return Transpose(Reshape(y, y.Shape().Dim(0), 9, 4, 4), 1, 2) // [batch, head, time, 4]
		}
		scores := MulScalar(Einsum("bhti,bhsi->bhts", heads(p[1]), heads(p[2])), 0.5)
		mask := LowerTriangular(p[0].Graph(), 9)
		scores = Where(BroadcastToDims(ExpandLeftToRank(mask, 4), scores.Shape().Dimensions...), scores,
			MulScalar(OnesLike(scores), -1e9))
		y := Einsum("bhts,bhsi->bhti", Softmax(scores, -1), heads(p[3]))
		y = Reshape(Transpose(y, 1, 2), y.Shape().Dim(0), 9, 16)
		y = Add(p[0], Einsum("bti,io->bto", y, p[4]))
		return withGradients(ReduceAllMean(Square(Tanh(y))), p...)
	}},
	{"two batches, one slab", [][]int{{-1, 32}, {13, 32}, {32, 24}, {32, 24}}, func(p []*Node) []*Node {
		a, b := Tanh(Dot(p[0], p[2]).Product()), Tanh(Dot(p[1], p[3]).Product())
		grads := Gradient(Add(ReduceAllMean(Square(a)), ReduceAllMean(b)), p[2:]...)
		return []*Node{Concatenate(grads, 0),
			Concatenate([]*Node{Reshape(grads[0], 32*24), ReduceSum(a, 0), ReduceSum(b, 0)}, 0)}
	}},
	{"one slab of sums over long and short axes", [][]int{{-1, 32}, {13, 32}}, func(p []*Node) []*Node {
		gram := func(x *Node) *Node { return Einsum("bi,bj->ij", Tanh(x), Sin(x)) }
		return []*Node{Concatenate([]*Node{gram(p[0]), gram(p[1])}, 0)}
	}},
	{"condition on time", [][]int{{-1, 2}, {-1}, {2, 20}, {20}, {20}, {20, 2}}, func(p []*Node) []*Node {
		t := ExpandDims(p[1], -1)
		freqs := Exp(MulScalar(IotaFull(p[0].Graph(), shapes.Make(dtypes.Float32, 10)), -0.3))
		angles := Mul(t, ExpandLeftToRank(freqs, 2))
		emb := Concatenate([]*Node{Sin(angles), Cos(angles)}, -1)
		h := Add(dense(p[0], p[2], p[3]), Mul(emb, ExpandLeftToRank(p[4], 2)))
		v := Dot(silu(h), p[5]).Product()
		loss := ReduceAllMean(Mul(Square(Sub(v, p[0])), Max(t, OneMinus(t))))
		return append(withGradients(loss, p[2], p[3], p[4], p[5]), v,
			Clip(v, ScalarZero(p[0].Graph(), dtypes.Float32), ScalarOne(p[0].Graph(), dtypes.Float32)))
	}},
	{"while, if and sort capture", [][]int{{-1, 3}, {3, 3}, {3}}, func(p []*Node) []*Node {
		g := p[0].Graph()
		w := MulScalar(p[1], 0.3)
		cond := NewClosure(g, func(g *Graph) []*Node {
			n := Parameter(g, "n", shapes.Make(dtypes.Int32))
			_ = Parameter(g, "x", p[0].Shape())
			return []*Node{LessThan(n, Const(g, int32(4)))}
		})
		body := NewClosure(g, func(g *Graph) []*Node {
			n := Parameter(g, "n", shapes.Make(dtypes.Int32))
			x := Parameter(g, "x", p[0].Shape())
			return []*Node{AddScalar(n, 1), Tanh(Add(Dot(x, w).Product(), ExpandLeftToRank(p[2], 2)))}
		})
		loop := While(cond, body, Const(g, int32(0)), Neg(p[0]))
		pred := GreaterThan(ReduceAllSum(loop[1]), ScalarZero(g, dtypes.Float32))
		yes := NewClosure(g, func(*Graph) []*Node { return []*Node{Mul(loop[1], ExpandLeftToRank(p[2], 2))} })
		no := NewClosure(g, func(*Graph) []*Node { return []*Node{Neg(loop[1])} })
		chosen := If(pred, yes, no)[0]
		return []*Node{loop[0], Add(chosen, p[0]), Square(Sort(Add(chosen, loop[1]), 0, true)),
			ConvertDType(Add(loop[0], Const(g, int32(2))), dtypes.Float32)}
	}},
}

// arguments draws the parameters of a model.
func (m *model) arguments(batch int) (args []any) {
	r := rand.New(rand.NewPCG(7, uint64(batch)))
	for _, dims := range m.params {
		d := append([]int{}, dims...)
		for i := range d {
			if d[i] < 0 {
				d[i] = batch
			}
		}
		x := make([]float32, size(d))
		for i := range x {
			x[i] = float32(r.NormFloat64()) / float32(math.Sqrt(float64(max(1, d[0]))/float64(max(1, batch/64))))
		}
		args = append(args, tensors.FromFlatDataAndDimensions(x, d...))
	}
	return args
}

func (m *model) run(t *testing.T, b compute.Backend, batch, times int) (runs [][]any) {
	t.Helper()
	e, err := NewExec(b, m.f)
	if err != nil {
		t.Fatal(err)
	}
	for range times {
		if b, ok := b.(*Backend); ok {
			poison(b)
		}
		outs, err := e.Call(m.arguments(batch)...)
		if err != nil {
			t.Fatal(err)
		}
		var flat []any
		for _, o := range outs {
			if o.DType() == dtypes.Int32 {
				flat = append(flat, tensors.MustCopyFlatData[int32](o))
			} else {
				flat = append(flat, tensors.MustCopyFlatData[float32](o))
			}
		}
		runs = append(runs, flat)
	}
	return runs
}

// TestModels compares steps of training with the Go backend.
func TestModels(t *testing.T) {
	r := newRig(t)
	for _, m := range models {
		for _, batch := range []int{1, 7, 64, 600} {
			t.Run(fmt.Sprint(m.name, " ", batch), func(t *testing.T) {
				want := m.run(t, r.reference, batch, 1)[0]
				for i, b := range r.ours {
					got := m.run(t, b, batch, 3)
					for k, x := range got[0] {
						if err := within(x, want[k], 3e-5); err != nil {
							t.Errorf("%s: result %d: %v", r.names[i], k, err)
						}
						if !sameBits(got[1][k], x) || !sameBits(got[2][k], x) {
							t.Errorf("%s: result %d: other bits when run again", r.names[i], k)
						}
					}
				}
			})
		}
	}
}

// within compares floats by the largest of them.
func within(got, want any, tol float64) error {
	x, ok := got.([]float32)
	if !ok {
		if !sameBits(got, want) {
			return fmt.Errorf("%v; want %v", got, want)
		}
		return nil
	}
	y, largest := want.([]float32), 0.0
	for _, v := range y {
		largest = max(largest, math.Abs(float64(v)))
	}
	for i := range x {
		if d := math.Abs(float64(x[i]) - float64(y[i])); !(d <= tol*largest) {
			return fmt.Errorf("at %d of %d: %v; want %v", i, len(x), x[i], y[i])
		}
	}
	return nil
}
