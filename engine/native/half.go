package native

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"

	"flowmatch/engine/native/kernel"
)

// Numbers of type bfloat16 are floats to the compiler, ones that bfloat16 has: what
// an operation makes is rounded, unless it is such a number anyway. Arguments,
// results and what the shadow backend reads and writes lie in two bytes each, and a
// kindUnary that copies stands between them and the floats; in the end so does what
// was rounded, where regions hand it on.

// widened returns a tensor as floats.
func (g *graph) widened(t *tensor) *tensor {
	if t.typ != dtypes.BFloat16 {
		return t
	}
	return g.add(&tensor{kind: kindUnary, op: int(kernel.Copy), in: []*tensor{t}, dims: t.dims})
}

// stretch is moved for a slice. A stretch of numbers that lie in two bytes is widened by itself, so that a slab of
// weights is never there as floats.
func (g *graph) stretch(t *tensor, dims []int, offset int, strides []int) *tensor {
	if t.isWidened() {
		if m := g.moved(t.in[0], dims, offset, strides); m.isAlias() {
			return g.widened(m)
		}
	}
	return g.moved(t, dims, offset, strides)
}

// isWidened says whether t is but bfloat16 as floats.
func (t *tensor) isWidened() bool {
	return t.kind == kindUnary && t.op == int(kernel.Copy) && t.in[0].typ == dtypes.BFloat16
}

// asFloats returns the numbers of a constant, if they are floats or bfloat16.
func asFloats(flat any) []float32 {
	h, ok := flat.([]bfloat16.BFloat16)
	if !ok {
		f, _ := flat.([]float32)
		return f
	}
	f := make([]float32, len(h))
	for i, v := range h {
		f[i] = v.Float32()
	}
	return f
}

// narrowed returns a tensor of floats that bfloat16 has, as these.
func (g *graph) narrowed(t *tensor) (*tensor, error) {
	switch {
	case t.isWidened():
		return t.in[0], nil
	case t.kind == kindConst && t.buf == nil: // an operation on constants is run when compiling
		buf, err := g.backend.BufferFromFlatData(0, []bfloat16.BFloat16{bfloat16.FromFloat32(t.value)},
			shapes.Make(dtypes.BFloat16))
		if err != nil {
			return nil, err
		}
		return g.add(&tensor{kind: kindConst, typ: dtypes.BFloat16, buf: buf.(*buffer)}), nil
	}
	return g.add(&tensor{kind: kindUnary, op: int(kernel.Copy), in: []*tensor{t}, dims: t.dims,
		typ: dtypes.BFloat16}), nil
}

// rounded returns t with its numbers rounded to bfloat16.
func (g *graph) rounded(t *tensor) *tensor {
	if t.half {
		return t
	}
	return g.unary(kernel.RoundBF16, t)
}

// isHalf says whether all numbers of t are ones that bfloat16 has, as far as its
// inputs show.
func (t *tensor) isHalf() bool {
	if t.typ == dtypes.Bool || t.typ == dtypes.BFloat16 {
		return true
	}
	all := func(in []*tensor) bool {
		for _, u := range in {
			if !u.half {
				return false
			}
		}
		return true
	}
	switch t.kind {
	case kindConst:
		return t.buf == nil && math.Float32bits(t.value)<<16 == 0
	case kindUnary:
		switch kernel.UnaryOp(t.op) {
		case kernel.RoundBF16:
			return true
		case kernel.Copy, kernel.Neg, kernel.Abs, kernel.Sign, kernel.Floor, kernel.Ceil, kernel.Round:
			return all(t.in)
		}
	case kindBinary:
		return (t.op == int(kernel.Max) || t.op == int(kernel.Min)) && all(t.in)
	case kindSelect:
		return all(t.in[1:])
	case kindReshape, kindMove, kindConcat:
		return all(t.in)
	case kindAfter:
		return t.in[0].half
	case kindPad:
		return all(t.in) && math.Float32bits(t.value)<<16 == 0
	case kindReduce:
		return (t.op == int(reduceMax) || t.op == int(reduceMin)) && all(t.in)
	}
	return false
}

// sumsInFloats says whether floats do where sums are asked for in a type; for
// bfloat16 they are better than that.
func sumsInFloats(typ dtypes.DType) bool {
	return typ == dtypes.InvalidDType || typ == dtypes.Float32 || typ == dtypes.BFloat16
}

// halve has products of numbers that bfloat16 has done in bfloat16, where the CPU
// does that faster. The kernels round what they read, so that an operand need not
// be rounded before, and they read bfloat16 from where it lies.
func (g *graph) halve() {
	if !g.backend.mat.HasBF16() {
		return
	}
	uses, halves := g.uses(), map[*tensor]int{}
	for _, t := range g.tensors {
		if t.kind == kindDot && t.in[0].half && t.in[1].half && t.worthHalving() {
			d := *t.dot
			d.half = true
			t.dot = &d
			halves[t.in[0]]++
			halves[t.in[1]]++
		}
	}
	for _, t := range g.tensors {
		if t.inHalves() {
			g.halveConv(t)
			halves[t.in[0]]++
			if t.kind == kindConvGrad {
				halves[t.in[1]]++
			}
		}
	}
	for _, t := range g.tensors {
		n := 2
		switch {
		case t.kind == kindDot && t.dot.half || t.kind == kindConvGrad && t.conv.half:
		case t.kind == kindConv && t.conv.half:
			n = 1
		default:
			continue
		}
		for i, u := range t.in[:n] {
			if u.isWidened() && t.kind == kindDot || u.isRounded() && halves[u] == uses[u] {
				t.in[i] = u.in[0]
			}
		}
	}
}

// inHalves says whether t is a convolution, or the gradient of one, of numbers that
// bfloat16 has, and large enough for pairs of them.
func (t *tensor) inHalves() bool {
	switch t.kind {
	case kindConv:
		c := &t.conv.geometry
		return c.Ci%2 == 0 && c.Kh*c.Kw*c.Ci >= 16 && c.Co >= 16 && t.in[0].half && t.in[1].in[0].half
	case kindConvGrad:
		c := &t.conv.geometry
		return c.Ci >= 16 && c.Co >= 16 && t.in[0].half && t.in[1].half
	}
	return false
}

// halveConv has a convolution or gradient done in bfloat16. Packing rounds weights.
func (g *graph) halveConv(t *tensor) {
	c := *t.conv
	c.half, c.together = true, g.backend.mat.ImagesBF16(&c.geometry)
	t.conv = &c
	if t.kind == kindConv {
		w, _ := unpacked(t.in[1].in[0])
		t.in[1] = g.add(&tensor{kind: kindPack, in: []*tensor{w},
			dims: []int{1, g.backend.mat.ConvPackedLenBF16(&c.geometry)}, conv: &c})
	}
}

func (t *tensor) isRounded() bool { return t.kind == kindUnary && t.op == int(kernel.RoundBF16) }

// unpacked returns what a packing of t reads: it rounds on the way, so that the
// weights of one precision are packed as early as those of another.
func unpacked(t *tensor) (u *tensor, rounds bool) {
	base := t
	for base.kind == kindReshape {
		base = base.in[0] // the order of the numbers is all that counts
	}
	if base.isWidened() || base.isRounded() {
		return base.in[0], true
	}
	return t, false
}

// worthHalving says whether a product is so large that what it saves is more than
// bringing operands into pairs costs.
func (t *tensor) worthHalving() bool {
	d := t.dot
	if d.b > 1 || t.accumulates() { // both operands are brought into pairs each time
		return d.m >= 32 && d.n >= 32 && d.k >= 32
	}
	return d.n >= 32 && d.k >= 16 && d.n*d.k > directMax
}

// shrink has rounded tensors lie in two bytes between regions, where all that read
// them there can.
func (p *Program) shrink() {
	results := map[*tensor]bool{}
	for _, o := range p.graph.outputs {
		base, _ := o.root()
		results[base] = true
	}
	for _, t := range p.graph.tensors {
		if t.global && t.units > 0 && t.isRounded() && !results[t] && t.readAsHalves() {
			t.typ = dtypes.BFloat16
		}
	}
}

// readAsHalves says whether all users of t can read bfloat16 from memory.
func (t *tensor) readAsHalves() bool {
	for _, u := range t.users {
		for i, l := range u.lenses() {
			if base, _ := l.src.root(); base != t {
				continue
			}
			walks := u.elementwise() && l.form != lensRepeat
			multiplies := u.kind == kindDot && u.dot.half && i < 2
			packs := u.kind == kindPack && u.dot != nil && (u.dot.half || u.half)
			if !walks && !multiplies && !packs {
				return false
			}
		}
	}
	return true
}

// operand returns the operand of a product in bfloat16 that begins with the tile's
// n-th element of r.
func (x *exec) operand(r ref, n int) kernel.BF16 {
	a := x.at(r) + addr(n*r.as.size())
	if r.as == inHalves {
		return kernel.BF16{Half: a.halves()}
	}
	return kernel.BF16{Float: a.float()}
}
