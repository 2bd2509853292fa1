package exchange_test

import (
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"flowmatch/engine/onnx"
	"flowmatch/engine/onnx/exchange"
)

type attrs = map[string]any

// floats and whole make initializers.
func floats(name string, dims []int64, x ...float32) onnx.Tensor {
	return onnx.Tensor{Name: name, Type: onnx.Float, Dims: dims, Floats: x}
}

func whole(name string, x ...int64) onnx.Tensor {
	return onnx.Tensor{Name: name, Type: onnx.Int64, Dims: []int64{int64(len(x))}, Ints: x}
}

// upTo is start, start+1, ... of n numbers.
func upTo(n int, start float32) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = start + float32(i)
	}
	return x
}

// build runs nodes on x, through the bytes of a file; the result is y.
func build(nodes []onnx.Node, weights []onnx.Tensor, dims []int, x []float32) (y []float32, shape []int, err error) {
	in := onnx.Value{Name: "x", Type: onnx.Float}
	for _, d := range dims {
		in.Dims = append(in.Dims, onnx.Dim{Size: int64(d)})
	}
	m := &onnx.Model{IR: 8, Opset: 18, Graph: onnx.Graph{Name: "g", Nodes: nodes, Initializers: weights,
		Inputs: []onnx.Value{in}, Outputs: []onnx.Value{{Name: "y", Type: onnx.Float, Dims: []onnx.Dim{}}}}}
	buf, err := m.Marshal()
	if err != nil {
		return nil, nil, err
	}
	if m, err = onnx.Unmarshal(buf); err != nil {
		return nil, nil, err
	}
	backend, err := gobackend.New("")
	if err != nil {
		return nil, nil, err
	}
	defer backend.Finalize()
	r := exchange.NewReader(m)
	theta := append([]float32{0}, r.Theta()...) // never empty
	var failure error
	exec, err := graph.NewExec(backend, func(theta, x *graph.Node) *graph.Node {
		out, err := r.Build(graph.Slice(theta, graph.AxisRange(min(1, len(r.Theta())))),
			[]*graph.Node{graph.Reshape(x, dims...)}, []string{"y"})
		if failure = err; err != nil {
			return x
		}
		return graph.ConvertDType(out[0], x.DType())
	})
	if err != nil {
		return nil, nil, err
	}
	out, err := exec.Call(theta, x)
	if failure != nil || err != nil {
		if failure != nil {
			err = failure
		}
		return nil, nil, err
	}
	y, err = tensorFloats(out[0])
	return y, out[0].Shape().Dimensions, err
}

func node(op string, a attrs, in ...string) onnx.Node {
	return onnx.Node{Name: "the " + op, Op: op, In: in, Out: []string{"y"}, Attrs: a}
}

// Each operation against numbers worked out by hand.
func TestOperationsByHand(t *testing.T) {
	image := []int{1, 1, 3, 3} // 1..9
	for _, c := range []struct {
		name    string
		node    onnx.Node
		weights []onnx.Tensor
		dims    []int
		x, want []float32
	}{
		{"relu", node("Relu", nil, "x"), nil, []int{3}, []float32{-1, 0, 2}, []float32{0, 0, 2}},
		{"clip", node("Clip", nil, "x", "", "hi"), []onnx.Tensor{floats("hi", nil, 1)}, []int{3}, []float32{-1, 0, 2},
			[]float32{-1, 0, 1}},
		{"clip by attributes", node("Clip", attrs{"min": float32(0), "max": float32(6)}, "x"), nil, []int{3},
			[]float32{-1, 5, 7}, []float32{0, 5, 6}},
		{"leaky", node("LeakyRelu", attrs{"alpha": float32(0.5)}, "x"), nil, []int{2}, []float32{-2, 3},
			[]float32{-1, 3}},
		{"hard swish", node("HardSwish", nil, "x"), nil, []int{3}, []float32{-4, 0, 3}, []float32{0, 0, 3}},
		{"sigmoid", node("Sigmoid", nil, "x"), nil, []int{1}, []float32{0}, []float32{0.5}},
		{"add broadcasts", node("Add", nil, "x", "b"), []onnx.Tensor{floats("b", []int64{2, 1}, 10, 20)}, []int{2},
			[]float32{1, 2}, []float32{11, 12, 21, 22}},
		{"sub, div", node("Div", nil, "x", "b"), []onnx.Tensor{floats("b", nil, 4)}, []int{2}, []float32{2, 8},
			[]float32{0.5, 2}},
		{"softmax", node("Softmax", attrs{"axis": int64(0)}, "x"), nil, []int{2, 1}, []float32{0, float32(math.Log(3))},
			[]float32{0.25, 0.75}},
		{"gemm", node("Gemm", attrs{"transB": int64(1), "alpha": float32(2), "beta": float32(3)}, "x", "w", "b"),
			[]onnx.Tensor{floats("w", []int64{2, 2}, 1, 0, 1, 1), floats("b", []int64{2}, 1, 2)}, []int{1, 2},
			[]float32{5, 7}, []float32{13, 30}},
		{"matmul", node("MatMul", nil, "x", "w"), []onnx.Tensor{floats("w", []int64{2, 1}, 3, 4)}, []int{2, 2},
			[]float32{1, 0, 1, 1}, []float32{3, 7}},
		// rows of zeros above
		{"conv", node("Conv", attrs{"pads": []int64{1, 0, 0, 0}, "strides": []int64{1, 2}}, "x", "w", "b"),
			[]onnx.Tensor{floats("w", []int64{1, 1, 2, 1}, 1, 10), floats("b", []int64{1}, 0.5)}, image, upTo(9, 1),
			[]float32{10.5, 30.5, 41.5, 63.5, 74.5, 96.5}},
		{"conv of groups", node("Conv", attrs{"group": int64(2)}, "x", "w"),
			[]onnx.Tensor{floats("w", []int64{2, 1, 1, 1}, 2, 3)},
			[]int{1, 2, 1, 2}, []float32{1, 2, 3, 4}, []float32{2, 4, 9, 12}},
		{"conv, dilated", node("Conv", attrs{"dilations": []int64{2, 2}}, "x", "w"),
			[]onnx.Tensor{floats("w", []int64{1, 1, 2, 2}, 1, 1, 1, 1)},
			image, upTo(9, 1), []float32{1 + 3 + 7 + 9}},
		{"conv, same", node("Conv", attrs{"auto_pad": "SAME_UPPER"}, "x", "w"),
			[]onnx.Tensor{floats("w", []int64{1, 1, 2, 2}, 1, 1, 1, 1)},
			[]int{1, 1, 2, 2}, []float32{1, 2, 3, 4}, []float32{10, 6, 7, 4}},
		{"batch norm", node("BatchNormalization", attrs{"epsilon": float32(0)}, "x", "s", "b", "m", "v"),
			[]onnx.Tensor{floats("s", []int64{2}, 2, 1), floats("b", []int64{2}, 1, 0), floats("m", []int64{2}, 3, 0),
				floats("v", []int64{2}, 4, 1)},
			[]int{1, 2, 1, 1}, []float32{5, 7}, []float32{3, 7}},
		{"max pool", node("MaxPool",
			attrs{"kernel_shape": []int64{2, 2}, "strides": []int64{2, 2}, "pads": []int64{0, 0, 1, 1}}, "x"),
			nil, image, upTo(9, -9), []float32{-5, -4, -2, -1}},
		{"max pool, ceil", node("MaxPool",
			attrs{"kernel_shape": []int64{2, 2}, "strides": []int64{2, 2}, "ceil_mode": int64(1)}, "x"),
			nil, image, upTo(9, -9), []float32{-5, -4, -2, -1}},
		{"average pool", node("AveragePool",
			attrs{"kernel_shape": []int64{2, 2}, "pads": []int64{1, 1, 0, 0}, "strides": []int64{2, 2}}, "x"),
			nil, image, upTo(9, 1), []float32{1, 2.5, 5.5, 7}},
		{"average pool with the border",
			node("AveragePool",
				attrs{"kernel_shape": []int64{2, 2}, "pads": []int64{1, 1, 0, 0}, "strides": []int64{2, 2},
					"count_include_pad": int64(1)}, "x"),
			nil, image, upTo(9, 1), []float32{0.25, 1.25, 2.75, 7}},
		{"global average", node("GlobalAveragePool", nil, "x"), nil, []int{1, 2, 1, 2}, []float32{1, 3, 5, 9},
			[]float32{2, 7}},
		{"concat", node("Concat", attrs{"axis": int64(1)}, "x", "w"), []onnx.Tensor{floats("w", []int64{2, 1}, 8, 9)},
			[]int{2, 1}, []float32{1, 2}, []float32{1, 8, 2, 9}},
		{"reshape", node("Reshape", nil, "x", "s"), []onnx.Tensor{whole("s", 0, -1)}, []int{1, 2, 2},
			upTo(4, 0), upTo(4, 0)},
		{"flatten", node("Flatten", nil, "x"), nil, []int{1, 2, 2}, upTo(4, 0), upTo(4, 0)},
		{"transpose", node("Transpose", nil, "x"), nil, []int{2, 2}, []float32{1, 2, 3, 4}, []float32{1, 3, 2, 4}},
		{"squeeze", node("Squeeze", nil, "x", "a"), []onnx.Tensor{whole("a", -1)}, []int{2, 1}, []float32{1, 2},
			[]float32{1, 2}},
		{"unsqueeze", node("Unsqueeze", nil, "x", "a"), []onnx.Tensor{whole("a", 0, -1)}, []int{2}, []float32{1, 2},
			[]float32{1, 2}},
		{"mean", node("ReduceMean", attrs{"axes": []int64{0}}, "x"), nil, []int{2, 2}, []float32{1, 2, 3, 6},
			[]float32{2, 4}},
		{"slice", node("Slice", nil, "x", "from", "to", "axes", "step"),
			[]onnx.Tensor{whole("from", -1), whole("to", math.MinInt64), whole("axes", 0), whole("step", -2)}, []int{4},
			upTo(4, 0), []float32{3, 1}},
		{"slice to the end", node("Slice", nil, "x", "from", "to"),
			[]onnx.Tensor{whole("from", 1), whole("to", math.MaxInt64)}, []int{4}, upTo(4, 0), []float32{1, 2, 3}},
		{"pad", node("Pad", nil, "x", "p", "v"), []onnx.Tensor{whole("p", 1, 2), floats("v", nil, 9)}, []int{2},
			[]float32{1, 2}, []float32{9, 1, 2, 9, 9}},
		{"expand", node("Expand", nil, "x", "s"), []onnx.Tensor{whole("s", 2, 2)}, []int{1, 2}, []float32{1, 2},
			[]float32{1, 2, 1, 2}},
		{"gather", node("Gather", nil, "x", "i"), []onnx.Tensor{whole("i", -1, 0)}, []int{3}, upTo(3, 5),
			[]float32{7, 5}},
		{"split", onnx.Node{Op: "Split", In: []string{"x"}, Out: []string{"other", "y"}}, nil, []int{3}, upTo(3, 0),
			[]float32{2}},
		{"bilinear", node("Resize", attrs{"mode": "linear"}, "x", "", "s"),
			[]onnx.Tensor{floats("s", []int64{4}, 1, 1, 1, 2)},
			[]int{1, 1, 1, 2}, []float32{0, 4}, []float32{0, 1, 3, 4}},
		{"bilinear by corners",
			node("Resize", attrs{"mode": "linear", "coordinate_transformation_mode": "align_corners"},
				"x", "", "", "n"),
			[]onnx.Tensor{whole("n", 1, 1, 1, 3)}, []int{1, 1, 1, 2}, []float32{0, 4}, []float32{0, 2, 4}},
		{"nearest",
			node("Resize", attrs{"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, "x", "",
				"s"),
			[]onnx.Tensor{floats("s", []int64{4}, 1, 1, 2, 1)}, []int{1, 1, 2, 1}, []float32{0, 4},
			[]float32{0, 0, 4, 4}},
		{"layer norm", node("LayerNormalization", attrs{"epsilon": float32(0)}, "x", "s", "b"),
			[]onnx.Tensor{floats("s", []int64{2}, 2, 2), floats("b", []int64{2}, 1, 1)}, []int{1, 2}, []float32{3, 5},
			[]float32{-1, 3}},
		{"instance norm", node("InstanceNormalization", attrs{"epsilon": float32(0)}, "x", "s", "b"),
			[]onnx.Tensor{floats("s", []int64{2}, 2, 3), floats("b", []int64{2}, 1, 0)}, []int{1, 2, 1, 2},
			[]float32{3, 5, 0, 8}, []float32{-1, 3, -3, 3}},
		{"group norm by channels", node("GroupNormalization", attrs{"epsilon": float32(0), "num_groups": int64(1)}, "x",
			"s", "b"), []onnx.Tensor{floats("s", []int64{2}, 1, 2), floats("b", []int64{2}, 0, 1)}, []int{1, 2, 1, 2},
			[]float32{2, 2, 6, 6}, []float32{-1, -1, 3, 3}},
		{"group norm by groups", node("GroupNormalization", attrs{"epsilon": float32(0), "num_groups": int64(1)}, "x",
			"s", "b"), []onnx.Tensor{floats("s", []int64{1}, 2), floats("b", []int64{1}, 1)}, []int{1, 2, 1, 2},
			[]float32{2, 2, 6, 6}, []float32{-1, -1, 3, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, shape, err := build([]onnx.Node{c.node}, c.weights, c.dims, c.x)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(c.want) {
				t.Fatalf("got %v of shape %v, want %v", got, shape, c.want)
			}
			for i, v := range c.want {
				if math.Abs(float64(got[i]-v)) > 1e-5 {
					t.Fatalf("got %v of shape %v, want %v", got, shape, c.want)
				}
			}
		})
	}
}

// Shapes are worked out when the graph is built, as PyTorch's exporter needs.
func TestShapesAreFollowed(t *testing.T) {
	nodes := []onnx.Node{
		{Op: "Shape", In: []string{"x"}, Out: []string{"s"}},
		{Op: "Gather", In: []string{"s", "zero"}, Out: []string{"n"}},
		{Op: "Unsqueeze", In: []string{"n", "zeros"}, Out: []string{"n1"}},
		{Op: "Mul", In: []string{"n1", "two"}, Out: []string{"n2"}},
		{Op: "Concat", In: []string{"n2", "rest"}, Out: []string{"t"}, Attrs: attrs{"axis": int64(0)}},
		{Op: "Reshape", In: []string{"x", "t"}, Out: []string{"y"}},
	}
	zero := onnx.Tensor{Name: "zero", Type: onnx.Int64, Ints: []int64{0}}
	_, shape, err := build(nodes,
		[]onnx.Tensor{zero, whole("zeros", 0), whole("two", 2), whole("rest", -1)}, []int{3, 4},
		upTo(12, 0))
	if err != nil || len(shape) != 2 || shape[0] != 6 || shape[1] != 2 {
		t.Errorf("shape %v, error %v; want [6 2]", shape, err)
	}
}

// A class token is expanded to the batch like this, by way of a shape with -1.
func TestShapesWithConditionsAreFollowed(t *testing.T) {
	nodes := []onnx.Node{
		{Op: "Shape", In: []string{"x"}, Out: []string{"n"}, Attrs: attrs{"end": int64(1)}},
		{Op: "Concat", In: []string{"n", "minus"}, Out: []string{"s"}, Attrs: attrs{"axis": int64(0)}},
		{Op: "ConstantOfShape", In: []string{"two"}, Out: []string{"ones"},
			Attrs: attrs{"value": &onnx.Tensor{Type: onnx.Int64, Dims: []int64{1}, Ints: []int64{1}}}},
		{Op: "Mul", In: []string{"ones", "minus"}, Out: []string{"unset"}},
		{Op: "Equal", In: []string{"s", "unset"}, Out: []string{"is"}},
		{Op: "Where", In: []string{"is", "ones", "s"}, Out: []string{"t"}},
		{Op: "Expand", In: []string{"token", "t"}, Out: []string{"y"}},
	}
	got, shape, err := build(nodes,
		[]onnx.Tensor{whole("minus", -1), whole("two", 2), floats("token", []int64{1, 2}, 5, 6)},
		[]int{3, 1}, upTo(3, 0))
	if err != nil || len(got) != 6 || shape[0] != 3 || got[4] != 5 {
		t.Errorf("got %v of shape %v, error %v; want the token 3 times", got, shape, err)
	}
}

func TestWhatIsNotKnownIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		node onnx.Node
		want string
	}{
		"operation": {node("NonMaxSuppression", nil, "x"),
			`node "the NonMaxSuppression" (NonMaxSuppression): the operation is not known`},
		"domain": {onnx.Node{Name: "n", Op: "Relu", Domain: "com.example", In: []string{"x"}, Out: []string{"y"}},
			"com.example"},
		"argument":      {node("Relu", nil, "z"), `"z"`},
		"interpolation": {node("Resize", attrs{"mode": "cubic"}, "x", "", "", "size"), "cubic"},
		"graph code":    {node("MatMul", nil, "x", "size"), "MatMul"},
		"rank":          {node("Conv", nil, "size", "x"), "axes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := build([]onnx.Node{c.node}, []onnx.Tensor{whole("size", 1, 1, 4, 4)},
				[]int{1, 1, 2, 2}, upTo(4, 0))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v; want one that says %q", err, c.want)
			}
		})
	}
}

// tensorFloats returns the numbers of a result.
func tensorFloats(t *tensors.Tensor) ([]float32, error) {
	x := make([]float32, t.Shape().Size())
	err := t.ConstFlatData(func(flat any) { copy(x, flat.([]float32)) })
	return x, err
}
