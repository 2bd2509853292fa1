package nn

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"flowmatch/engine/onnx/exchange"
)

// Bodies to come may use operations that those of today do not: each is the same in
// a file, for 3 points, as in the engine. x is [N, 6].
func TestEachOperationIsTheSameInAFile(t *testing.T) {
	image := func(x *Node) *Node { return Reshape(x, x.Shape().Dimensions[0], 2, 3, 1) }
	flat := func(x *Node) *Node {
		return Reshape(x, x.Shape().Dimensions[0], x.Shape().Size()/x.Shape().Dimensions[0])
	}
	column := func(x *Node, v ...float32) *Node { return InsertAxes(Const(x.Graph(), v), 0) }
	for name, f := range map[string]func(x *Node) *Node{
		"clip": func(x *Node) *Node {
			return Clip(x, Scalar(x.Graph(), x.DType(), -0.5), Scalar(x.Graph(), x.DType(), 0.25))
		},
		"rsqrt, expm1, log1p": func(x *Node) *Node {
			return Add(Rsqrt(AddScalar(Square(x), 1)), Add(Expm1(x), Log1P(Abs(x))))
		},
		"rounding":  func(x *Node) *Node { return Add(Floor(x), Add(Ceil(MulScalar(x, 2)), Sign(x))) },
		"not equal": func(x *Node) *Node { return Where(NotEqual(Floor(x), ZerosLike(x)), x, Neg(x)) },
		"reductions": func(x *Node) *Node {
			y := image(x)
			return flat(
				Concatenate([]*Node{ReduceMax(y, 1), ReduceMin(y, 1), ReduceMultiply(y, 1), ReduceMean(y, 1)}, 1))
		},
		"broadcast, reduced": func(x *Node) *Node {
			return ReduceSum(BroadcastToDims(InsertAxes(x, 1), x.Shape().Dimensions[0], 4, 6), 1)
		},
		"constants in a row": func(x *Node) *Node {
			return Mul(x,
				Concatenate([]*Node{BroadcastToDims(column(x, 2), 1, 2), BroadcastToDims(column(x, 3), 1, 4)}, 1))
		},
		"constants for a batch": func(x *Node) *Node {
			return Concatenate([]*Node{x, BroadcastToDims(column(x, 2, 3), x.Shape().Dimensions[0], 2)}, 1)
		},
		"constants in a row, cut": func(x *Node) *Node {
			row := Concatenate([]*Node{BroadcastToDims(column(x, 2), 1, 2), BroadcastToDims(column(x, 3), 1, 6)}, 1)
			return Mul(x, Slice(row, AxisRange(), AxisRange(1, 7)))
		},
		"strides": func(x *Node) *Node { return Slice(x, AxisRange(), AxisRange(1, 6).Stride(2)) },
		"padding": func(x *Node) *Node {
			return Pad(x, Scalar(x.Graph(), x.DType(), 7), PadAxis{}, PadAxis{Start: 1, End: 2})
		},
		"counting": func(x *Node) *Node { return Add(x, Iota(x.Graph(), shapes.Make(dtypes.Float32, 1, 6), 1)) },
		"transposed": func(x *Node) *Node {
			return flat(TransposeAllDims(AddScalar(TransposeAllDims(image(x), 0, 2, 1, 3), 1), 0, 3, 1, 2))
		},
		"products by point": func(x *Node) *Node {
			y := Reshape(x, x.Shape().Dimensions[0], 2, 3)
			return flat(Einsum("nij,nkj->nik", y, Tanh(y)))
		},
		"products over two axes": func(x *Node) *Node {
			y := Reshape(x, x.Shape().Dimensions[0], 2, 3)
			return InsertAxes(Einsum("nij,nij->n", y, Tanh(y)), 1)
		},
		"products of three axes": func(x *Node) *Node {
			y := Reshape(x, x.Shape().Dimensions[0], 2, 3)
			return flat(Einsum("nij,njk->nik", y, TransposeAllDims(y, 0, 2, 1)))
		},
		"convolution off the middle": func(x *Node) *Node {
			kernel := Reshape(Const(x.Graph(), []float32{1, 2, 3, 4, 5, 6, 7, 8}), 2, 2, 1, 2)
			return flat(Convolve(image(x), kernel).PaddingPerDim([][2]int{{1, 0}, {2, 0}}).StridePerAxis(1, 2).Done())
		},
		"convolution with gaps": func(x *Node) *Node {
			kernel := Reshape(Const(x.Graph(), []float32{1, 2}), 1, 2, 1, 1)
			return flat(Convolve(image(x), kernel).DilationPerAxis(1, 2).NoPadding().Done())
		},
	} {
		t.Run(name, func(t *testing.T) { sameInAFile(t, f) })
	}
}

func sameInAFile(t *testing.T, f func(x *Node) *Node) {
	t.Helper()
	const n, d = 3, 6
	p := &program{eng: openNative(t), name: "one", build: func(in []*Node) []*Node { return []*Node{f(in[1])} },
		inputs: func(n, _ int) []shapes.Shape {
			return []shapes.Shape{shapes.Make(dtypes.Float32, 1), shapes.Make(dtypes.Float32, n, d)}
		}}
	m, err := exchange.Program{Name: "one", Record: p.record, Theta: []float32{0}, Inputs: []exchange.Port{{Name: "x"}},
		Outputs: []exchange.Port{{Name: "y"}}}.Model()
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, n*d)
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	fr, err := p.frame(n, 0)
	if err != nil {
		t.Fatal(err)
	}
	copy(fr.floats(1), x)
	if err := fr.run(); err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(fr.result(0))
	got := readBack(t, m, n, map[string]any{"x": x})
	if len(got) != len(want) {
		t.Fatalf("%d numbers from the file, want %d", len(got), len(want))
	}
	for i, v := range want {
		if math.Abs(float64(got[i]-v)) > 1e-5*(1+math.Abs(float64(v))) {
			t.Fatalf("number %d is %g from the file, want %g", i, got[i], v)
		}
	}
}
