package exchange

import (
	"fmt"
	"slices"

	"flowmatch/engine/onnx"
)

// dim is the length of an axis: n, or n for each point of the batch.
type dim struct {
	n     int
	batch bool
}

// one is an axis that is broadcast.
var one = dim{n: 1}

// value is a value of the recording, and the tensor of the file that it is. The
// tensor has the same axes, but an axis that is as long as dims says may be 1 long
// there: ONNX broadcasts by itself, so nothing is expanded before it must be.
type value struct {
	name string
	dims []dim
	lie  []dim // of the tensor
	typ  onnx.DataType
	slab bool // all weights; there is no such tensor
	// weight, if set, is the part of the slab that the value is, flat.
	weight *Weight
	// from and perm, if set, say that the value is from, transposed.
	from *value
	perm []int
}

// broadcast reports whether axis i is shorter in the tensor than it should be.
func (v *value) broadcast(i int) bool { return v.lie[i] != v.dims[i] }

// reshape makes the tensor of v one of the shape given; dims is what it stands for.
func (w *writer) reshape(v *value, lie, dims []dim) (*value, error) {
	out := &value{name: v.name, dims: dims, lie: lie, typ: v.typ}
	if slices.Equal(v.lie, lie) {
		return out, nil
	}
	target, follow := make([]int64, len(lie)), 0
	for i, d := range lie {
		target[i] = int64(d.n)
		if d.batch {
			target[i], follow = -1, follow+1
		}
	}
	if follow > 1 {
		return nil, fmt.Errorf("%d axes of its result follow the batch; one may", follow)
	}
	out.name = w.emit("Reshape", nil, v.name, w.ints(target...))
	return out, nil
}

// expand makes the tensor of v have the shape given, where it is broadcast.
func (w *writer) expand(v *value, lie []dim) *value {
	if slices.Equal(v.lie, lie) {
		return v
	}
	// Expand broadcasts both ways: where the tensor is long enough, 1 will do.
	var parts []string
	fixed := []int64{}
	flush := func() {
		if len(fixed) > 0 {
			parts, fixed = append(parts, w.ints(fixed...)), []int64{}
		}
	}
	for i, d := range lie {
		switch {
		case v.lie[i] == d:
			fixed = append(fixed, 1)
		case !d.batch:
			fixed = append(fixed, int64(d.n))
		default:
			flush()
			parts = append(parts, w.batch(d.n))
		}
	}
	flush()
	shape := parts[0]
	if len(parts) > 1 {
		shape = w.emit("Concat", map[string]any{"axis": int64(0)}, parts...)
	}
	return &value{name: w.emit("Expand", nil, v.name, shape), dims: v.dims, lie: lie, typ: v.typ}
}

// batch returns a tensor that holds [k·N].
func (w *writer) batch(k int) string {
	if s, ok := w.batchOf[k]; ok {
		return s
	}
	var s string
	if k == 1 {
		s = w.emit("Shape", map[string]any{"start": int64(0), "end": int64(1)}, w.graph.Inputs[0].Name)
	} else {
		s = w.emit("Mul", nil, w.batch(1), w.ints(int64(k)))
	}
	w.batchOf[k] = s
	return s
}

// full returns v as a tensor of all its dims.
func (w *writer) full(v *value) (*value, error) {
	v, err := w.flat(v)
	if err != nil {
		return nil, err
	}
	return w.expand(v, v.dims), nil
}

// along returns v with the axes given not broadcast.
func (w *writer) along(v *value, axes []int) *value {
	lie := slices.Clone(v.lie)
	for _, a := range axes {
		lie[a] = v.dims[a]
	}
	return w.expand(v, lie)
}

// flat returns v, of a weight its initializer made flat.
func (w *writer) flat(v *value) (*value, error) {
	switch {
	case v.slab:
		return nil, fmt.Errorf("it takes all weights at once; only slices of them are tensors of a file")
	case v.weight != nil:
		return w.reshape(w.initializer(v.weight), v.dims, v.dims)
	}
	return v, nil
}

// initializer returns the tensor of a weight, of its own shape.
func (w *writer) initializer(t *Weight) *value {
	dims, size := make([]dim, len(t.Shape)), 1
	shape := make([]int64, len(t.Shape))
	for i, n := range t.Shape {
		dims[i], shape[i], size = dim{n: n}, int64(n), size*n
	}
	if !w.weights[t.Name] {
		w.weights[t.Name] = true
		w.graph.Initializers = append(w.graph.Initializers, onnx.Tensor{
			Name: t.Name, Type: onnx.Float, Dims: shape, Floats: w.program.Theta[t.Offset : t.Offset+size],
		})
	}
	return &value{name: t.Name, dims: dims, lie: dims, typ: onnx.Float}
}

// reshaped translates Reshape.
func (w *writer) reshaped(v *value, dims []dim) (*value, error) {
	if v.weight != nil {
		if t := w.initializer(v.weight); slices.Equal(t.dims, dims) {
			return t, nil
		}
	}
	v, err := w.flat(v)
	if err != nil {
		return nil, err
	}
	if lie, ok := inserted(v, dims); ok {
		return w.reshape(v, lie, dims)
	}
	return w.reshape(w.expand(v, v.dims), dims, dims)
}

// inserted returns what the tensor of v is where dims only has other axes of
// length 1, which leaves broadcast axes broadcast.
func inserted(v *value, dims []dim) (lie []dim, ok bool) {
	k := 0
	skip := func() {
		for k < len(v.dims) && v.dims[k] == one {
			k++
		}
	}
	for _, d := range dims {
		if d == one {
			lie = append(lie, one)
			continue
		}
		if skip(); k == len(v.dims) || v.dims[k] != d {
			return nil, false
		}
		lie, k = append(lie, v.lie[k]), k+1
	}
	skip()
	return lie, k == len(v.dims)
}

// transpose gives axis perm[i] the place i.
func (w *writer) transpose(v *value, perm []int) *value {
	if v.from != nil { // one transposition in place of two
		whole := make([]int, len(perm))
		for i, p := range perm {
			whole[i] = v.perm[p]
		}
		v, perm = v.from, whole
	}
	if slices.IsSorted(perm) {
		return v
	}
	out := &value{typ: v.typ, from: v, perm: perm}
	attr := make([]int64, len(perm))
	for i, p := range perm {
		attr[i] = int64(p)
		out.dims, out.lie = append(out.dims, v.dims[p]), append(out.lie, v.lie[p])
	}
	out.name = w.emit("Transpose", map[string]any{"perm": attr}, v.name)
	return out
}
