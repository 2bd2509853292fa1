package main

import (
	"github.com/mmcloughlin/avo/operand"
)

// Predicates of cmp. All but ne and unord are false where a lane is NaN.
const (
	eq    = 0
	lt    = 17
	le    = 18
	unord = 3
	ne    = 4
	ge    = 29
	gt    = 30
)

// mask says yes or no for each lane.
type mask struct {
	g  *gen
	op operand.Op // a mask register, or for AVX2 a vector of all ones or zeros
}

func (v vec) cmp(predicate int, w vec) mask {
	if v.g.wide {
		k := v.g.K()
		v.g.VCMPPS(operand.Imm(uint64(predicate)), w.op, v.reg(), k)
		return mask{v.g, k}
	}
	d := v.g.YMM()
	v.g.VCMPPS(operand.Imm(uint64(predicate)), w.op, v.reg(), d)
	return mask{v.g, d}
}

// signMask returns the lanes with the top bit set. It serves blend only.
func (v vec) signMask() mask {
	if v.g.wide {
		k := v.g.K()
		v.g.VPMOVD2M(v.reg(), k)
		return mask{v.g, k}
	}
	return mask{v.g, v.reg()}
}

// blend returns a where the mask says yes and b elsewhere.
func (m mask) blend(a, b vec) vec {
	if m.g.wide {
		// Not VBLENDMPS: avo believes that it reads its destination, and keeps a
		// register for that from the start of the function.
		d := b.copy()
		m.g.VMOVUPS(a.op, m.op, d)
		return m.g.vec(d)
	}
	d := m.g.newReg()
	m.g.VBLENDVPS(m.op, a.op, b.reg(), d)
	return m.g.vec(d)
}

// keep returns a where the mask says yes and zero elsewhere.
func (m mask) keep(a vec) vec {
	d := m.g.newReg()
	if m.g.wide {
		m.g.VMOVUPS_Z(a.op, m.op, d)
	} else {
		m.g.VANDPS(a.op, m.op, d)
	}
	return m.g.vec(d)
}

// one returns 1 where the mask says yes and 0 elsewhere.
func (m mask) one() vec { return m.keep(m.g.num(1)) }

func (m mask) and(n mask) mask { return m.join(n, m.g.KANDW, m.g.VANDPS) }
func (m mask) or(n mask) mask  { return m.join(n, m.g.KORW, m.g.VORPS) }
func (m mask) xor(n mask) mask { return m.join(n, m.g.KXORW, m.g.VXORPS) }

func (m mask) join(n mask, wide func(a, b, d operand.Op), narrow emitter) mask {
	if m.g.wide {
		k := m.g.K()
		wide(n.op, m.op, k)
		return mask{m.g, k}
	}
	d := m.g.YMM()
	narrow(n.op, m.op, d)
	return mask{m.g, d}
}

// raise adds the lanes of m to those that the function reports.
func (g *gen) raise(m mask) {
	if g.wide {
		g.KORW(m.op, g.flag, g.flag)
	} else {
		g.VORPS(m.op, g.flag, g.flag)
	}
}

// Integers.

func (v vec) addInt(w vec) vec { return v.either(v.g.VPADDD, w) }
func (v vec) subInt(w vec) vec { return v.two(v.g.VPSUBD, w) }
func (v vec) mulInt(w vec) vec { return v.either(v.g.VPMULLD, w) }

// mulEven multiplies the unsigned integers in the even lanes to 64 bits.
func (v vec) mulEven(w vec) vec { return v.either(v.g.VPMULUDQ, w) }

func (v vec) shiftLeft(n int) vec       { return v.imm(v.g.VPSLLD, n) }
func (v vec) shiftRight(n int) vec      { return v.imm(v.g.VPSRLD, n) }
func (v vec) shiftRightArith(n int) vec { return v.imm(v.g.VPSRAD, n) }

func (v vec) toFloat() vec  { return v.one(v.g.VCVTDQ2PS) }
func (v vec) toInt() vec    { return v.one(v.g.VCVTPS2DQ) }
func (v vec) truncate() vec { return v.one(v.g.VCVTTPS2DQ) }

// scale returns v * 2^n for whole n from -254 to 254, rounded once.
func (v vec) scale(n vec) vec {
	if v.g.wide {
		return v.two(v.g.VSCALEFPS, n)
	}
	// In two steps, since 2^n may lie outside the range; of the two products only
	// the last can be inexact.
	i := n.toInt()
	h := i.shiftRightArith(1)
	bias := v.g.bits(127)
	s1 := h.addInt(bias).shiftLeft(23)
	s2 := i.subInt(h).addInt(bias).shiftLeft(23)
	return v.mul(s1).mul(s2)
}

// powerOfTwo returns 2^v for whole v from -126 to 127.
func (v vec) powerOfTwo() vec {
	if v.g.wide {
		return v.g.num(1).two(v.g.VSCALEFPS, v)
	}
	return v.toInt().addInt(v.g.bits(127)).shiftLeft(23)
}

// scaleDown returns v * 2^n for whole n from -126 to 0, rounded once.
func (v vec) scaleDown(n vec) vec {
	if v.g.wide {
		return v.two(v.g.VSCALEFPS, n)
	}
	return v.mul(n.powerOfTwo())
}

// split returns m in [sqrt(1/2), sqrt(2)] or so and a whole e with v = m * 2^e,
// for positive and finite v; for others the result means nothing.
func (v vec) split() (m, e vec) {
	g := v.g
	if g.wide {
		m = v.imm(g.VGETMANTPS, 0)
		e = v.one(g.VGETEXPPS)
		big := m.cmp(gt, g.num(1.41421356))
		half := m.mul(g.num(0.5))
		return big.blend(half, m), big.blend(e.add(g.num(1)), e)
	}
	// Bring denormals into range first.
	tiny := v.cmp(lt, g.bits(0x00800000))
	x := tiny.blend(v.mul(g.num(1<<23)), v)
	bias := tiny.keep(g.num(23))
	i := x.subInt(g.bits(0x3f3504f3)).shiftRightArith(23)
	m = x.subInt(i.shiftLeft(23))
	return m, i.toFloat().sub(bias)
}
