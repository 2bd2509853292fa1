package exchange

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"

	"flowmatch/engine/native"
	"flowmatch/engine/onnx"
)

// The versions that files are written in: ONNX 1.13 (December 2022) and later, and
// onnxruntime 1.14 and later, read them.
const (
	fileIR    = 8
	fileOpset = 18
)

// Batch is the name of the axis of a file that follows the batch.
const Batch = "N"

// Weight is a named part of the slab of weights.
type Weight struct {
	Name   string
	Shape  []int
	Offset int
}

// Port is an input or an output of a file.
type Port struct {
	Name string
	// Shape, if not nil, is the shape of a point as the file shows it; the
	// computation has the points flat, [N, D].
	Shape []int
	// Wide makes an input of int32 one of int64, as PyTorch's indices are.
	Wide bool
}

// Program is a computation whose first parameter is the slab of weights, of which it
// takes slices, and whose others begin with the axis of the batch.
type Program struct {
	Name string
	// Record records the computation for a batch of n points.
	Record  func(n int) (*native.Recording, error)
	Theta   []float32 // the slab
	Weights []Weight
	Inputs  []Port // of the parameters after the slab
	Outputs []Port
}

// The sizes that a computation is recorded for. Any two would do.
const (
	batchA = 2
	batchB = 3
)

// Model translates the computation: weights become initializers by their names, and
// the first axis of inputs and outputs is [Batch]. An operation that has no
// counterpart, or no batch of any size, is an error that names it.
func (p Program) Model() (*onnx.Model, error) {
	a, err := p.Record(batchA)
	if err != nil {
		return nil, err
	}
	b, err := p.Record(batchB)
	if err != nil {
		return nil, err
	}
	if len(a.Ops) != len(b.Ops) {
		return nil, fmt.Errorf("exchange: %s is a computation of %d operations for %d points and of %d for %d; "+
			"a file must be the same for all", p.Name, len(a.Ops), batchA, len(b.Ops), batchB)
	}
	w := &writer{program: p, values: map[int]*value{}, weights: map[string]bool{}, batchOf: map[int]string{}}
	w.graph.Name = p.Name
	used := needed(a)
	for i := range a.Ops {
		op := operation{Op: a.Ops[i], other: b.Ops[i], number: i}
		if op.Name != op.other.Name {
			return nil, fmt.Errorf("exchange: operation %d of %s is %s for %d points and %s for %d",
				i, p.Name, op.Name, batchA, op.other.Name, batchB)
		}
		if op.Name != "Parameter" && !used[i] {
			continue
		}
		if err := w.operation(op); err != nil {
			return nil, fmt.Errorf("exchange: operation %d of %s, %s: %w", i, p.Name, op.Name, err)
		}
	}
	for k, v := range a.Results {
		if err := w.output(p.Outputs[k], w.values[v]); err != nil {
			return nil, fmt.Errorf("exchange: result %s of %s: %w", p.Outputs[k].Name, p.Name, err)
		}
	}
	return &onnx.Model{IR: fileIR, Opset: fileOpset, Metadata: map[string]string{}, Graph: w.graph}, nil
}

// needed returns which operations the results depend on. (Some are recorded for
// derivatives only.)
func needed(rec *native.Recording) []bool {
	want := map[int]bool{}
	for _, v := range rec.Results {
		want[v] = true
	}
	used := make([]bool, len(rec.Ops))
	for i := len(rec.Ops) - 1; i >= 0; i-- {
		for _, v := range rec.Ops[i].Out {
			used[i] = used[i] || want[v]
		}
		if used[i] {
			for _, v := range rec.Ops[i].In {
				want[v] = true
			}
		}
	}
	return used
}

// operation is a recorded operation, at both sizes.
type operation struct {
	native.Op
	other  native.Op
	number int
}

// dims are the lengths of the axes of result k.
func (o operation) dims(k int) ([]dim, error) {
	a, b := o.Shapes[k].Dimensions, o.other.Shapes[k].Dimensions
	if len(a) != len(b) {
		return nil, fmt.Errorf("results of shape %v and %v", a, b)
	}
	out := make([]dim, len(a))
	for i := range a {
		switch {
		case a[i] == b[i]:
			out[i] = dim{n: a[i]}
		case a[i]*batchB == b[i]*batchA:
			out[i] = dim{n: a[i] / batchA, batch: true}
		default:
			return nil, fmt.Errorf(
				"axis %d is %d long for %d points and %d for %d; it must be fixed, or follow the batch",
				i, a[i], batchA, b[i], batchB)
		}
	}
	return out, nil
}

// writer is a translation in progress.
type writer struct {
	program Program
	graph   onnx.Graph
	values  map[int]*value // by the number of the recording
	params  int            // seen
	weights map[string]bool
	batchOf map[int]string // tensors that hold [k·N], by k
	count   int            // of names
}

// name returns a new name.
func (w *writer) name(what string) string {
	w.count++
	return fmt.Sprintf("%s_%d", what, w.count)
}

// emit adds a node of one result and returns its name.
func (w *writer) emit(op string, attrs map[string]any, in ...string) string {
	out := w.name(op)
	w.graph.Nodes = append(w.graph.Nodes,
		onnx.Node{Name: "node_" + out, Op: op, In: in, Out: []string{out}, Attrs: attrs})
	return out
}

// ints adds an initializer of whole numbers, a vector.
func (w *writer) ints(v ...int64) string {
	t := onnx.Tensor{Name: w.name("ints"), Type: onnx.Int64, Dims: []int64{int64(len(v))}, Ints: v}
	w.graph.Initializers = append(w.graph.Initializers, t)
	return t.Name
}

// parameter adds an input.
func (w *writer) parameter(op operation, dims []dim) (*value, error) {
	w.params++
	if w.params == 1 {
		return &value{dims: dims, slab: true}, nil
	}
	if w.params-2 >= len(w.program.Inputs) {
		return nil, fmt.Errorf("parameter %d has no name", w.params-1)
	}
	port := w.program.Inputs[w.params-2]
	if len(dims) == 0 || !dims[0].batch {
		return nil, fmt.Errorf("parameter %s of shape %v does not begin with the batch", port.Name, op.Shapes[0])
	}
	typ, err := typeOf(op.Shapes[0].DType)
	if err != nil {
		return nil, err
	}
	v := &value{name: port.Name, dims: dims, lie: dims, typ: typ}
	shown := onnx.Value{Name: port.Name, Type: typ, Dims: onnxDims(dims)}
	switch {
	case port.Wide:
		shown.Type = onnx.Int64
		v.name = w.emit("Cast", map[string]any{"to": int64(typ)}, port.Name)
	case port.Shape != nil && !isFlat(port.Shape):
		shown.Dims = pointDims(port.Shape)
		v.name = w.emit("Reshape", nil, port.Name, w.ints(-1, int64(dims[1].n)))
	}
	w.graph.Inputs = append(w.graph.Inputs, shown)
	return v, nil
}

// output makes a value a result of the file.
func (w *writer) output(port Port, v *value) error {
	v, err := w.full(v)
	if err != nil {
		return err
	}
	shown := onnx.Value{Name: port.Name, Type: v.typ, Dims: onnxDims(v.dims)}
	last := onnx.Node{Name: "node_" + port.Name, Op: "Identity", In: []string{v.name}, Out: []string{port.Name}}
	if port.Shape != nil && !isFlat(port.Shape) {
		shown.Dims = pointDims(port.Shape)
		target := []int64{-1}
		for _, n := range port.Shape {
			target = append(target, int64(n))
		}
		last.Op, last.In = "Reshape", []string{v.name, w.ints(target...)}
	}
	w.graph.Nodes = append(w.graph.Nodes, last)
	w.graph.Outputs = append(w.graph.Outputs, shown)
	return nil
}

func isFlat(shape []int) bool { return len(shape) == 1 }

func onnxDims(dims []dim) []onnx.Dim {
	out := make([]onnx.Dim, len(dims))
	for i, d := range dims {
		out[i] = onnx.Dim{Size: int64(d.n)}
		if d.batch {
			out[i] = onnx.Dim{Param: Batch}
		}
	}
	return out
}

func pointDims(shape []int) []onnx.Dim {
	out := []onnx.Dim{{Param: Batch}}
	for _, n := range shape {
		out = append(out, onnx.Dim{Size: int64(n)})
	}
	return out
}

// typeOf returns the type of ONNX.
func typeOf(t dtypes.DType) (onnx.DataType, error) {
	switch t {
	case dtypes.Float32:
		return onnx.Float, nil
	case dtypes.Int32:
		return onnx.Int32, nil
	case dtypes.Int64:
		return onnx.Int64, nil
	case dtypes.Bool:
		return onnx.Bool, nil
	}
	return 0, fmt.Errorf("numbers of type %s are not written; float32, int32, int64 and bool are", t)
}
