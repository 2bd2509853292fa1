package main

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// reduction is a way to make one number of many.
type reduction struct {
	name    string
	neutral float64
	join    func(a, b vec) vec
}

var sum = reduction{"Sum", 0, vec.add}

// reductions writes the loops that sum and the like.
func reductions(g *gen) {
	for _, r := range []reduction{
		sum,
		{"Max", math.Inf(-1), vec.max},
		{"Min", math.Inf(1), vec.min},
		{"Prod", 1, vec.mul},
	} {
		r.rows(g)
		r.columns(g)
	}
	dot(g)
}

// into does acc = join(acc, v) in place.
func (r reduction) into(g *gen, acc operand.Op, v vec) {
	switch r.name {
	case "Sum":
		g.VADDPS(v.op, acc, acc)
	case "Prod":
		g.VMULPS(v.op, acc, acc)
	default:
		g.VMOVUPS(r.join(g.vec(acc), v).op, acc)
	}
}

// across returns the reduction of the lanes of v, in every lane.
func (r reduction) across(g *gen, v vec) vec {
	if g.wide {
		for _, order := range []uint64{0x4e, 0xb1} {
			d := g.newReg()
			g.VSHUFF64X2(operand.Imm(order), v.op, v.op, d)
			v = r.join(v, g.vec(d))
		}
	} else {
		d := g.newReg()
		g.VPERM2F128(operand.Imm(1), v.op, v.op, d)
		v = r.join(v, g.vec(d))
	}
	for _, order := range []uint64{0x4e, 0xb1} {
		d := g.newReg()
		g.VPERMILPS(operand.Imm(order), v.op, d)
		v = r.join(v, g.vec(d))
	}
	return v
}

const accumulators = 4

// rows writes the reduction of each row of a matrix; rows and cols are positive.
// If acc is not zero the results are joined to what is in dst.
func (r reduction) rows(g *gen) {
	g.function("row"+r.name, "func(rows int, cols int, dst *float32, x *float32, acc int)")
	rows := g.Load(g.Param("rows"), g.GP64())
	cols := g.Load(g.Param("cols"), g.GP64())
	dst := g.Load(g.Param("dst"), g.GP64())
	x := g.Load(g.Param("x"), g.GP64())
	join := g.Load(g.Param("acc"), g.GP64())
	rest := g.GP64()
	g.MOVQ(cols, rest)
	g.ANDQ(operand.Imm(uint64(g.lanes()-1)), rest)
	m := g.tailMask(rest)
	neutral := g.vec(g.num(r.neutral).copy())
	n := g.GP64()
	g.Label("row")
	g.MOVQ(cols, n)
	acc := r.line(g, n, x, neutral, m)
	g.TESTQ(join, join)
	g.JZ(operand.LabelRef("store"))
	old := g.newReg()
	g.VBROADCASTSS(operand.Mem{Base: dst}, old)
	r.into(g, acc, g.vec(old))
	g.Label("store")
	g.VMOVSS(acc.(reg.VecVirtual).AsX(), operand.Mem{Base: dst})
	g.ADDQ(operand.Imm(4), dst)
	g.DECQ(rows)
	g.JNZ(operand.LabelRef("row"))
	g.VZEROUPPER()
	g.RET()
}

// line reduces n elements at x, and moves x past them.
func (r reduction) line(g *gen, n, x reg.Register, neutral vec, m mask) operand.Op {
	acc := make([]operand.Op, accumulators)
	for i := range acc {
		acc[i] = neutral.copy()
	}
	at := func(i int) operand.Mem { return operand.Mem{Base: x, Disp: i * g.bytes()} }
	many, lanes := operand.I32(int32(accumulators*g.lanes())), operand.I32(int32(g.lanes()))
	g.SUBQ(many, n)
	g.JLT(operand.LabelRef("few"))
	g.Label("many")
	for i := range acc {
		r.into(g, acc[i], g.vec(at(i)))
	}
	g.ADDQ(operand.I32(int32(accumulators*g.bytes())), x)
	g.SUBQ(many, n)
	g.JGE(operand.LabelRef("many"))
	g.Label("few")
	g.ADDQ(many, n)
	g.SUBQ(lanes, n)
	g.JLT(operand.LabelRef("rest"))
	g.Label("single")
	r.into(g, acc[0], g.vec(at(0)))
	g.ADDQ(operand.I32(int32(g.bytes())), x)
	g.SUBQ(lanes, n)
	g.JGE(operand.LabelRef("single"))
	g.Label("rest")
	g.ADDQ(lanes, n)
	g.JLE(operand.LabelRef("fold"))
	v := g.load(at(0), &m)
	r.into(g, acc[1], m.blend(v, neutral))
	g.LEAQ(operand.Mem{Base: x, Index: n, Scale: 4}, x)
	g.Label("fold")
	r.into(g, acc[0], g.vec(acc[1]))
	r.into(g, acc[2], g.vec(acc[3]))
	r.into(g, acc[0], g.vec(acc[2]))
	g.VMOVUPS(r.across(g, g.vec(acc[0])).op, acc[0])
	return acc[0]
}

// columns writes the reduction of each column of a matrix of rows >= 1 rows,
// in blocks of columns that stay in registers.
func (r reduction) columns(g *gen) {
	g.function("col"+r.name, "func(rows int, cols int, dst *float32, x *float32, acc int)")
	rows := g.Load(g.Param("rows"), g.GP64())
	cols := g.Load(g.Param("cols"), g.GP64())
	dst := g.Load(g.Param("dst"), g.GP64())
	x := g.Load(g.Param("x"), g.GP64())
	join := g.Load(g.Param("acc"), g.GP64())
	stride := g.GP64()
	g.MOVQ(cols, stride)
	g.SHLQ(operand.Imm(2), stride)
	blocks := func(label string, width int) {
		step := int32(width * g.lanes())
		g.SUBQ(operand.I32(step), cols)
		g.JLT(operand.LabelRef(label + "end"))
		g.Label(label)
		r.block(g, label, width, rows, dst, x, join, stride, nil)
		g.ADDQ(operand.I32(4*step), dst)
		g.ADDQ(operand.I32(4*step), x)
		g.SUBQ(operand.I32(step), cols)
		g.JGE(operand.LabelRef(label))
		g.Label(label + "end")
		g.ADDQ(operand.I32(step), cols)
	}
	blocks("many", accumulators)
	blocks("single", 1)
	g.JLE(operand.LabelRef("done"))
	m := g.tailMask(cols)
	r.block(g, "rest", 1, rows, dst, x, join, stride, &m)
	g.Label("done")
	g.VZEROUPPER()
	g.RET()
}

func (r reduction) block(g *gen, label string, width int, rows, dst, x, join, stride reg.Register, m *mask) {
	at := func(p reg.Register, i int) operand.Mem { return operand.Mem{Base: p, Disp: i * g.bytes()} }
	acc := make([]operand.Op, width)
	for i := range acc {
		acc[i] = g.load(at(x, i), m).op
	}
	p, n := g.GP64(), g.GP64()
	g.MOVQ(x, p)
	g.MOVQ(rows, n)
	g.DECQ(n)
	g.JZ(operand.LabelRef(label + "join"))
	g.Label(label + "rows")
	g.ADDQ(stride, p)
	for i := range acc {
		r.into(g, acc[i], g.load(at(p, i), m))
	}
	g.DECQ(n)
	g.JNZ(operand.LabelRef(label + "rows"))
	g.Label(label + "join")
	g.TESTQ(join, join)
	g.JZ(operand.LabelRef(label + "store"))
	for i := range acc {
		r.into(g, acc[i], g.load(at(dst, i), m))
	}
	g.Label(label + "store")
	for i := range acc {
		g.store(g.vec(acc[i]), at(dst, i), m)
	}
}

// dot writes the scalar product.
func dot(g *gen) {
	g.function("dot", "func(n int, a *float32, b *float32) float32")
	n := g.Load(g.Param("n"), g.GP64())
	a := g.Load(g.Param("a"), g.GP64())
	b := g.Load(g.Param("b"), g.GP64())
	acc := make([]operand.Op, accumulators)
	for i := range acc {
		acc[i] = g.newReg()
		g.VXORPS(acc[i], acc[i], acc[i])
	}
	i := g.GP64()
	g.XORQ(i, i)
	blocks := func(label string, width int) {
		step := int32(width * g.lanes())
		g.SUBQ(operand.I32(step), n)
		g.JLT(operand.LabelRef(label + "end"))
		g.Label(label)
		for u := range width {
			v := g.load(operand.Mem{Base: a, Index: i, Scale: 4, Disp: u * g.bytes()}, nil)
			g.VFMADD231PS(operand.Mem{Base: b, Index: i, Scale: 4, Disp: u * g.bytes()}, v.op, acc[u])
		}
		g.ADDQ(operand.I32(step), i)
		g.SUBQ(operand.I32(step), n)
		g.JGE(operand.LabelRef(label))
		g.Label(label + "end")
		g.ADDQ(operand.I32(step), n)
	}
	blocks("many", accumulators)
	blocks("single", 1)
	g.JLE(operand.LabelRef("fold"))
	m := g.tailMask(n)
	v := g.load(operand.Mem{Base: a, Index: i, Scale: 4}, &m)
	w := g.load(operand.Mem{Base: b, Index: i, Scale: 4}, &m)
	g.VFMADD231PS(w.op, v.op, acc[1])
	g.Label("fold")
	sum.into(g, acc[0], g.vec(acc[1]))
	sum.into(g, acc[2], g.vec(acc[3]))
	sum.into(g, acc[0], g.vec(acc[2]))
	s := sum.across(g, g.vec(acc[0]))
	g.Store(s.op.(reg.VecVirtual).AsX(), g.ReturnIndex(0))
	g.VZEROUPPER()
	g.RET()
}
