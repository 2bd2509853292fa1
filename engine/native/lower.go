package native

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"flowmatch/engine/native/kernel"
)

// shadowCall is an operation that runs on the shadow backend.
type shadowCall struct {
	node *node
	exec compute.Executable
	args []bool // which inputs of the node are there
}

// lowering turns a recorded function into a graph.
type lowering struct {
	*graph
	values map[*value]*tensor
}

// lower rewrites the main function of a builder.
func lower(b *builder) (*graph, error) {
	l := &lowering{graph: newGraph(b.backend), values: map[*value]*tensor{}}
	for i, p := range b.main.params {
		t := l.add(&tensor{kind: kindParam, op: i, dims: p.shape.Dimensions, typ: p.shape.DType})
		l.params = append(l.params, t)
		l.values[p] = l.widened(t)
	}
	for _, n := range b.main.nodes {
		if n.op == "Parameter" {
			continue
		}
		if err := l.node(n); err != nil {
			return nil, fmt.Errorf("native: compiling %s: %w", n.op, err)
		}
	}
	for _, o := range b.main.outputs {
		t, err := l.whole(o)
		if err != nil {
			return nil, err
		}
		l.outputs = append(l.outputs, t)
	}
	return l.graph, nil
}

// whole returns the tensor of a value as it lies outside of regions.
func (l *lowering) whole(v *value) (*tensor, error) {
	if v.shape.DType == dtypes.BFloat16 {
		return l.narrowed(l.values[v])
	}
	return l.values[v], nil
}

// node makes the tensors of a recorded operation.
func (l *lowering) node(n *node) error {
	in := make([]*tensor, len(n.in))
	floats := true
	for i, v := range n.in {
		if v != nil {
			in[i] = l.values[v]
			floats = floats && native(v.shape)
		}
	}
	for _, o := range n.outs {
		floats = floats && native(o.shape)
	}
	if n.op == "Constant" {
		t, err := l.literal(n)
		l.values[n.outs[0]] = t
		return err
	}
	if floats {
		var outs []*tensor
		if strings.HasPrefix(n.op, "Fused") {
			outs = l.fused(n, in, n.outs[0].shape.Dimensions)
		} else if !slices.Contains(in, nil) {
			outs = l.compiled(n, in)
		}
		if outs != nil {
			for i, o := range n.outs {
				l.values[o] = outs[i]
				if o.shape.DType == dtypes.BFloat16 {
					l.values[o] = l.rounded(outs[i])
				}
			}
			return nil
		}
	}
	for i, v := range n.in {
		if v != nil {
			var err error
			if in[i], err = l.whole(v); err != nil {
				return err
			}
		}
	}
	return l.fallBack(n, in)
}

// literal makes a constant; one number everywhere is kept as that.
func (l *lowering) literal(n *node) (*tensor, error) {
	shape := n.outs[0].shape
	flat := n.attrs[0]
	if f := asFloats(flat); len(f) > 0 {
		same := true
		for _, v := range f {
			same = same && math.Float32bits(v) == math.Float32bits(f[0]) // 0 is not -0
		}
		if same {
			return l.splat(l.constant(f[0]), shape.Dimensions), nil
		}
	}
	buf, err := l.backend.BufferFromFlatData(0, flat, shape)
	if err != nil {
		return nil, err
	}
	return l.widened(l.known1(buf.(*buffer))), nil
}

// known1 makes a constant of a buffer.
func (l *lowering) known1(buf *buffer) *tensor {
	t := &tensor{kind: kindConst, dims: buf.shape.Dimensions, typ: buf.shape.DType, buf: buf}
	t.data, _ = buf.flat.([]float32)
	if len(t.data) == 1 {
		t.value = t.data[0]
	}
	return l.add(t)
}

// fallBack makes the results of an operation that the shadow backend runs. If its
// inputs are known, it is run now.
func (l *lowering) fallBack(n *node, in []*tensor) error {
	call := &shadowCall{node: n, args: make([]bool, len(in))}
	b := l.backend.shadow.Builder(n.op)
	f := b.Main()
	args := make([]compute.Value, len(in))
	var inputs []*tensor
	known := true
	for i, t := range in {
		if t == nil {
			continue
		}
		p, err := f.Parameter(fmt.Sprint("p", i), shapes.Make(t.typ, t.dims...), nil)
		if err != nil {
			return err
		}
		args[i], call.args[i] = p, true
		inputs = append(inputs, t)
		known = known && t.kind == kindConst && (t.buf != nil || len(t.dims) == 0)
	}
	outs, err := n.apply(f, args)
	if err != nil {
		return err
	}
	if err := f.Return(outs, nil); err != nil {
		return err
	}
	if call.exec, err = b.Compile(); err != nil {
		return err
	}
	if known && n.op != "RNGBitGenerator" {
		return l.fold(n, call, inputs)
	}
	s := l.add(&tensor{kind: kindShadow, in: inputs, shadow: call})
	for i, o := range n.outs {
		l.values[o] = l.widened(l.add(
			&tensor{kind: kindOut, op: i, in: []*tensor{s}, dims: o.shape.Dimensions, typ: o.shape.DType}))
	}
	return nil
}

// fold runs an operation on constants.
func (l *lowering) fold(n *node, call *shadowCall, inputs []*tensor) error {
	var bufs []compute.Buffer
	for _, t := range inputs {
		if t.buf == nil {
			buf, err := l.backend.BufferFromFlatData(0, []float32{t.value}, shapes.Make(dtypes.Float32))
			if err != nil {
				return err
			}
			t = &tensor{buf: buf.(*buffer)}
		}
		buf, err := t.buf.behind()
		if err != nil {
			return err
		}
		bufs = append(bufs, buf)
	}
	outs, err := call.exec.Execute(bufs, nil, 0)
	if err != nil {
		return err
	}
	for i, o := range outs {
		buf, err := l.backend.adopt(o)
		if err != nil {
			return err
		}
		l.values[n.outs[i]] = l.widened(l.known1(buf))
	}
	return nil
}

var unaryOps = map[string]kernel.UnaryOp{
	"Abs": kernel.Abs, "Neg": kernel.Neg, "Exp": kernel.Exp, "Expm1": kernel.Expm1, "Log": kernel.Log,
	"Log1p": kernel.Log1p, "Sin": kernel.Sin, "Cos": kernel.Cos, "Tanh": kernel.Tanh, "Logistic": kernel.Sigmoid,
	"Sqrt": kernel.Sqrt, "Rsqrt": kernel.Rsqrt, "Floor": kernel.Floor, "Ceil": kernel.Ceil, "Round": kernel.Round,
	"Sign": kernel.Sign, "Erf": kernel.Erf,
	"IsFinite": kernel.IsFinite, "IsNaN": kernel.IsNaN, "LogicalNot": kernel.Not,
}

var binaryOps = map[string]kernel.BinaryOp{
	"Add": kernel.Add, "Sub": kernel.Sub, "Mul": kernel.Mul, "Div": kernel.Div, "Max": kernel.Max, "Min": kernel.Min,
	"Pow": kernel.Pow, "Rem": kernel.Rem, "Atan2": kernel.Atan2, "Equal": kernel.Eq, "NotEqual": kernel.Ne,
	"LessThan": kernel.Lt, "LessOrEqual": kernel.Le, "GreaterThan": kernel.Gt, "GreaterOrEqual": kernel.Ge,
	"LogicalAnd": kernel.And, "LogicalOr": kernel.Or, "LogicalXor": kernel.Xor,
}

// compiled makes the tensors of an operation on floats and truth values, with
// bfloat16 for floats and what it makes not yet rounded, or nil
// where the compiler does not know it.
func (l *lowering) compiled(n *node, in []*tensor) []*tensor {
	var dims []int
	var typ dtypes.DType
	if len(n.outs) > 0 {
		dims, typ = n.outs[0].shape.Dimensions, n.outs[0].shape.DType
	}
	one := func(t *tensor) []*tensor { return []*tensor{t} }
	if op, ok := unaryOps[n.op]; ok {
		if in[0].bool != (op == kernel.Not) {
			return nil
		}
		return one(l.unary(op, in[0]))
	}
	if op, ok := binaryOps[n.op]; ok {
		if logic := op == kernel.And || op == kernel.Or || op == kernel.Xor; in[0].bool != logic ||
			in[1].bool != logic {
			return nil
		}
		return one(l.binary(op, in[0], in[1], dims))
	}
	switch n.op {
	case "Identity", "OptimizationBarrier":
		return in[:len(n.outs)]
	case "SchedulingBarrier":
		return one(l.after(in[0], in[1:]))
	case "Where":
		return one(l.selected(in[0], in[1], in[2], dims))
	case "Clamp":
		return one(l.binary(kernel.Min, l.binary(kernel.Max, in[1], in[0], dims), in[2], dims))
	case "ConvertDType":
		return one(l.converted(in[0], typ))
	case "Reshape":
		return one(l.reshaped(in[0], dims))
	}
	if outs := l.moving(n, in, dims); outs != nil {
		if t := outs[0]; !t.bool || !t.runs() {
			return outs
		}
		if outs = l.moving(n, l.asFloats(in), dims); outs != nil { // no instruction moves bytes
			return one(l.converted(outs[0], dtypes.Bool))
		}
		return nil
	}
	return l.arithmetic(n, in, dims)
}

// asFloats returns truth values as 0 and 1.
func (l *lowering) asFloats(in []*tensor) []*tensor {
	out := make([]*tensor, len(in))
	for i, x := range in {
		out[i] = l.converted(x, dtypes.Float32)
	}
	return out
}

// converted changes floats into truth values and back.
func (l *lowering) converted(x *tensor, typ dtypes.DType) *tensor {
	switch {
	case x.typ == typ, typ == dtypes.BFloat16 && !x.bool: // who asked for bfloat16 rounds
		return x
	case typ == dtypes.Bool:
		return l.binary(kernel.Ne, x, l.constant(0), x.dims)
	default:
		return l.add(&tensor{kind: kindUnary, op: int(kernel.Copy), in: []*tensor{x}, dims: x.dims})
	}
}

// moving makes the tensors of operations that only move numbers.
func (l *lowering) moving(n *node, in []*tensor, dims []int) []*tensor {
	switch n.op {
	case "BroadcastInDim":
		axes, strides := n.attrs[1].([]int), make([]int, len(dims))
		s := contiguous(in[0].dims)
		for i, a := range axes {
			if in[0].dims[i] != 1 {
				strides[a] = s[i]
			}
		}
		return []*tensor{l.moved(in[0], dims, 0, strides)}
	case "Slice":
		starts, steps := n.attrs[0].([]int), n.attrs[2].([]int)
		s, offset := contiguous(in[0].dims), 0
		for i := range s {
			offset += starts[i] * s[i]
			if len(steps) > 0 {
				s[i] *= steps[i]
			}
		}
		if size(dims) == 0 {
			return nil
		}
		return []*tensor{l.stretch(in[0], dims, offset, s)}
	case "Transpose":
		return []*tensor{l.transposed(in[0], n.attrs[0].([]int))}
	case "Reverse":
		s, offset := contiguous(in[0].dims), 0
		for _, a := range n.attrs[0].([]int) {
			offset += (dims[a] - 1) * s[a]
			s[a] = -s[a]
		}
		if size(dims) == 0 {
			return nil
		}
		return []*tensor{l.moved(in[0], dims, offset, s)}
	case "Concatenate":
		return []*tensor{l.concatenated(n.attrs[0].(int), in)}
	case "Pad":
		frame, ok := in[1].scalar()
		t := &tensor{kind: kindPad, in: in[:1], dims: dims, value: frame, typ: in[0].typ}
		for _, p := range n.attrs[0].([]compute.PadAxis) {
			ok = ok && p.Interior == 0 && p.Start >= 0 && p.End >= 0
			t.pads = append(t.pads, p.Start)
		}
		if len(dims) == 0 {
			return in[:1]
		}
		for len(t.pads) < len(dims) {
			t.pads = append(t.pads, 0)
		}
		if !ok {
			return nil
		}
		return []*tensor{l.add(t)}
	}
	return nil
}

var reduceOps = map[string]reduceOp{"ReduceSum": reduceSum, "ReduceMax": reduceMax, "ReduceMin": reduceMin,
	"ReduceProduct": reduceProd}

// arithmetic makes the tensors of reductions, products and convolutions.
func (l *lowering) arithmetic(n *node, in []*tensor, dims []int) []*tensor {
	for _, x := range in {
		if x.bool {
			return nil
		}
	}
	if op, ok := reduceOps[n.op]; ok {
		axes := n.attrs[0].([]int)
		if len(axes) == 0 {
			axes = seq(0, len(in[0].dims))
		}
		if in[0].size() == 0 {
			return nil
		}
		return []*tensor{l.reduced(op, in[0], axes)}
	}
	switch n.op {
	case "Dot":
		if len(in[0].dims) == 0 || len(in[1].dims) == 0 {
			return nil
		}
		return []*tensor{l.product(in[0], []int{len(in[0].dims) - 1}, nil, in[1], []int{0}, nil, dims)}
	case "ConvGeneral":
		if t := l.convolved(n, in, dims); t != nil {
			return []*tensor{t}
		}
	case "DotGeneral":
		if !sumsInFloats(n.attrs[4].(compute.DotGeneralConfig).AccumulatorDType) {
			return nil
		}
		a := func(i int) []int { return positive(n.attrs[i].([]int), len(in[i/2].dims)) }
		return []*tensor{l.product(in[0], a(0), a(1), in[1], a(2), a(3), dims)}
	}
	return nil
}

// positive counts negative axes from the end.
func positive(axes []int, rank int) []int {
	out := slices.Clone(axes)
	for i, a := range out {
		if a < 0 {
			out[i] += rank
		}
	}
	return out
}
