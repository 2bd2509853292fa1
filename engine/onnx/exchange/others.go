package exchange

import (
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/engine/onnx"
)

// others are the operations that need their arguments in the order of the file.
var others = map[string]func(c call) (*operand, error){
	"Reshape": call.reshape, "Flatten": call.flatten, "Transpose": call.transpose, "Squeeze": call.squeeze,
	"Unsqueeze": call.unsqueeze, "Concat": call.concat, "Slice": call.slice, "Expand": call.expand, "Pad": call.pad,
	"Cast": call.cast, "Gather": call.gather,
	"MatMul": func(c call) (*operand, error) { return node1(MatMul(c.arg(0), c.arg(1))) },
	"Einsum": func(c call) (*operand, error) { return node1(Einsum(c.text("equation", ""), c.arg(0), c.arg(1))) },
	"Gemm":   call.gemm, "LayerNormalization": call.layerNorm,
	"InstanceNormalization": func(c call) (*operand, error) { return c.groupNorm(0) },
	"GroupNormalization":    func(c call) (*operand, error) { return c.groupNorm(c.int("num_groups", -1)) },
	"Softmax":               func(c call) (*operand, error) { return c.softmax(Softmax) },
	"LogSoftmax":            func(c call) (*operand, error) { return c.softmax(LogSoftmax) },
	"ReduceMean":            func(c call) (*operand, error) { return c.reduce(ReduceMean) },
	"ReduceSum":             func(c call) (*operand, error) { return c.reduce(ReduceSum) },
	"ReduceMax":             func(c call) (*operand, error) { return c.reduce(ReduceMax) },
	"ReduceMin":             func(c call) (*operand, error) { return c.reduce(ReduceMin) },
	"ReduceProd":            func(c call) (*operand, error) { return c.reduce(ReduceMultiply) },
	"ReduceL2": func(c call) (*operand, error) {
		return c.reduce(func(x *Node, axes ...int) *Node { return Sqrt(ReduceSum(Square(x), axes...)) })
	},
}

func node1(n *Node) (*operand, error) { return &operand{node: n}, nil }

func (c call) reshape() (*operand, error) {
	want, ok, err := c.numbers(1, "shape")
	if err != nil || !ok {
		return nil, fmt.Errorf("its shape must be known: %w", err)
	}
	x := c.arg(0)
	from, open, size := x.Shape().Dimensions, -1, 1
	for i, n := range want {
		if n == 0 && c.int("allowzero", 0) == 0 && i < len(from) {
			want[i] = from[i]
		}
		if n == -1 {
			open = i
		} else {
			size *= want[i]
		}
	}
	if open >= 0 && size > 0 {
		want[open] = x.Shape().Size() / size
	}
	return node1(Reshape(x, want...))
}

func (c call) flatten() (*operand, error) {
	x := c.arg(0)
	rows := 1
	for _, n := range x.Shape().Dimensions[:c.axis(1, x.Rank())] {
		rows *= n
	}
	return node1(Reshape(x, rows, x.Shape().Size()/max(1, rows)))
}

func (c call) transpose() (*operand, error) {
	x := c.arg(0)
	perm := c.list("perm")
	if len(perm) == 0 {
		for i := range x.Rank() {
			perm = append([]int{i}, perm...)
		}
	}
	return node1(TransposeAllDims(x, perm...))
}

func (c call) squeeze() (*operand, error) {
	x := c.arg(0)
	axes, ok, err := c.axes(1, "axes", x.Rank())
	var dims []int
	for i, n := range x.Shape().Dimensions {
		if gone := slices.Contains(axes, i) || !ok && n == 1; !gone {
			dims = append(dims, n)
		}
	}
	if err != nil {
		return nil, err
	}
	return node1(Reshape(x, dims...))
}

func (c call) unsqueeze() (*operand, error) {
	x := c.arg(0)
	given, _, err := c.numbers(1, "axes")
	if err != nil {
		return nil, err
	}
	dims, err := inserted1(x.Shape().Dimensions, given)
	if err != nil {
		return nil, err
	}
	return node1(Reshape(x, dims...))
}

// inserted1 returns dims with axes of length 1 at the given axes of the result.
func inserted1(dims, axes []int) ([]int, error) {
	out, rank := []int{}, len(dims)+len(axes)
	for i, k := 0, 0; i < rank; i++ {
		if slices.Contains(axes, i) || slices.Contains(axes, i-rank) {
			out = append(out, 1)
			continue
		}
		if k == len(dims) {
			return nil, fmt.Errorf("axes %v of %d", axes, rank)
		}
		out, k = append(out, dims[k]), k+1
	}
	return out, nil
}

func (c call) concat() (*operand, error) {
	axis, last := c.axis(0, len(c.dims(c.in[0]))), true
	for _, v := range c.in {
		last = last && v.last
	}
	parts := make([]*Node, len(c.in))
	for i, v := range c.in {
		if parts[i] = v.node; !last {
			parts[i] = c.plain(v)
		}
	}
	if last {
		axis = []int{0, 3, 1, 2}[axis]
	}
	return &operand{node: Concatenate(parts, axis), last: last}, nil
}

// span is a slice of one axis: count elements from start on, step apart.
type span struct{ start, count, step int }

// spans reads the arguments of Slice for a shape, by axis.
func (c call) spans(dims []int) (map[int]span, error) {
	starts, _, err1 := c.numbers(1, "starts")
	ends, _, err2 := c.numbers(2, "ends")
	axes, ok, err3 := c.axes(3, "axes", len(dims))
	steps, stepped, err4 := c.numbers(4, "steps")
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			return nil, err
		}
	}
	out := map[int]span{}
	for i := range starts {
		a, step := i, 1
		if ok {
			a = axes[i]
		}
		if stepped {
			step = steps[i]
		}
		n := dims[a]
		place := func(x, low, high int) int {
			if x < 0 {
				x += n
			}
			return min(max(x, low), high)
		}
		switch {
		case step > 0:
			from, to := place(starts[i], 0, n), place(ends[i], 0, n)
			out[a] = span{from, max(0, ceilDiv(to-from, step)), step}
		case step < 0:
			from, to := place(starts[i], 0, n-1), -1
			if ends[i] >= -n { // a lower one means: to the very beginning
				to = place(ends[i], -1, n-1)
			}
			out[a] = span{from, max(0, ceilDiv(from-to, -step)), step}
		default:
			return nil, fmt.Errorf("a step of 0")
		}
	}
	return out, nil
}

func (c call) slice() (*operand, error) {
	x := c.arg(0)
	spans, err := c.spans(x.Shape().Dimensions)
	if err != nil {
		return nil, err
	}
	for a, s := range spans {
		if s.step < 0 { // the same from the other end
			x = Reverse(x, a)
			spans[a] = span{x.Shape().Dimensions[a] - 1 - s.start, s.count, -s.step}
		}
	}
	ranges := make([]SliceAxisSpec, x.Rank())
	for a := range ranges {
		ranges[a] = AxisRange()
		if s, ok := spans[a]; ok {
			if s.count == 0 {
				return nil, fmt.Errorf("nothing is left of axis %d", a)
			}
			ranges[a] = AxisRange(s.start, s.start+(s.count-1)*s.step+1).Stride(s.step)
		}
	}
	return node1(Slice(x, ranges...))
}

// expand broadcasts both ways.
func (c call) expand() (*operand, error) {
	want, _, err := c.numbers(1, "")
	if err != nil {
		return nil, err
	}
	x := c.arg(0)
	rank := max(x.Rank(), len(want))
	if x.Rank() < rank {
		x = InsertAxes(x, slices.Repeat([]int{0}, rank-x.Rank())...)
	}
	dims := slices.Clone(x.Shape().Dimensions)
	for i, n := range want {
		if at := rank - len(want) + i; dims[at] == 1 {
			dims[at] = n
		}
	}
	return node1(BroadcastToDims(x, dims...))
}

func (c call) pad() (*operand, error) {
	if mode := c.text("mode", "constant"); mode != "constant" {
		return nil, fmt.Errorf("padding by %s is not known", mode)
	}
	x := c.arg(0)
	pads, _, err := c.numbers(1, "pads")
	if err != nil {
		return nil, err
	}
	axes, ok, err := c.axes(3, "", x.Rank())
	if err != nil {
		return nil, err
	}
	if err := within("pads", pads...); err != nil {
		return nil, err
	}
	config := make([]compute.PadAxis, x.Rank())
	for i := range len(pads) / 2 {
		a := i
		if ok {
			a = axes[i]
		}
		config[a] = compute.PadAxis{Start: pads[i], End: pads[len(pads)/2+i]}
	}
	fill := Scalar(c.graph, x.DType(), c.float("value", 0))
	if c.has(2) {
		fill = Reshape(c.arg(2))
	}
	return node1(Pad(x, fill, config...))
}

func (c call) cast() (*operand, error) {
	typ, err := dtypeOf(onnx.DataType(c.int("to", 0)))
	if err != nil {
		return nil, err
	}
	if v := c.in[0]; v.last {
		return &operand{node: ConvertDType(v.node, typ), last: true}, nil
	}
	return node1(ConvertDType(c.arg(0), typ))
}

// gather takes rows that are known when the graph is built.
func (c call) gather() (*operand, error) {
	x := c.arg(0)
	axis := c.axis(0, x.Rank())
	if c.in[1].host == nil {
		return nil, fmt.Errorf("its indices depend on the images; they must be known beforehand")
	}
	dims := x.Shape().Dimensions
	var parts []*Node
	for _, i := range c.in[1].host.Ints {
		at := int(i)
		if at < 0 {
			at += dims[axis]
		}
		ranges := slices.Repeat([]SliceAxisSpec{AxisRange()}, x.Rank())
		ranges[axis] = AxisRange(at, at+1)
		parts = append(parts, Slice(x, ranges...))
	}
	out := slices.Concat(dims[:axis], ints(c.in[1].host.Dims), dims[axis+1:])
	return node1(Reshape(Concatenate(parts, axis), out...))
}

// gemm is α·A·B + β·C.
func (c call) gemm() (*operand, error) {
	y := DotGeneral(c.arg(0), []int{1 - c.int("transA", 0)}, nil, c.arg(1), []int{c.int("transB", 0)}, nil)
	if alpha := c.float("alpha", 1); alpha != 1 {
		y = MulScalar(y, alpha)
	}
	if !c.has(2) {
		return node1(y)
	}
	bias := c.arg(2)
	if bias.Rank() == 1 {
		bias = InsertAxes(bias, 0)
	}
	if beta := c.float("beta", 1); beta != 1 {
		bias = MulScalar(bias, beta)
	}
	return node1(Add(y, bias))
}

// softmax is over one axis; before version 13 it was over all from there on.
func (c call) softmax(f func(x *Node, axes ...int) *Node) (*operand, error) {
	x := c.arg(0)
	otherwise := -1
	if c.model.Opset < 13 {
		otherwise = 1
	}
	axis := c.axis(otherwise, x.Rank())
	axes := []int{axis}
	for a := axis + 1; c.model.Opset < 13 && a < x.Rank(); a++ {
		axes = append(axes, a)
	}
	return node1(f(x, axes...))
}

// layerNorm normalises over the last axes, from one on.
func (c call) layerNorm() (*operand, error) {
	x := c.arg(0)
	var axes []int
	for a := c.axis(-1, x.Rank()); a < x.Rank(); a++ {
		axes = append(axes, a)
	}
	x = Sub(x, ReduceAndKeep(x, ReduceMean, axes...))
	x = Div(x, Sqrt(AddScalar(ReduceAndKeep(Square(x), ReduceMean, axes...), c.float("epsilon", 1e-5))))
	wide := func(v *Node) *Node { return InsertAxes(v, slices.Repeat([]int{0}, x.Rank()-v.Rank())...) }
	x = Mul(x, wide(c.arg(1)))
	if c.has(2) {
		x = Add(x, wide(c.arg(2)))
	}
	return node1(x)
}

// groupNorm normalises each group of channels of x [N, C, ...] over all that is in it; groups 0: each channel is one.
// Scale and bias are those of channels or, before version 21, of groups.
func (c call) groupNorm(groups int) (*operand, error) {
	x := c.arg(0)
	d := x.Shape().Dimensions
	if len(d) < 3 || len(c.in) < 3 {
		return nil, fmt.Errorf("its argument has %d axes; it takes [N, C, ...], a scale and a bias", len(d))
	}
	if groups == 0 {
		groups = d[1]
	}
	if groups < 1 || d[1]%groups != 0 {
		return nil, fmt.Errorf("%d channels in %d groups", d[1], groups)
	}
	y := Reshape(x, d[0], groups, x.Shape().Size()/(d[0]*groups))
	y = Sub(y, ReduceAndKeep(y, ReduceMean, 2))
	y = Div(y, Sqrt(AddScalar(ReduceAndKeep(Square(y), ReduceMean, 2), c.float("epsilon", 1e-5))))
	of := d[1]
	if scale := c.arg(1).Shape().Size(); scale == groups {
		of = groups
	} else if scale != of {
		return nil, fmt.Errorf("a scale of %d numbers for %d channels", scale, of)
	}
	y = Reshape(y, d[0], of, x.Shape().Size()/(d[0]*of))
	by := func(i int) *Node { return Reshape(c.arg(i), 1, of, 1) }
	return node1(Reshape(Add(Mul(y, by(1)), by(2)), d...))
}

func (c call) reduce(f func(x *Node, axes ...int) *Node) (*operand, error) {
	x := c.arg(0)
	axes, ok, err := c.axes(1, "axes", x.Rank())
	if err != nil {
		return nil, err
	}
	if !ok || len(axes) == 0 {
		if c.int("noop_with_empty_axes", 0) == 1 {
			return c.in[0], nil
		}
		for a := range x.Rank() {
			axes = append(axes, a)
		}
	}
	if c.int("keepdims", 1) == 1 {
		return node1(ReduceAndKeep(x, f, axes...))
	}
	return node1(f(x, axes...))
}

// split cuts an axis into parts of equal or given sizes.
func (c call) split() ([]*operand, error) {
	x := c.arg(0)
	axis := c.axis(0, x.Rank())
	sizes, ok, err := c.numbers(1, "split")
	if err != nil {
		return nil, err
	}
	if !ok {
		each := int(math.Ceil(float64(x.Shape().Dimensions[axis]) / float64(len(c.n.Out))))
		for left := x.Shape().Dimensions[axis]; left > 0; left -= each {
			sizes = append(sizes, min(each, left))
		}
	}
	var out []*operand
	from := 0
	for _, n := range sizes {
		ranges := slices.Repeat([]SliceAxisSpec{AxisRange()}, x.Rank())
		ranges[axis] = AxisRange(from, from+n)
		out, from = append(out, &operand{node: Slice(x, ranges...)}), from+n
	}
	return out, nil
}
