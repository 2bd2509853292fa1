package native

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute/dtypes"

	"flowmatch/engine/native/kernel"
)

// graph is a program under construction. Its methods make tensors: equal ones
// are made once, and what needs no arithmetic is not done.
type graph struct {
	backend *Backend
	tensors []*tensor // inputs before users
	params  []*tensor
	outputs []*tensor
	known   map[string]*tensor
	made    int // tensors so far
}

func newGraph(b *Backend) *graph { return &graph{backend: b, known: map[string]*tensor{}} }

// add returns t, or the equal tensor made before.
func (g *graph) add(t *tensor) *tensor {
	if t.typ == 0 {
		t.typ = dtypes.Float32
	}
	t.bool, t.half = t.typ == dtypes.Bool, t.isHalf()
	key := ""
	if t.kind != kindParam && t.kind != kindShadow && t.kind != kindOut &&
		(t.kind != kindConst || t.data == nil && t.buf == nil) {
		ids := make([]int, len(t.in))
		for i, u := range t.in {
			ids[i] = u.id
		}
		key = fmt.Sprint(t.kind, t.op, t.axis, t.value, t.typ, t.dims, ids, t.move, t.pads, t.dot, t.conv, t.attend)
		if t.value != t.value {
			key = "" // NaN prints alike whatever its bits
		}
		if u, ok := g.known[key]; ok && key != "" {
			return u
		}
	}
	g.name(t)
	g.tensors = append(g.tensors, t)
	if key != "" {
		g.known[key] = t
	}
	return t
}

// name gives a tensor a number that no other has or will have: known tensors are
// found by the numbers of their inputs, also after some have been dropped.
func (g *graph) name(t *tensor) {
	g.made++
	t.id = g.made
}

// constant returns a scalar.
func (g *graph) constant(v float32) *tensor { return g.add(&tensor{kind: kindConst, value: v}) }

// splat returns a tensor that is x everywhere; x has one element.
func (g *graph) splat(x *tensor, dims []int) *tensor {
	return g.moved(x, dims, 0, make([]int, len(dims)))
}

func (g *graph) unary(op kernel.UnaryOp, x *tensor) *tensor {
	typ := dtypes.Float32
	if op == kernel.IsFinite || op == kernel.IsNaN || op == kernel.Not {
		typ = dtypes.Bool
	}
	if v, ok := x.scalar(); ok && typ == dtypes.Float32 {
		var out float32
		g.backend.vec.Unary[op](1, &out, &v)
		return g.splat(g.constant(out), x.dims)
	}
	return g.add(&tensor{kind: kindUnary, op: int(op), in: []*tensor{x}, dims: x.dims, typ: typ})
}

// broadcast gives x the shape dims, by the rule that an axis of length 1 repeats.
func (g *graph) broadcast(x *tensor, dims []int) *tensor {
	if slices.Equal(x.dims, dims) {
		return x
	}
	if x.size() == 1 && len(x.dims) == 0 {
		return g.splat(x, dims)
	}
	strides := contiguous(x.dims)
	for i, d := range x.dims {
		if d == 1 && dims[i] != 1 {
			strides[i] = 0
		}
	}
	if x.bool && x.size() > 1 { // no instruction moves bytes; 0 and 1 are as good
		x = g.unary(kernel.Copy, x)
	}
	return g.moved(x, dims, 0, strides)
}

// comparison says whether a binary operation gives truth values.
func comparison(op kernel.BinaryOp) bool {
	switch op {
	case kernel.Eq, kernel.Ne, kernel.Lt, kernel.Le, kernel.Gt, kernel.Ge, kernel.And, kernel.Or, kernel.Xor:
		return true
	}
	return false
}

func (g *graph) binary(op kernel.BinaryOp, a, b *tensor, dims []int) *tensor {
	a, b = g.broadcast(a, dims), g.broadcast(b, dims)
	typ := dtypes.Float32
	if comparison(op) {
		typ = dtypes.Bool
	}
	va, ca := a.scalar()
	vb, cb := b.scalar()
	switch {
	case ca && cb && typ == dtypes.Float32:
		var out float32
		g.backend.vec.Binary[op](1, &out, &va, &vb)
		return g.splat(g.constant(out), dims)
	case op == kernel.Mul && ca && va == 1, op == kernel.Add && ca && va == 0:
		return b
	case (op == kernel.Mul || op == kernel.Div) && cb && vb == 1,
		(op == kernel.Add || op == kernel.Sub) && cb && vb == 0:
		return a
	case op == kernel.Mul && a == b:
		return g.unary(kernel.Square, a)
	case op == kernel.Add && b.kind == kindUnary && b.op == int(kernel.Neg):
		return g.binary(kernel.Sub, a, b.in[0], dims)
	case op == kernel.Add && a.kind == kindPad && b.kind == kindPad:
		if t := g.sideBySide(a, b); t != nil {
			return t
		}
	case (op == kernel.Mul || op == kernel.Add) && ca:
		a, b = b, a // constants stand on the right
	}
	return g.add(&tensor{kind: kindBinary, op: int(op), in: []*tensor{a, b}, dims: dims, typ: typ})
}

func (g *graph) selected(cond, a, b *tensor, dims []int) *tensor {
	in := []*tensor{g.broadcast(cond, dims), g.broadcast(a, dims), g.broadcast(b, dims)}
	return g.add(&tensor{kind: kindSelect, in: in, dims: dims, typ: a.typ})
}

func (g *graph) reshaped(x *tensor, dims []int) *tensor {
	if slices.Equal(x.dims, dims) {
		return x
	}
	if x.kind == kindReshape {
		return g.reshaped(x.in[0], dims)
	}
	if x.kind == kindMove && x.isSplat() {
		return g.moved(x.in[0], dims, x.move.offset, make([]int, len(dims)))
	}
	return g.add(&tensor{kind: kindReshape, in: []*tensor{x}, dims: dims, typ: x.typ})
}

// moved reads x by strides; reading it all in order is a change of shape.
func (g *graph) moved(x *tensor, dims []int, offset int, strides []int) *tensor {
	strides = slices.Clone(strides)
	n := 1
	dense := true
	for i := len(dims) - 1; i >= 0; i-- {
		if dims[i] == 1 {
			strides[i] = 0
			continue
		}
		dense = dense && strides[i] == n
		n *= dims[i]
	}
	if dense && offset == 0 && n == x.size() {
		return g.reshaped(x, dims)
	}
	flat := x
	for flat.kind == kindReshape {
		flat = flat.in[0] // the order of the numbers is all that counts
	}
	if flat.kind == kindMove && flat.isSplat() {
		return g.moved(flat.in[0], dims, flat.move.offset, make([]int, len(dims)))
	}
	if flat.kind == kindMove && flat.isView() {
		return g.moved(flat.in[0], dims, offset+flat.move.offset, strides)
	}
	return g.add(&tensor{kind: kindMove, in: []*tensor{x}, dims: dims, move: move{offset, strides}, typ: x.typ})
}

// isView says whether a kindMove reads a dense stretch of its input.
func (t *tensor) isView() bool {
	n := 1
	for i := len(t.dims) - 1; i >= 0; i-- {
		if t.dims[i] == 1 {
			continue
		}
		if t.move.strides[i] != n {
			return false
		}
		n *= t.dims[i]
	}
	return true
}

func (g *graph) transposed(x *tensor, perm []int) *tensor {
	s := contiguous(x.dims)
	dims, strides := make([]int, len(perm)), make([]int, len(perm))
	for i, p := range perm {
		dims[i], strides[i] = x.dims[p], s[p]
	}
	return g.moved(x, dims, 0, strides)
}

// reduced reduces x over axes, one stretch of neighbouring axes after the other,
// the last first; the leading axis, which regions loop over, is a stretch of its own.
func (g *graph) reduced(op reduceOp, x *tensor, axes []int) *tensor {
	rest := []int{}
	over := map[int]bool{}
	for _, a := range axes {
		over[a] = true
	}
	for i, d := range x.dims {
		if !over[i] {
			rest = append(rest, d)
		}
	}
	for i := len(x.dims) - 1; i >= 0; i-- {
		if !over[i] {
			continue
		}
		first := i
		for first-1 > 0 && over[first-1] {
			first--
		}
		dims := slices.Concat(x.dims[:first], []int{size(x.dims[first : i+1])}, x.dims[i+1:])
		x = g.reduced1(op, g.reshaped(x, dims), first)
		i = first
	}
	return g.reshaped(x, rest)
}

func (g *graph) reduced1(op reduceOp, x *tensor, axis int) *tensor {
	dims := slices.Delete(slices.Clone(x.dims), axis, axis+1)
	if x.dims[axis] == 1 {
		return g.reshaped(x, dims)
	}
	if v, ok := x.scalar(); ok && op == reduceSum {
		return g.splat(g.constant(v*float32(x.dims[axis])), dims)
	}
	return g.add(&tensor{kind: kindReduce, op: int(op), axis: axis, in: []*tensor{x}, dims: dims})
}

// after returns x for what is to wait until others are made. It is the same memory,
// but to the compiler another tensor, so that what is computed of it is computed again.
func (g *graph) after(x *tensor, others []*tensor) *tensor {
	return g.add(&tensor{kind: kindAfter, in: append([]*tensor{x}, others...), dims: x.dims, typ: x.typ})
}

func (g *graph) concatenated(axis int, xs []*tensor) *tensor {
	if len(xs) == 1 {
		return xs[0]
	}
	if t := g.together(axis, xs); t != nil {
		return t
	}
	dims := slices.Clone(xs[0].dims)
	dims[axis] = 0
	for _, x := range xs {
		dims[axis] += x.dims[axis]
	}
	return g.add(&tensor{kind: kindConcat, axis: axis, in: xs, dims: dims, typ: xs[0].typ})
}
