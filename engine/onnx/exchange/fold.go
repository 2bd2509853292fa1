package exchange

import (
	"fmt"
	"slices"

	"flowmatch/engine/onnx"
)

// folded works out what is known when the graph is built: shapes, and whole numbers
// made of them. ok says whether it did.
func (c call) folded() (out *operand, ok bool, err error) {
	if c.n.Op == "Shape" {
		dims := c.dims(c.in[0])
		from, to := c.int("start", 0), c.int("end", len(dims))
		clamp := func(i int) int {
			if i < 0 {
				i += len(dims)
			}
			return min(max(i, 0), len(dims))
		}
		dims = dims[clamp(from):max(clamp(from), clamp(to))]
		return hostInts(int64s(dims), []int64{int64(len(dims))}), true, nil
	}
	if len(c.in) == 0 {
		return nil, false, nil
	}
	for _, v := range c.in {
		if v == nil || v.host == nil || len(v.host.Floats) > 0 || len(v.host.Ints) > 1024 {
			return nil, false, nil
		}
	}
	x := c.in[0].host
	switch c.n.Op {
	case "Cast":
		typ := onnx.DataType(c.int("to", 0))
		if typ != onnx.Int64 && typ != onnx.Int32 {
			return nil, false, nil
		}
		return &operand{host: &onnx.Tensor{Type: typ, Dims: x.Dims, Ints: x.Ints}}, true, nil
	case "ConstantOfShape":
		return c.foldedConstant()
	case "Where":
		return c.foldedWhere()
	case "Concat":
		return c.foldedConcat()
	case "Gather":
		return c.foldedGather()
	case "Slice":
		return c.foldedSlice()
	case "Reshape":
		if want := c.in[1].host.Ints; len(want) == 1 && (want[0] == -1 || want[0] == int64(len(x.Ints))) {
			return hostInts(x.Ints, []int64{int64(len(x.Ints))}), true, nil
		}
		return nil, false, nil
	case "Squeeze":
		return hostInts(x.Ints, nil), len(x.Ints) == 1, nil
	case "Unsqueeze":
		axes, _, err := c.numbers(1, "axes")
		if err != nil {
			return nil, false, err
		}
		dims, err := inserted1(ints(x.Dims), axes)
		return hostInts(x.Ints, int64s(dims)), true, err
	}
	return c.foldedArithmetic()
}

func hostInts(v, dims []int64) *operand {
	return &operand{host: &onnx.Tensor{Type: onnx.Int64, Dims: dims, Ints: v}}
}

func int64s(x []int) []int64 {
	out := make([]int64, len(x))
	for i, v := range x {
		out[i] = int64(v)
	}
	return out
}

func (c call) foldedConcat() (*operand, bool, error) {
	var all []int64
	for _, v := range c.in {
		if len(v.host.Dims) != 1 {
			return nil, false, nil
		}
		all = append(all, v.host.Ints...)
	}
	return hostInts(all, []int64{int64(len(all))}), true, nil
}

func (c call) foldedGather() (*operand, bool, error) {
	x, at := c.in[0].host, c.in[1].host
	if len(x.Dims) != 1 {
		return nil, false, nil
	}
	var out []int64
	for _, i := range at.Ints {
		if i < 0 {
			i += x.Dims[0]
		}
		if i < 0 || i >= x.Dims[0] {
			return nil, false, fmt.Errorf("element %d of %d", i, x.Dims[0])
		}
		out = append(out, x.Ints[i])
	}
	return hostInts(out, at.Dims), true, nil
}

func (c call) foldedSlice() (*operand, bool, error) {
	x := c.in[0].host
	if len(x.Dims) != 1 {
		return nil, false, nil
	}
	spans, err := c.spans(ints(x.Dims))
	if err != nil {
		return nil, false, err
	}
	s, ok := spans[0]
	if !ok {
		return c.in[0], true, nil
	}
	var out []int64
	for i := range s.count {
		out = append(out, x.Ints[s.start+i*s.step])
	}
	return hostInts(out, []int64{int64(len(out))}), true, nil
}

// foldedArithmetic works with numbers and vectors.
func (c call) foldedArithmetic() (*operand, bool, error) {
	if len(c.in) != 2 {
		return nil, false, nil
	}
	x, y := c.in[0].host, c.in[1].host
	same := slices.Equal(x.Dims, y.Dims)
	if !same && len(x.Ints) != 1 && len(y.Ints) != 1 {
		return nil, false, nil
	}
	wide := x
	if len(y.Ints) > len(x.Ints) || len(y.Dims) > len(x.Dims) {
		wide = y
	}
	out := make([]int64, len(wide.Ints))
	for i := range out {
		a, b := x.Ints[min(i, len(x.Ints)-1)], y.Ints[min(i, len(y.Ints)-1)]
		switch {
		case c.n.Op == "Add":
			out[i] = a + b
		case c.n.Op == "Sub":
			out[i] = a - b
		case c.n.Op == "Mul":
			out[i] = a * b
		case c.n.Op == "Div" && b != 0:
			out[i] = a / b
		case c.n.Op == "Mod" && b > 0 && a >= 0: // where all conventions agree
			out[i] = a % b
		case c.n.Op == "Equal":
			out[i] = 0
			if a == b {
				out[i] = 1
			}
		default:
			return nil, false, nil
		}
	}
	v := hostInts(out, wide.Dims)
	if c.n.Op == "Equal" {
		v.host.Type = onnx.Bool
	}
	return v, true, nil
}

// foldedConstant is one number everywhere.
func (c call) foldedConstant() (*operand, bool, error) {
	t := onnx.Tensor{Type: onnx.Float, Dims: c.in[0].host.Ints}
	value, ok := c.n.Attrs["value"].(*onnx.Tensor)
	if !ok {
		value = &onnx.Tensor{Type: onnx.Float, Floats: []float32{0}}
	}
	t.Type = value.Type
	if err := fits(ints(t.Dims)...); err != nil {
		return nil, false, err
	}
	if len(value.Floats) > 0 {
		t.Floats = slices.Repeat(value.Floats[:1], t.Size())
	} else {
		t.Ints = slices.Repeat(value.Ints[:1], t.Size())
	}
	return &operand{host: &t}, true, nil
}

// foldedWhere chooses between vectors of one length.
func (c call) foldedWhere() (*operand, bool, error) {
	yes, x, y := c.in[0].host, c.in[1].host, c.in[2].host
	if len(yes.Ints) != len(x.Ints) || len(x.Ints) != len(y.Ints) {
		return nil, false, nil
	}
	out := slices.Clone(y.Ints)
	for i, b := range yes.Ints {
		if b != 0 {
			out[i] = x.Ints[i]
		}
	}
	return hostInts(out, x.Dims), true, nil
}
