package exchange

import (
	"errors"
	"fmt"
	"slices"

	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/engine/onnx"
)

// call is one node of the file with its arguments.
type call struct {
	*building
	n  *onnx.Node
	in []*operand
}

// errUnknown is what an operation that is not known gives.
var errUnknown = errors.New("the operation is not known")

// results builds the node.
func (c call) results() ([]*operand, error) {
	if out, ok, err := c.folded(); ok || err != nil {
		return []*operand{out}, err
	}
	if f, ok := elements[c.n.Op]; ok {
		return one1(c.elementwise(f))
	}
	if f, ok := onImages[c.n.Op]; ok {
		if rank := len(c.dims(c.in[0])); rank != 4 {
			return nil, fmt.Errorf("its argument has %d axes; only images [N, C, H, W] are known", rank)
		}
		return one1(f(c))
	}
	if f, ok := others[c.n.Op]; ok {
		return one1(f(c))
	}
	switch c.n.Op {
	case "Constant": // with a tensor it is known already
		return c.scalarConstant()
	case "Identity", "Dropout":
		return c.in[:1], nil
	case "Split":
		return c.split()
	case "Loop":
		return c.loop()
	}
	return nil, errUnknown
}

func one1(v *operand, err error) ([]*operand, error) { return []*operand{v}, err }

// has reports whether argument i is given.
func (c call) has(i int) bool { return i < len(c.in) && c.in[i] != nil }

// arg is argument i, its axes in the order of the file.
func (c call) arg(i int) *Node { return c.plain(c.in[i]) }

// int, float, text and list are attributes, with their defaults.
func (c call) int(name string, otherwise int) int {
	if v, ok := c.n.Attrs[name].(int64); ok {
		return int(v)
	}
	return otherwise
}

func (c call) float(name string, otherwise float64) float64 {
	if v, ok := c.n.Attrs[name].(float32); ok {
		return float64(v)
	}
	return otherwise
}

func (c call) text(name, otherwise string) string {
	if v, ok := c.n.Attrs[name].(string); ok {
		return v
	}
	return otherwise
}

func (c call) list(name string) []int {
	v, _ := c.n.Attrs[name].([]int64)
	return ints(v)
}

// numbers are whole numbers that are an argument, known when the graph is built, or
// in older files an attribute; ok says whether they are given.
func (c call) numbers(i int, attr string) (v []int, ok bool, err error) {
	if _, ok := c.n.Attrs[attr]; ok {
		return c.list(attr), true, nil
	}
	if !c.has(i) {
		return nil, false, nil
	}
	if c.in[i].host == nil {
		return nil, false, fmt.Errorf("its argument %q depends on the images; it must be known beforehand", c.n.In[i])
	}
	return ints(c.in[i].host.Ints), true, nil
}

// axes are such numbers, counted from the front.
func (c call) axes(i int, attr string, rank int) ([]int, bool, error) {
	v, ok, err := c.numbers(i, attr)
	for k, a := range v {
		if a < 0 {
			v[k] += rank
		}
		if v[k] < 0 || v[k] >= rank {
			return nil, false, fmt.Errorf("axis %d of %d", a, rank)
		}
	}
	return v, ok, err
}

// axis is the attribute axis, counted from the front.
func (c call) axis(otherwise, rank int) int {
	a := c.int("axis", otherwise)
	if a < 0 {
		a += rank
	}
	return a
}

// scalarConstant is a Constant that is a number or a list.
func (c call) scalarConstant() ([]*operand, error) {
	t := &onnx.Tensor{}
	for name, v := range c.n.Attrs {
		switch v := v.(type) {
		case *onnx.Tensor:
			t = v
		case int64:
			t = &onnx.Tensor{Type: onnx.Int64, Ints: []int64{v}}
		case float32:
			t = &onnx.Tensor{Type: onnx.Float, Floats: []float32{v}}
		case []int64:
			t = &onnx.Tensor{Type: onnx.Int64, Ints: v, Dims: []int64{int64(len(v))}}
		case []float32:
			t = &onnx.Tensor{Type: onnx.Float, Floats: v, Dims: []int64{int64(len(v))}}
		default:
			return nil, fmt.Errorf("a constant given as %s is not known", name)
		}
	}
	return []*operand{{host: t, weight: c.n.Out[0]}}, nil
}

// elementwise builds an operation by element. Arguments are broadcast as NumPy's
// are, from the last axis on; images keep their channels last.
func (c call) elementwise(f func(c call, x []*Node) *Node) (*operand, error) {
	rank, last := 0, false
	for _, v := range c.in {
		if v != nil {
			rank = max(rank, len(c.dims(v)))
			last = last || v.last
		}
	}
	var x []*Node
	for _, v := range c.in {
		if v == nil {
			continue
		}
		n := v.node
		if n == nil || !v.last {
			n = c.plain(v)
			if n.Rank() < rank && n.Rank() > 0 {
				n = InsertAxes(n, slices.Repeat([]int{0}, rank-n.Rank())...)
			}
			if last && n.Rank() == 4 {
				n = TransposeAllDims(n, 0, 2, 3, 1)
			}
		}
		x = append(x, n)
	}
	return &operand{node: f(c, x), last: last}, nil
}
