package native

import "flowmatch/engine/native/kernel"

// walk runs element-wise operations strip by strip: what they make for each
// other stays in strips of scratch, in the first level of cache.
type walk struct {
	strip int // elements
	chunk int // elements in a unit
	regs  []operand
	moves []int32 // operands that advance from strip to strip
	ops   []stripOp
}

// operand is one place that strip operations read and write: a strip of scratch,
// or the rows of a tensor.
type operand struct {
	ref  ref
	rows bool // advances: each strip is the next stretch of a tensor
	div  int  // an operand of repeats advances by one for so many elements
}

// stripCode says what a strip operation does.
type stripCode uint8

const (
	stripUnary  stripCode = iota
	stripBinary           // a op b
	stripVS               // a op one element of b
	stripSV               // one element of a op b
	stripVC               // a op constant
	stripCV               // constant op a
	stripTernary
	stripFill     // one element of a, everywhere
	stripConst    // a constant, everywhere
	stripExpand   // each element of a, rep times
	stripFromBool // bytes to floats
	stripToBool
	stripFromBF16
	stripToBF16
)

// stripOp is an operation on a strip; its operands are indices of walk.regs.
type stripOp struct {
	code     stripCode
	dst      int32
	a, b, c  int32
	rep      int
	value    float32
	unary    func(n int, dst, x *float32)
	binary   func(n int, dst, a, b *float32)
	vs       func(n int, dst, a *float32, s float32)
	sv       func(n int, dst *float32, s float32, b *float32)
	ternary  func(n int, dst, a, b, c *float32)
	toBool   func(n int, dst *uint8, x *float32)
	fromBool func(n int, dst *float32, x *uint8)
	toBF16   func(n int, dst *uint16, x *float32)
	fromBF16 func(n int, dst *float32, x *uint16)
	scalar   storage // of a, where that is one element
}

func (w *walk) run(x *exec) {
	p := x.ptr[:len(w.regs)]
	for i := range w.regs {
		p[i] = x.at(w.regs[i].ref)
	}
	total := x.n * w.chunk
	for s := 0; s < total; s += w.strip {
		n := min(w.strip, total-s)
		for k := range w.ops {
			w.ops[k].run(n, p, x.vec)
		}
		for _, i := range w.moves {
			o := &w.regs[i]
			p[i] += addr(w.strip / o.div * o.ref.as.size())
		}
	}
}

func (o *stripOp) run(n int, p []addr, v *kernel.Vector) {
	dst := p[o.dst].float()
	switch o.code {
	case stripUnary:
		o.unary(n, dst, p[o.a].float())
	case stripBinary:
		o.binary(n, dst, p[o.a].float(), p[o.b].float())
	case stripVS:
		o.vs(n, dst, p[o.a].float(), *p[o.b].float())
	case stripSV:
		o.sv(n, dst, *p[o.a].float(), p[o.b].float())
	case stripVC:
		o.vs(n, dst, p[o.a].float(), o.value)
	case stripCV:
		o.sv(n, dst, o.value, p[o.a].float())
	case stripTernary:
		o.ternary(n, dst, p[o.a].float(), p[o.b].float(), p[o.c].float())
	case stripFill:
		v.Fill(n, dst, p[o.a].number(o.scalar))
	case stripConst:
		v.Fill(n, dst, o.value)
	case stripExpand:
		v.Expand(n/o.rep, o.rep, dst, p[o.a].float())
	case stripFromBool:
		o.fromBool(n, dst, p[o.a].bytes())
	case stripToBool:
		o.toBool(n, p[o.dst].bytes(), p[o.a].float())
	case stripFromBF16:
		o.fromBF16(n, dst, p[o.a].halves())
	case stripToBF16:
		o.toBF16(n, p[o.dst].halves(), p[o.a].float())
	}
}

// tiling fills a strip with a pattern, over and over, at the start of a part.
type tiling struct {
	out, in ref
	rows, n int
}

func (i *tiling) run(x *exec) {
	out, in := x.float(i.out), x.at(i.in)
	if i.in.as == inHalves {
		x.vec.FromBF16(i.n, out, in.halves())
		in = x.at(i.out)
	}
	x.vec.Tile(i.rows, i.n, out, in.float())
}
