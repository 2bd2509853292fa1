package exchange

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute"

	"flowmatch/engine/onnx"
)

// sliced translates Slice; a slice of the slab is a weight.
func (w *writer) sliced(op operation, v *value, dims []dim) (*value, error) {
	starts, limits := op.Attrs[0].([]int), op.Attrs[1].([]int)
	strides, _ := op.Attrs[2].([]int)
	if v.slab {
		for i := range w.program.Weights {
			if t := &w.program.Weights[i]; t.Offset == starts[0] && t.size() == limits[0]-starts[0] {
				return &value{dims: dims, lie: dims, typ: onnx.Float, weight: t}, nil
			}
		}
		return nil, fmt.Errorf("weights %d to %d are no tensor by name", starts[0], limits[0])
	}
	v, err := w.flat(v)
	if err != nil {
		return nil, err
	}
	lie := slices.Clone(v.lie)
	var from, to, axes, steps []int64
	for i, d := range v.dims {
		step := 1
		if len(strides) > 0 {
			step = strides[i]
		}
		switch whole := starts[i] == 0 && dims[i] == d; {
		case whole:
		case d.batch:
			return nil, fmt.Errorf("it takes a part of the batch")
		case v.broadcast(i): // a part of what is the same everywhere
		default:
			lie[i] = dims[i]
			from, to = append(from, int64(starts[i])), append(to, int64(limits[i]))
			axes, steps = append(axes, int64(i)), append(steps, int64(step))
		}
	}
	out := &value{name: v.name, dims: dims, lie: lie, typ: v.typ}
	if len(axes) > 0 {
		out.name = w.emit("Slice", nil, v.name, w.ints(from...), w.ints(to...), w.ints(axes...), w.ints(steps...))
	}
	return out, nil
}

func (t *Weight) size() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// concatenated translates Concatenate. Where all parts are broadcast, the whole is.
func (w *writer) concatenated(axis int, in []*value, dims []dim) *value {
	lie := slices.Repeat([]dim{one}, len(dims))
	for _, v := range in {
		for i, d := range v.lie {
			if d != one {
				lie[i] = dims[i]
			}
		}
	}
	names := make([]string, len(in))
	for k, v := range in {
		part := slices.Clone(lie)
		part[axis] = v.dims[axis]
		names[k] = w.expand(v, part).name
	}
	lie[axis] = dims[axis]
	return &value{name: w.emit("Concat", map[string]any{"axis": int64(axis)}, names...), dims: dims, lie: lie,
		typ: in[0].typ}
}

// padded translates Pad with a constant.
func (w *writer) padded(v, fill *value, dims []dim, pads []compute.PadAxis) (*value, error) {
	v = w.expand(v, v.dims)
	before, after := make([]int64, len(dims)), make([]int64, len(dims))
	for i, p := range pads {
		if p.Interior != 0 || (p.Start != 0 || p.End != 0) && dims[i].batch {
			return nil, fmt.Errorf("it pads between elements, or the batch")
		}
		before[i], after[i] = int64(p.Start), int64(p.End)
	}
	return &value{name: w.emit("Pad", nil, v.name, w.ints(slices.Concat(before, after)...), fill.name), dims: dims,
		lie: dims, typ: v.typ}, nil
}

// product translates a product of tensors. The axes of the result are those of the
// batch b, those of x that are left, and those of y that are left. Where either has
// one such axis and one to sum over it is a product of matrices; else an Einsum.
func (w *writer) product(x *value, sumX, batchX []int, y *value, sumY, batchY []int, dims []dim) (*value, error) {
	sumX, batchX, sumY, batchY = positive(sumX, x), positive(batchX, x), positive(sumY, y), positive(batchY, y)
	x, y = w.expand(x, x.dims), w.expand(y, y.dims)
	freeX, freeY := rest(x, sumX, batchX), rest(y, sumY, batchY)
	for _, a := range sumX {
		if x.dims[a].batch {
			return nil, fmt.Errorf("it sums over the axis of the batch")
		}
	}
	out := &value{dims: dims, lie: dims}
	matrices := len(sumX) == 1 && len(freeY) == 1 && (len(freeX) == 1 || len(batchX) == 0 && len(freeX) > 0)
	if matrices {
		a := w.transpose(x, slices.Concat(batchX, freeX, sumX))
		b := w.transpose(y, slices.Concat(batchY, sumY, freeY))
		out.name = w.emit("MatMul", nil, a.name, b.name)
		return out, nil
	}
	letter := func(i int) byte { return byte('a' + i) }
	sx, sy := make([]byte, len(x.dims)), make([]byte, len(y.dims))
	for i := range sx {
		sx[i] = letter(i)
	}
	for i := range sy {
		sy[i] = letter(len(sx) + i)
	}
	for k, a := range sumY {
		sy[a] = sx[sumX[k]]
	}
	var result []byte
	for k, a := range batchY {
		sy[a] = sx[batchX[k]]
		result = append(result, sy[a])
	}
	for _, a := range freeX {
		result = append(result, sx[a])
	}
	for _, a := range freeY {
		result = append(result, sy[a])
	}
	equation := fmt.Sprintf("%s,%s->%s", sx, sy, result)
	out.name = w.emit("Einsum", map[string]any{"equation": equation}, x.name, y.name)
	return out, nil
}

// positive counts negative axes from the end.
func positive(axes []int, v *value) []int {
	out := slices.Clone(axes)
	for i, a := range out {
		if a < 0 {
			out[i] += len(v.dims)
		}
	}
	return out
}

// rest are the axes that are in neither list.
func rest(v *value, a, b []int) (out []int) {
	for i := range v.dims {
		if !slices.Contains(a, i) && !slices.Contains(b, i) {
			out = append(out, i)
		}
	}
	return out
}

// convolved translates a convolution, of any order of axes: ONNX has images
// [N, C, ...] and kernels [out, in, ...].
func (w *writer) convolved(op operation, x, kernel *value, dims []dim) (*value, error) {
	axes := op.Attrs[0].(compute.ConvolveAxesConfig)
	strides, pads := op.Attrs[1].([]int), op.Attrs[2].([][2]int)
	spread, dilations := op.Attrs[3].([]int), op.Attrs[4].([]int)
	groups, batches := op.Attrs[5].(int), op.Attrs[6].(int)
	if batches > 1 || slices.ContainsFunc(spread, func(d int) bool { return d != 1 }) {
		return nil, fmt.Errorf("convolutions with groups of the batch or a dilated input are not translated")
	}
	x, kernel = w.expand(x, x.dims), w.expand(kernel, kernel.dims)
	x = w.transpose(x, append([]int{axes.InputBatch, axes.InputChannels}, axes.InputSpatial...))
	kernel = w.transpose(kernel,
		append([]int{axes.KernelOutputChannels, axes.KernelInputChannels}, axes.KernelSpatial...))
	space := len(axes.InputSpatial)
	attrs := map[string]any{"group": int64(max(1, groups))}
	for name, v := range map[string][]int{"strides": strides, "dilations": dilations} {
		list := slices.Repeat([]int64{1}, space)
		for i, n := range v {
			list[i] = int64(n)
		}
		attrs[name] = list
	}
	around := make([]int64, 2*space)
	for i, p := range pads {
		around[i], around[space+i] = int64(p[0]), int64(p[1])
	}
	attrs["pads"] = around
	// The result is [N, C, ...]; its axes go to where they are wanted.
	perm := make([]int, space+2)
	order := append([]int{axes.OutputBatch, axes.OutputChannels}, axes.OutputSpatial...)
	y := &value{name: w.emit("Conv", attrs, x.name, kernel.name), typ: x.typ}
	for i, a := range order {
		perm[a] = i
		y.dims = append(y.dims, dims[a])
	}
	y.lie = y.dims
	return w.transpose(y, perm), nil
}
