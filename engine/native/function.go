package native

import (
	"errors"
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

//go:generate go run ./gen

// builder records a computation. The shadow is the same computation in GoMLX's
// own Go backend: it checks arguments, infers shapes, and is what an operation
// falls back to.
type builder struct {
	backend *Backend
	name    string
	shadow  compute.Builder
	main    *function
	whole   string // why all of the computation must run on the shadow; empty: it need not
}

// function is a recorded function: the nodes in the order of their creation.
type function struct {
	b       *builder
	name    string
	parent  *function
	shadow  compute.Function
	nodes   []*node
	params  []*value
	outputs []*value
}

// node is one recorded operation.
type node struct {
	op    string // the name of the method of compute.Function
	in    []*value
	outs  []*value
	attrs []any
	apply applyFunc
	fn    *function
}

// applyFunc repeats an operation in another function on other values.
type applyFunc func(g compute.Function, v []compute.Value) ([]compute.Value, error)

// value is one result of a node: what callers hold as compute.Value.
type value struct {
	node   *node
	shape  shapes.Shape
	shadow compute.Value
}

var (
	_ compute.Builder  = (*builder)(nil)
	_ compute.Function = (*function)(nil)
)

// errForeign is returned for values of other functions or backends.
var errForeign = errors.New("native: value does not belong to this computation")

func (b *builder) Name() string           { return b.name }
func (b *builder) Main() compute.Function { return b.main }

func (b *builder) NewFunction(name string) (compute.Function, error) {
	shadow, err := b.shadow.NewFunction(name)
	if err != nil {
		return nil, err
	}
	return &function{b: b, name: name, shadow: shadow}, nil
}

func (b *builder) OpShape(op compute.Value) (shapes.Shape, error) {
	v, ok := op.(*value)
	if !ok || v.node.fn.b != b {
		return shapes.Invalid(), errForeign
	}
	return v.shape, nil
}

func (b *builder) DistributedSPMD(numDevices int) error { return b.shadow.DistributedSPMD(numDevices) }

func (b *builder) DistributedAutoSharding(meshes ...compute.Mesh) error {
	return b.shadow.DistributedAutoSharding(meshes...)
}

func (b *builder) DeviceAssignment(devices ...compute.DeviceNum) error {
	return b.shadow.DeviceAssignment(devices...)
}

func (f *function) Name() string             { return f.name }
func (f *function) Builder() compute.Builder { return f.b }

func (f *function) Parent() compute.Function {
	if f.parent == nil {
		return nil
	}
	return f.parent
}

func (f *function) Closure() (compute.Function, error) {
	shadow, err := f.shadow.Closure()
	if err != nil {
		return nil, err
	}
	return &function{b: f.b, parent: f, shadow: shadow}, nil
}

func (f *function) Shape(v compute.Value) (shapes.Shape, error) { return f.b.OpShape(v) }

func (f *function) Parameter(name string, shape shapes.Shape, sharding *compute.ShardingSpec) (compute.Value, error) {
	v, err := unpack1(f.record("Parameter", nil, func(g compute.Function, _ []compute.Value) ([]compute.Value, error) {
		return pack1(g.Parameter(name, shape, sharding))
	}, name))
	if err != nil {
		return nil, err
	}
	if shape.IsDynamic() {
		f.b.whole = "it has dynamic shapes"
	}
	f.params = append(f.params, v.(*value))
	return v, nil
}

func (f *function) Constant(flat any, dims ...int) (compute.Value, error) {
	return unpack1(f.record("Constant", nil, func(g compute.Function, _ []compute.Value) ([]compute.Value, error) {
		return pack1(g.Constant(flat, dims...))
	}, flat))
}

func (f *function) Return(outputs []compute.Value, shardings []*compute.ShardingSpec) error {
	in, shadow, err := f.values(outputs)
	if err != nil {
		return err
	}
	if err := f.shadow.Return(shadow, shardings); err != nil {
		return err
	}
	f.outputs = in
	return nil
}

// values returns our values and their shadows. A nil stays nil.
func (f *function) values(in []compute.Value) ([]*value, []compute.Value, error) {
	ours, shadow := make([]*value, len(in)), make([]compute.Value, len(in))
	for i, v := range in {
		if v == nil {
			continue
		}
		o, ok := v.(*value)
		if !ok || o.node.fn.b != f.b {
			return nil, nil, fmt.Errorf("%w: argument %d", errForeign, i)
		}
		ours[i], shadow[i] = o, o.shadow
	}
	return ours, shadow, nil
}

// record adds an operation.
func (f *function) record(op string, in []compute.Value, apply applyFunc, attrs ...any) ([]compute.Value, error) {
	ours, shadow, err := f.values(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	outs, err := apply(f.shadow, shadow)
	if err != nil {
		return nil, err
	}
	n := &node{op: op, in: ours, attrs: attrs, apply: apply, fn: f}
	res := make([]compute.Value, len(outs))
	for i, s := range outs {
		shape, err := f.shadow.Shape(s)
		if err != nil {
			return nil, err
		}
		v := &value{node: n, shape: shape, shadow: s}
		n.outs = append(n.outs, v)
		res[i] = v
	}
	f.nodes = append(f.nodes, n)
	return res, nil
}

func pack1(a compute.Value, err error) ([]compute.Value, error) { return []compute.Value{a}, err }

func pack2(a, b compute.Value, err error) ([]compute.Value, error) {
	return []compute.Value{a, b}, err
}

func pack3(a, b, c compute.Value, err error) ([]compute.Value, error) {
	return []compute.Value{a, b, c}, err
}

func unpack1(v []compute.Value, err error) (compute.Value, error) {
	if err != nil {
		return nil, err
	}
	return v[0], nil
}

func unpack2(v []compute.Value, err error) (a, b compute.Value, _ error) {
	if err != nil {
		return nil, nil, err
	}
	return v[0], v[1], nil
}

func unpack3(v []compute.Value, err error) (a, b, c compute.Value, _ error) {
	if err != nil {
		return nil, nil, nil, err
	}
	return v[0], v[1], v[2], nil
}
