package native

import (
	"slices"

	"github.com/gomlx/compute"

	"flowmatch/engine/native/kernel"
)

// conv describes a convolution of images [N, H, W, C].
type conv struct {
	geometry kernel.Conv2D
	images   int
	weights  [4]int // strides of the weights' axes: two of the kernel, channels in, channels out
	offset   int    // of the first weight
	half     bool   // done in bfloat16
	together int    // images that a gradient in bfloat16 takes at a time
}

// work is the arithmetic of all images.
func (c *conv) work() float64 {
	g := &c.geometry
	return 2 * float64(c.images) * float64(g.Ho*g.Wo*g.Co) * float64(g.Kh*g.Kw*g.Ci)
}

// convAttrs are the arguments of ConvGeneral, for two spatial axes.
type convAttrs struct {
	axes                      compute.ConvolveAxesConfig
	strides, dilations, input [2]int
	pads                      [2][2]int
}

// convolved makes the tensors of a convolution, or nil for one that has groups or
// is not of one or two dimensions.
func (l *lowering) convolved(n *node, in []*tensor, dims []int) *tensor {
	a, ok := attrsOf(n)
	if !ok || size(dims) == 0 || in[0].size() == 0 || in[1].size() == 0 {
		return nil
	}
	x, w := in[0], in[1]
	ax := a.axes
	sx, sw := ax.InputSpatial, ax.KernelSpatial
	out := slices.Concat(ax.OutputSpatial, []int{ax.OutputBatch, ax.OutputChannels}) // where each axis of ours goes
	if ax.InputChannels == 0 && ax.KernelInputChannels == 0 {
		// A convolution over the batch: the gradient of one with respect to its weights.
		x = l.transposed(x, []int{ax.InputChannels, sx[0], sx[1], ax.InputBatch})
		w = l.transposed(w, []int{ax.KernelInputChannels, sw[0], sw[1], ax.KernelOutputChannels})
		return l.transposed(l.convGrad(a, x, w, dims[out[0]], dims[out[1]]), inverse(out))
	}
	x = l.transposed(x, []int{ax.InputBatch, sx[0], sx[1], ax.InputChannels})
	y := l.conv(a, x, w, dims[out[0]], dims[out[1]])
	return l.transposed(y, inverse([]int{ax.OutputBatch, out[0], out[1], ax.OutputChannels}))
}

// inverse returns the inverse of a permutation.
func inverse(perm []int) []int {
	inv := make([]int, len(perm))
	for i, p := range perm {
		inv[p] = i
	}
	return inv
}

// attrsOf reads the arguments of a ConvGeneral of two spatial axes.
func attrsOf(n *node) (a convAttrs, ok bool) {
	a = convAttrs{axes: n.attrs[0].(compute.ConvolveAxesConfig), strides: [2]int{1, 1}, dilations: [2]int{1, 1},
		input: [2]int{1, 1}}
	if len(a.axes.InputSpatial) != 2 || n.attrs[5].(int) > 1 || n.attrs[6].(int) > 1 {
		return a, false
	}
	copy(a.strides[:], n.attrs[1].([]int))
	copy(a.pads[:], n.attrs[2].([][2]int))
	copy(a.input[:], n.attrs[3].([]int))
	copy(a.dilations[:], n.attrs[4].([]int))
	return a, true
}

// conv makes y [N, Ho, Wo, Co] of x [N, H, W, Ci].
func (l *lowering) conv(a convAttrs, x, w *tensor, ho, wo int) *tensor {
	ax := a.axes
	base, offset, strides := w.origin()
	c := &conv{images: x.dims[0], offset: offset, geometry: kernel.Conv2D{
		H: x.dims[1], W: x.dims[2], Ci: x.dims[3], Ho: ho, Wo: wo, Co: w.dims[ax.KernelOutputChannels],
		Kh: w.dims[ax.KernelSpatial[0]], Kw: w.dims[ax.KernelSpatial[1]],
		StrideH: a.strides[0], StrideW: a.strides[1], PadTop: a.pads[0][0], PadLeft: a.pads[1][0],
		DilationH: a.dilations[0], DilationW: a.dilations[1], InDilationH: a.input[0], InDilationW: a.input[1],
	}}
	for i, axis := range []int{ax.KernelSpatial[0], ax.KernelSpatial[1], ax.KernelInputChannels,
		ax.KernelOutputChannels} {
		c.weights[i] = strides[axis]
	}
	p := l.add(&tensor{kind: kindPack, in: []*tensor{base}, dims: []int{1, l.backend.mat.ConvPackedLen(&c.geometry)},
		conv: c})
	return l.add(&tensor{kind: kindConv, in: []*tensor{x, p}, dims: []int{x.dims[0], ho, wo, c.geometry.Co}, conv: c})
}

// origin returns what weights that are reversed, transposed or both are made of, and
// how to read them where they are: packing then need not wait for a copy, and a
// convolution of the way back is in the loop of the way forwards.
func (t *tensor) origin() (base *tensor, offset int, strides []int) {
	base, strides = t, contiguous(t.dims)
	for base.kind == kindMove {
		in := base.in[0]
		o, s, ok := through(offset, t.dims, strides, base)
		if !ok {
			break
		}
		base, offset, strides = in, o, s
	}
	return base, offset, strides
}

// through reads the input of a kindMove by what reads its result, of these dims, from
// offset on and by strides, if every axis of that goes along one axis of the result.
func through(offset int, dims, strides []int, m *tensor) (o int, s []int, ok bool) {
	own := contiguous(m.dims)
	at := make([]int, len(own)) // the element at offset, by axes
	for a, d := range own {
		at[a] = offset / d % m.dims[a]
		o += at[a] * m.move.strides[a]
	}
	s = make([]int, len(dims))
	for i, n := range dims {
		if n == 1 {
			continue
		}
		a := slices.IndexFunc(own, func(d int) bool { return strides[i]%d == 0 && strides[i] != 0 })
		if a < 0 {
			return 0, nil, false
		}
		step := strides[i] / own[a]
		if last := at[a] + step*(n-1); last < 0 || last >= m.dims[a] {
			return 0, nil, false
		}
		s[i] = step * m.move.strides[a]
	}
	return o + m.move.offset, s, true
}

// convGrad makes the gradient [Kh, Kw, Ci, Co] of the weights of a convolution of
// x [N, H, W, Ci], given that of its result, v [N, Ho, Wo, Co]. As a convolution,
// it has the strides of that one for dilations, and the other way round.
func (l *lowering) convGrad(a convAttrs, x, v *tensor, kh, kw int) *tensor {
	c := &conv{images: x.dims[0], geometry: kernel.Conv2D{
		H: x.dims[1], W: x.dims[2], Ci: x.dims[3], Ho: v.dims[1], Wo: v.dims[2], Co: v.dims[3], Kh: kh, Kw: kw,
		StrideH: a.dilations[0], StrideW: a.dilations[1], PadTop: a.pads[0][0], PadLeft: a.pads[1][0],
		DilationH: a.strides[0], DilationW: a.strides[1], InDilationH: a.input[0], InDilationW: a.input[1],
	}}
	return l.add(&tensor{kind: kindConvGrad, in: []*tensor{x, v}, dims: []int{kh, kw, x.dims[3], v.dims[3]}, conv: c})
}

// convolving convolves the images of a tile.
type convolving struct {
	out, in, weights ref
	bias             ref
	biased           bool
	images           int // in a unit
	xSize, ySize     int
	half             bool
	pack             *convPacking // into weights, before; nil: they are packed
	g                *kernel.Conv2D
}

func (i *convolving) run(x *exec) {
	if i.pack != nil {
		i.pack.run(x)
	}
	var bias *float32
	if i.biased {
		bias = x.float(i.bias)
	}
	y, in, w := x.float(i.out), x.float(i.in), x.float(i.weights)
	convolve := x.mat.Conv
	if i.half {
		convolve = x.mat.ConvBF16
	}
	for k := range x.n * i.images {
		convolve(i.g, plus(y, k*i.ySize), plus(in, k*i.xSize), w, bias, x.work)
	}
}

// convGradient accumulates the gradient of a convolution's weights.
type convGradient struct {
	out          ref
	part, size   int
	in, grad     ref
	images       int // in a unit
	xSize, ySize int
	half         bool
	together     int // images, where half
	g            *kernel.Conv2D
}

func (i *convGradient) run(x *exec) {
	dw, in, dy := plus(x.float(i.out), x.part*i.part), x.float(i.in), x.float(i.grad)
	if x.first {
		x.vec.Fill(i.size, dw, 0)
	}
	n := x.n * i.images
	if i.half {
		for k := 0; k < n; k += i.together {
			x.mat.ConvWeightGradBF16(i.g, min(i.together, n-k), dw, plus(in, k*i.xSize), plus(dy, k*i.ySize), x.work)
		}
		return
	}
	for k := range n {
		x.mat.ConvWeightGrad(i.g, dw, plus(in, k*i.xSize), plus(dy, k*i.ySize), x.work)
	}
}

// convPacking packs the weights of a convolution.
type convPacking struct {
	out, in ref
	c       *conv
}

func (i *convPacking) run(x *exec) {
	in := i.in
	in.off += i.c.offset
	if i.c.half {
		x.mat.ConvPackBF16(&i.c.geometry, x.float(i.out), x.operand(in, 0), i.c.weights, x.work)
		return
	}
	x.mat.ConvPack(&i.c.geometry, x.float(i.out), x.float(in), i.c.weights)
}

// convolution is the instruction of a convolution or of its gradient.
func (e *emitter) convolution(t *tensor, out ref, part int) instr {
	g := &t.conv.geometry
	xSize, ySize, images := g.H*g.W*g.Ci, g.Ho*g.Wo*g.Co, t.conv.images/e.r.units
	if t.kind == kindConvGrad {
		return &convGradient{out: out, part: part, size: t.size(), in: e.input(t, 0), grad: e.input(t, 1),
			images: images, xSize: xSize, ySize: ySize, half: t.conv.half, together: t.conv.together, g: g}
	}
	i := &convolving{out: out, in: e.input(t, 0), weights: e.input(t, 1), images: images, xSize: xSize, ySize: ySize,
		half: t.conv.half, g: g}
	if t.packs != nil {
		i.pack = &convPacking{out: e.packed, in: i.weights, c: t.packs.conv}
		i.weights = e.packed
	}
	if len(t.in) > 2 {
		i.bias, i.biased = e.whole(t.in[2]), true
	}
	return i
}
