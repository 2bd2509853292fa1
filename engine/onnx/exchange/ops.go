package exchange

import (
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"

	"flowmatch/engine/onnx"
)

// unary and binary are the operations by element that ONNX has too, by the method
// of compute.Function.
var (
	unary = map[string]string{
		"Abs": "Abs", "Neg": "Neg", "Exp": "Exp", "Log": "Log", "Sin": "Sin", "Cos": "Cos", "Tanh": "Tanh",
		"Logistic": "Sigmoid", "Sqrt": "Sqrt", "Erf": "Erf", "Sign": "Sign", "Floor": "Floor", "Ceil": "Ceil",
		"Round": "Round", "LogicalNot": "Not", "IsNaN": "IsNaN",
	}
	binary = map[string]string{
		"Add": "Add", "Sub": "Sub", "Mul": "Mul", "Div": "Div", "Max": "Max", "Min": "Min", "Pow": "Pow",
		"Equal":    "Equal",
		"LessThan": "Less", "LessOrEqual": "LessOrEqual", "GreaterThan": "Greater", "GreaterOrEqual": "GreaterOrEqual",
		"LogicalAnd": "And", "LogicalOr": "Or", "LogicalXor": "Xor",
	}
	reduce = map[string]string{"ReduceSum": "ReduceSum", "ReduceMax": "ReduceMax", "ReduceMin": "ReduceMin",
		"ReduceProduct": "ReduceProd"}
)

// operation translates one operation.
func (w *writer) operation(op operation) error {
	dims, err := op.dims(0)
	if err != nil {
		return err
	}
	in := make([]*value, len(op.In))
	for i, v := range op.In {
		if v < 0 {
			continue
		}
		in[i] = w.values[v]
		if op.Name != "Slice" && op.Name != "Reshape" {
			if in[i], err = w.flat(in[i]); err != nil {
				return err
			}
		}
	}
	out, err := w.translate(op, in, dims)
	if err != nil {
		return err
	}
	if typ, err := typeOf(op.Shapes[0].DType); err == nil {
		out.typ = typ
	}
	w.values[op.Out[0]] = out
	return nil
}

func (w *writer) translate(op operation, in []*value, dims []dim) (*value, error) {
	if name, ok := unary[op.Name]; ok {
		return w.elementwise(dims, name, in...), nil
	}
	if name, ok := binary[op.Name]; ok {
		return w.elementwise(dims, name, in...), nil
	}
	if name, ok := reduce[op.Name]; ok {
		return w.reduced(name, in[0], dims, op.Attrs[0].([]int))
	}
	switch op.Name {
	case "Parameter":
		return w.parameter(op, dims)
	case "Constant":
		return w.constant(op, dims)
	case "Iota":
		return w.iota(dims, op.Attrs[1].(int), op.Shapes[0].DType)
	case "Identity", "OptimizationBarrier", "SchedulingBarrier":
		return in[0], nil
	case "NotEqual":
		return w.elementwise(dims, "Not", w.elementwise(dims, "Equal", in...)), nil
	case "Rsqrt":
		return w.elementwise(dims, "Reciprocal", w.elementwise(dims, "Sqrt", in[0])), nil
	case "Expm1":
		return w.expm1(in[0], dims), nil
	case "Log1p":
		return w.elementwise(dims, "Log", w.elementwise(dims, "Add", in[0], w.number(1, len(dims)))), nil
	case "Clamp": // low, x, high
		return w.elementwise(dims, "Min", w.elementwise(dims, "Max", in[1], in[0]), in[2]), nil
	case "Where":
		return w.elementwise(dims, "Where", in...), nil
	case "ConvertDType":
		return w.converted(in[0], op.Shapes[0].DType)
	case "FusedSoftmax":
		axis := op.Attrs[0].(int)
		x := w.along(in[0], []int{axis})
		return &value{name: w.emit("Softmax", map[string]any{"axis": int64(axis)}, x.name), dims: dims, lie: x.lie}, nil
	}
	return w.moved(op, in, dims)
}

// moved translates what moves numbers, and products.
func (w *writer) moved(op operation, in []*value, dims []dim) (*value, error) {
	switch op.Name {
	case "Reshape":
		return w.reshaped(in[0], dims)
	case "BroadcastInDim":
		lie := slices.Repeat([]dim{one}, len(dims))
		for i, a := range op.Attrs[1].([]int) {
			lie[a] = in[0].lie[i]
		}
		return w.reshape(in[0], lie, dims)
	case "Transpose":
		return w.transpose(in[0], op.Attrs[0].([]int)), nil
	case "Slice":
		return w.sliced(op, in[0], dims)
	case "Concatenate":
		return w.concatenated(op.Attrs[0].(int), in, dims), nil
	case "Pad":
		return w.padded(in[0], in[1], dims, op.Attrs[0].([]compute.PadAxis))
	case "DotGeneral":
		axes := func(i int) []int { return op.Attrs[i].([]int) }
		return w.product(in[0], axes(0), axes(1), in[1], axes(2), axes(3), dims)
	case "ConvGeneral":
		return w.convolved(op, in[0], in[1], dims)
	}
	return nil, fmt.Errorf("it is not translated to ONNX")
}

// elementwise adds an operation by element. Its result is broadcast where all
// arguments are.
func (w *writer) elementwise(dims []dim, name string, in ...*value) *value {
	lie, names := slices.Repeat([]dim{one}, len(dims)), make([]string, len(in))
	for k, v := range in {
		names[k] = v.name
		from := len(dims) - len(v.lie) // axes match from the end
		for i, d := range v.lie {
			if d != one {
				lie[from+i] = d
			}
		}
	}
	typ := in[len(in)-1].typ
	if slices.Contains([]string{"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"}, name) {
		typ = onnx.Bool
	}
	return &value{name: w.emit(name, nil, names...), dims: dims, lie: lie, typ: typ}
}

// expm1 is e^x − 1, which ONNX does not have, as (e^x + 1) tanh(x/2): no digits cancel.
func (w *writer) expm1(x *value, dims []dim) *value {
	half := w.elementwise(dims, "Mul", x, w.number(0.5, len(dims)))
	sum := w.elementwise(dims, "Add", w.elementwise(dims, "Exp", x), w.number(1, len(dims)))
	return w.elementwise(dims, "Mul", sum, w.elementwise(dims, "Tanh", half))
}

// number is a constant.
func (w *writer) number(x float32, rank int) *value {
	t := onnx.Tensor{Name: w.name("number"), Type: onnx.Float, Floats: []float32{x},
		Dims: slices.Repeat([]int64{1}, rank)}
	w.graph.Initializers = append(w.graph.Initializers, t)
	lie := slices.Repeat([]dim{one}, rank)
	return &value{name: t.Name, dims: lie, lie: lie, typ: onnx.Float}
}

// constant adds an initializer; one number everywhere is kept as that.
func (w *writer) constant(op operation, dims []dim) (*value, error) {
	t, err := tensorOf(op.Attrs[0])
	if err != nil {
		return nil, err
	}
	other, err := tensorOf(op.other.Attrs[0])
	if err != nil {
		return nil, err
	}
	lie := dims
	if single(t) && single(other) {
		lie = slices.Repeat([]dim{one}, len(dims))
		t.Floats, t.Ints = t.Floats[:min(1, len(t.Floats))], t.Ints[:min(1, len(t.Ints))]
		other.Floats, other.Ints = other.Floats[:len(t.Floats)], other.Ints[:len(t.Ints)]
	}
	if !slices.Equal(t.Floats, other.Floats) || !slices.Equal(t.Ints, other.Ints) {
		return nil, fmt.Errorf("a constant depends on the number of points; a file must be the same for all")
	}
	t.Name, t.Dims = w.name("constant"), make([]int64, len(lie))
	for i, d := range lie {
		t.Dims[i] = int64(d.n)
	}
	w.graph.Initializers = append(w.graph.Initializers, t)
	return &value{name: t.Name, dims: dims, lie: lie, typ: t.Type}, nil
}

// single reports whether all elements are one number.
func single(t onnx.Tensor) bool {
	for _, f := range t.Floats {
		if math.Float32bits(f) != math.Float32bits(t.Floats[0]) {
			return false
		}
	}
	for _, i := range t.Ints {
		if i != t.Ints[0] {
			return false
		}
	}
	return len(t.Floats)+len(t.Ints) > 0
}

// tensorOf makes a tensor of a flat slice.
func tensorOf(flat any) (onnx.Tensor, error) {
	switch x := flat.(type) {
	case []float32:
		return onnx.Tensor{Type: onnx.Float, Floats: x}, nil
	case []int32:
		return onnx.Tensor{Type: onnx.Int32, Ints: wide(x)}, nil
	case []int64:
		return onnx.Tensor{Type: onnx.Int64, Ints: x}, nil
	case []bool:
		t := onnx.Tensor{Type: onnx.Bool}
		for _, b := range x {
			t.Ints = append(t.Ints, 0)
			if b {
				t.Ints[len(t.Ints)-1] = 1
			}
		}
		return t, nil
	}
	return onnx.Tensor{}, fmt.Errorf("constants of type %T are not written", flat)
}

func wide(x []int32) []int64 {
	out := make([]int64, len(x))
	for i, v := range x {
		out[i] = int64(v)
	}
	return out
}

// iota is 0, 1, 2, ... along an axis.
func (w *writer) iota(dims []dim, axis int, typ dtypes.DType) (*value, error) {
	if dims[axis].batch {
		return nil, fmt.Errorf("it counts the points of the batch")
	}
	t, err := typeOf(typ)
	if err != nil {
		return nil, err
	}
	lie := slices.Repeat([]dim{one}, len(dims))
	lie[axis] = dims[axis]
	tensor := onnx.Tensor{Name: w.name("iota"), Type: t, Dims: slices.Repeat([]int64{1}, len(dims))}
	tensor.Dims[axis] = int64(dims[axis].n)
	for i := range dims[axis].n {
		if t == onnx.Float {
			tensor.Floats = append(tensor.Floats, float32(i))
		} else {
			tensor.Ints = append(tensor.Ints, int64(i))
		}
	}
	w.graph.Initializers = append(w.graph.Initializers, tensor)
	return &value{name: tensor.Name, dims: dims, lie: lie, typ: t}, nil
}

func (w *writer) converted(v *value, to dtypes.DType) (*value, error) {
	typ, err := typeOf(to)
	if err != nil || typ == v.typ {
		return v, err
	}
	return &value{name: w.emit("Cast", map[string]any{"to": int64(typ)}, v.name), dims: v.dims, lie: v.lie,
		typ: typ}, nil
}

// reduced translates a reduction; axes are dropped.
func (w *writer) reduced(name string, v *value, dims []dim, axes []int) (*value, error) {
	if len(axes) == 0 {
		for i := range v.dims {
			axes = append(axes, i)
		}
	}
	v = w.along(v, axes)
	var lie []dim
	list := make([]int64, len(axes))
	for i, a := range axes {
		if v.dims[a].batch {
			return nil, fmt.Errorf("it reduces the axis of the batch")
		}
		list[i] = int64(a)
	}
	for i, d := range v.lie {
		if !slices.Contains(axes, i) {
			lie = append(lie, d)
		}
	}
	return &value{name: w.emit(name, map[string]any{"keepdims": int64(0)}, v.name, w.ints(list...)), dims: dims,
		lie: lie}, nil
}
