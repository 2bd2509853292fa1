package native

import "slices"

// What is cut and put together again need not be moved: gradients of the parts of a tensor become one tensor.

// sideBySide returns the sum of two tensors in frames of zeros, if they are neighbours along one axis: a tensor that
// has both, in what is left of the frames; else nil.
func (g *graph) sideBySide(a, b *tensor) *tensor {
	if a.value != 0 || b.value != 0 {
		return nil
	}
	axis := -1
	for i, d := range a.dims {
		if a.in[0].dims[i] == d && b.in[0].dims[i] == d {
			continue
		}
		if axis >= 0 {
			return nil
		}
		axis = i
	}
	if axis < 0 {
		return nil
	}
	if a.pads[axis] > b.pads[axis] {
		a, b = b, a
	}
	x, y, begin := a.in[0], b.in[0], a.pads[axis]
	if begin+x.dims[axis] != b.pads[axis] {
		return nil
	}
	t := g.concatenated(axis, []*tensor{x, y})
	if t.dims[axis] == a.dims[axis] {
		return t
	}
	return g.add(&tensor{kind: kindPad, in: []*tensor{t}, dims: a.dims, pads: a.pads, typ: t.typ})
}

// together returns xs side by side if they are neighbouring parts of one tensor; else nil.
func (g *graph) together(axis int, xs []*tensor) *tensor {
	base, begin, strides, ok := viewOf(xs[0])
	if !ok {
		return nil
	}
	dims, at, step := slices.Clone(xs[0].dims), begin, 0
	if dims[axis] > 1 {
		step = strides[axis]
	}
	for k, x := range xs[1:] {
		from, offset, s, ok := viewOf(x)
		if !ok || from != base {
			return nil
		}
		before := xs[k].dims[axis]
		if step == 0 {
			step = (offset - at) / before
		}
		if offset != at+step*before || x.dims[axis] > 1 && s[axis] != step {
			return nil
		}
		for i := range s {
			if i != axis && s[i] != strides[i] {
				return nil
			}
		}
		at = offset
		dims[axis] += x.dims[axis]
	}
	strides = slices.Clone(strides)
	strides[axis] = step
	return g.moved(base, dims, begin, strides)
}
