package exchange

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/engine/onnx"
)

// Reader builds the graph of a file. It is read-only.
//
// The operations it knows are those of convolutional classifiers, of what
// [Program.Model] writes, and what shapes are worked out with; any other is an error
// that names the node. Shapes are known when the graph is built, so what depends on
// them is worked out then.
type Reader struct {
	model  *onnx.Model
	theta  []float32      // the weights, one after the other
	offset map[string]int // where in theta each begins
	known  map[string]*onnx.Tensor
}

// smallest is the number of elements from which a tensor is a weight; a smaller one
// is a constant of the graph.
const smallest = 16

// NewReader reads the weights of a file.
func NewReader(m *onnx.Model) *Reader {
	r := &Reader{model: m, offset: map[string]int{}, known: map[string]*onnx.Tensor{}}
	r.keepAll(&m.Graph)
	return r
}

// keepAll keeps the weights and the constants of a graph, and of the bodies of its loops.
func (r *Reader) keepAll(g *onnx.Graph) {
	for i := range g.Initializers {
		r.keep(g.Initializers[i].Name, &g.Initializers[i])
	}
	for _, n := range g.Nodes {
		if t, ok := n.Attrs["value"].(*onnx.Tensor); ok && n.Op == "Constant" && len(n.Out) > 0 {
			r.keep(n.Out[0], t)
		}
		if body, ok := n.Attrs["body"].(*onnx.Graph); ok {
			r.keepAll(body)
		}
	}
}

func (r *Reader) keep(name string, t *onnx.Tensor) {
	r.known[name] = t
	if len(t.Floats) >= smallest {
		r.offset[name] = len(r.theta)
		r.theta = append(r.theta, t.Floats...)
	}
}

// Theta returns the weights, the first argument of what Build builds.
func (r *Reader) Theta() []float32 { return r.theta }

// Inputs returns the inputs of the file that are no weights.
func (r *Reader) Inputs() (in []onnx.Value) {
	for _, v := range r.model.Graph.Inputs {
		if r.known[v.Name] == nil {
			in = append(in, v)
		}
	}
	return in
}

// Outputs returns the results of the file.
func (r *Reader) Outputs() []onnx.Value { return r.model.Graph.Outputs }

// Build builds the graph for the named values, of Theta and of inputs in the order of
// Inputs. Any value inside the graph may be named.
func (r *Reader) Build(theta *Node, in []*Node, want []string) ([]*Node, error) {
	b := &building{Reader: r, graph: theta.Graph(), slab: theta, values: map[string]*operand{}}
	ports := r.Inputs()
	if len(in) != len(ports) {
		return nil, fmt.Errorf("exchange: %d inputs given, the file has %d", len(in), len(ports))
	}
	for i, p := range ports {
		b.values[p.Name] = &operand{node: in[i]}
	}
	for name, t := range r.known {
		b.values[name] = &operand{host: t, weight: name}
	}
	needed := r.needed(want)
	for i := range r.model.Graph.Nodes {
		if n := &r.model.Graph.Nodes[i]; needed[i] {
			if err := b.add(n); err != nil {
				return nil, fmt.Errorf("exchange: node %q (%s): %w", n.Name, n.Op, err)
			}
		}
	}
	var out []*Node
	for _, name := range want {
		v := b.values[name]
		if v == nil {
			return nil, fmt.Errorf("exchange: the file has no value %q; its results are %v", name, r.Outputs())
		}
		out = append(out, b.plain(v))
	}
	return out, nil
}

// needed returns which nodes the named values depend on.
func (r *Reader) needed(names []string) []bool {
	want := map[string]bool{}
	for _, n := range names {
		want[n] = true
	}
	out := make([]bool, len(r.model.Graph.Nodes))
	for i := len(out) - 1; i >= 0; i-- {
		n := r.model.Graph.Nodes[i]
		out[i] = slices.ContainsFunc(n.Out, func(s string) bool { return want[s] })
		if out[i] {
			for _, s := range uses(n) {
				want[s] = true
			}
		}
	}
	return out
}

// uses returns the values that a node takes, with those of around that the body of a loop sees.
func uses(n onnx.Node) []string {
	names := n.In
	if body, ok := n.Attrs["body"].(*onnx.Graph); ok {
		for _, inner := range body.Nodes {
			names = append(slices.Clip(names), uses(inner)...)
		}
		for _, out := range body.Outputs {
			names = append(slices.Clip(names), out.Name)
		}
	}
	return names
}

// operand is a value of the file: known when the graph is built (host), or a node.
type operand struct {
	host   *onnx.Tensor
	weight string // its name, if it may be one
	node   *Node
	// last: the node has the channels of [N, C, H, W] last, as convolutions like it.
	last bool
}

// building is a graph that is being built.
type building struct {
	*Reader
	graph  *Graph
	slab   *Node
	values map[string]*operand
}

// add builds one node of the file.
func (b *building) add(n *onnx.Node) (err error) {
	defer func() {
		if p := recover(); p != nil { // graph code panics
			err = fmt.Errorf("%v", p)
		}
	}()
	if n.Domain != "" && n.Domain != "ai.onnx" {
		return fmt.Errorf("operations of domain %q are not known", n.Domain)
	}
	in := make([]*operand, len(n.In))
	for i, name := range n.In {
		if in[i] = b.values[name]; in[i] == nil && name != "" {
			return fmt.Errorf("its argument %q is made by no node before it", name)
		}
	}
	c := call{building: b, n: n, in: in}
	outs, err := c.results()
	if err != nil {
		return err
	}
	for i, o := range outs {
		if o != nil {
			if err := fits(b.dims(o)...); err != nil {
				return err
			}
		}
		if i < len(n.Out) {
			b.values[n.Out[i]] = o
		}
	}
	return nil
}

// plain returns the node of a value, with its axes in the order of the file.
func (b *building) plain(v *operand) *Node {
	switch {
	case v.node == nil:
		v.node = b.constant(v)
	case v.last:
		return TransposeAllDims(v.node, 0, 3, 1, 2)
	}
	return v.node
}

// image returns the node of a value of four axes, with the channels last.
func (b *building) image(v *operand) *Node {
	if v.last {
		return v.node
	}
	return TransposeAllDims(b.plain(v), 0, 2, 3, 1)
}

// constant makes a node of what is known: a slice of the weights, or a constant.
func (b *building) constant(v *operand) *Node {
	t, dims := v.host, ints(v.host.Dims)
	if at, ok := b.offset[v.weight]; ok {
		return Reshape(Slice(b.slab, AxisRange(at, at+t.Size())), dims...)
	}
	var flat any = t.Floats
	switch {
	case t.Type == onnx.Bool:
		bools := make([]bool, len(t.Ints))
		for i, x := range t.Ints {
			bools[i] = x != 0
		}
		flat = bools
	case t.Type == onnx.Int64:
		flat = t.Ints
	case len(t.Floats) == 0:
		small := make([]int32, len(t.Ints))
		for i, x := range t.Ints {
			small[i] = int32(x)
		}
		flat = small
	}
	return Reshape(Const(b.graph, flat), dims...)
}

// dims returns the shape of a value, as in the file.
func (b *building) dims(v *operand) []int {
	if v.node == nil {
		return ints(v.host.Dims)
	}
	d := v.node.Shape().Dimensions
	if v.last {
		return []int{d[0], d[3], d[1], d[2]}
	}
	return slices.Clone(d)
}

func ints[T int64 | int32](x []T) []int {
	out := make([]int, len(x))
	for i, v := range x {
		out[i] = int(v)
	}
	return out
}

// dtypeOf returns the type of the engine.
func dtypeOf(t onnx.DataType) (dtypes.DType, error) {
	switch t {
	case onnx.Float, onnx.Double, onnx.Float16, onnx.BFloat16:
		return dtypes.Float32, nil
	case onnx.Int64:
		return dtypes.Int64, nil
	case onnx.Int32, onnx.Int16, onnx.Int8, onnx.Uint16, onnx.Uint8:
		return dtypes.Int32, nil
	case onnx.Bool:
		return dtypes.Bool, nil
	}
	return dtypes.InvalidDType, fmt.Errorf("numbers of %v are not known", t)
}

// InputShape returns the shape of an input for a batch of n, and reports whether the
// file leaves the size of the batch open.
func InputShape(v onnx.Value, n int) (s shapes.Shape, open bool, err error) {
	typ, err := dtypeOf(v.Type)
	if err != nil {
		return s, false, fmt.Errorf("exchange: input %v: %w", v, err)
	}
	var dims []int
	for i, d := range v.Dims {
		switch {
		case d.Param == "":
			dims = append(dims, int(d.Size))
		case i == 0:
			dims, open = append(dims, n), true
		default:
			return s, false, fmt.Errorf(
				"exchange: input %v: only its first axis may be open; write the file with fixed sizes",
				v)
		}
	}
	if err := fits(dims...); err != nil {
		return s, false, fmt.Errorf("exchange: input %v: %w", v, err)
	}
	return shapes.Make(typ, dims...), open, nil
}
