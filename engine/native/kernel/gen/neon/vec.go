package main

import (
	"math"

	"flowmatch/engine/native/kernel/gen/arm64"
	"flowmatch/engine/native/kernel/gen/formula"
)

// lanes is how many floats a vector holds.
const lanes = 4

// gen is a formula.Machine that writes a function.
type gen struct {
	fn      *arm64.Func
	file    *arm64.File
	pool    arm64.Reg              // the address of the constants
	hoisted map[uint32]arm64.Reg   // constants that live in registers
	asked   []uint32               // constants that were operands, in order of the first time
	scalars map[string]formula.Vec // arguments
	flag    arm64.Reg              // lanes that were raised
}

// vec is a vector in a register, or a constant that is in none yet.
type vec struct {
	g        *gen
	r        arm64.Reg
	constant bool
	bits     uint32
}

func (g *gen) vec(r arm64.Reg) vec { return vec{g: g, r: r} }

func (g *gen) Bits(u uint32) formula.Vec { return vec{g: g, constant: true, bits: u} }

func (g *gen) Num(x float64) formula.Vec { return g.Bits(math.Float32bits(float32(x))) }

func (g *gen) Arg(name string) formula.Vec { return g.scalars[name] }

func (g *gen) Raise(m formula.Mask) { g.fn.Vec(arm64.ORR, g.flag, g.flag, m.(mask).plain()) }

// load loads a constant into a new register.
func (g *gen) load(u uint32) arm64.Reg {
	d := g.fn.V()
	g.fn.Load(arm64.Quad, d, g.pool, g.file.Constant(arm64.Bits(u)))
	return d
}

// reg returns v in a register that must not be written.
func (v vec) reg() arm64.Reg {
	if !v.constant {
		return v.r
	}
	g := v.g
	if r, ok := g.hoisted[v.bits]; ok {
		return r
	}
	known := false
	for _, u := range g.asked {
		known = known || u == v.bits
	}
	if !known {
		g.asked = append(g.asked, v.bits)
	}
	return g.load(v.bits)
}

// fresh returns v in a register of its own, which an instruction may add to. A constant is
// loaded each time: units for loads are idle in formulas, those for vectors are not.
func (v vec) fresh() arm64.Reg {
	if v.constant {
		return v.g.load(v.bits)
	}
	d := v.g.fn.V()
	v.g.fn.Move(d, v.r)
	return d
}

func (v vec) two(o arm64.Op, w formula.Vec) vec {
	a, b := v.reg(), w.(vec).reg()
	d := v.g.fn.V()
	v.g.fn.Vec(o, d, a, b)
	return v.g.vec(d)
}

func (v vec) one(o arm64.Op) vec {
	a := v.reg()
	d := v.g.fn.V()
	v.g.fn.One(o, d, a)
	return v.g.vec(d)
}

func (v vec) shift(o arm64.Op, n int) vec {
	a := v.reg()
	d := v.g.fn.V()
	v.g.fn.Lane(o, n, d, a)
	return v.g.vec(d)
}

// into adds v*w to z, or subtracts it.
func (v vec) into(o arm64.Op, w, z formula.Vec) vec {
	a, b := v.reg(), w.(vec).reg()
	d := z.(vec).fresh()
	v.g.fn.Vec(o, d, a, b)
	return v.g.vec(d)
}

func (v vec) Add(w formula.Vec) formula.Vec    { return v.two(arm64.FADD, w) }
func (v vec) Sub(w formula.Vec) formula.Vec    { return v.two(arm64.FSUB, w) }
func (v vec) Mul(w formula.Vec) formula.Vec    { return v.two(arm64.FMUL, w) }
func (v vec) Div(w formula.Vec) formula.Vec    { return v.two(arm64.FDIV, w) }
func (v vec) MaxOr(w formula.Vec) formula.Vec  { return v.Max(w) }
func (v vec) MinOr(w formula.Vec) formula.Vec  { return v.Min(w) }
func (v vec) Max(w formula.Vec) formula.Vec    { return v.two(arm64.FMAX, w) }
func (v vec) Min(w formula.Vec) formula.Vec    { return v.two(arm64.FMIN, w) }
func (v vec) And(w formula.Vec) formula.Vec    { return v.two(arm64.AND, w) }
func (v vec) Or(w formula.Vec) formula.Vec     { return v.two(arm64.ORR, w) }
func (v vec) Xor(w formula.Vec) formula.Vec    { return v.two(arm64.EOR, w) }
func (v vec) AddInt(w formula.Vec) formula.Vec { return v.two(arm64.ADD, w) }

func (v vec) FMA(w, z formula.Vec) formula.Vec  { return v.into(arm64.FMLA, w, z) }
func (v vec) FNMA(w, z formula.Vec) formula.Vec { return v.into(arm64.FMLS, w, z) }
func (v vec) FMS(w, z formula.Vec) formula.Vec  { return v.into(arm64.FMLA, w, z.Neg()) }

func (v vec) Poly(coefficients ...float64) formula.Vec {
	p := v.g.Num(coefficients[0])
	for _, c := range coefficients[1:] {
		p = v.FMA(p, v.g.Num(c))
	}
	return p
}

func (v vec) Sqrt() formula.Vec     { return v.one(arm64.FSQRT) }
func (v vec) Abs() formula.Vec      { return v.one(arm64.FABS) }
func (v vec) Neg() formula.Vec      { return v.one(arm64.FNEG) }
func (v vec) Sign() formula.Vec     { return v.And(v.g.Bits(1 << 31)) }
func (v vec) ToFloat() formula.Vec  { return v.one(arm64.SCVTF) }
func (v vec) ToInt() formula.Vec    { return v.one(arm64.FCVTNS) }
func (v vec) Truncate() formula.Vec { return v.one(arm64.FCVTZS) }

func (v vec) Round(r formula.Rounding) formula.Vec {
	return v.one([...]arm64.Op{formula.ToEven: arm64.FRINTN, formula.Down: arm64.FRINTM, formula.Up: arm64.FRINTP}[r])
}

func (v vec) ShiftLeft(n int) formula.Vec  { return v.shift(arm64.SHL, n) }
func (v vec) ShiftRight(n int) formula.Vec { return v.shift(arm64.USHR, n) }

func (v vec) PowerOfTwo() formula.Vec {
	return v.ToInt().AddInt(v.g.Bits(127)).ShiftLeft(23)
}

// Scale takes two steps, since 2^n may lie outside the range; of the two products only the last can
// be inexact.
func (v vec) Scale(n formula.Vec) formula.Vec {
	i := n.ToInt().(vec)
	h := i.shift(arm64.SSHR, 1)
	bias := v.g.Bits(127)
	s1 := h.AddInt(bias).ShiftLeft(23)
	s2 := i.two(arm64.SUB, h).AddInt(bias).ShiftLeft(23)
	return v.Mul(s1).Mul(s2)
}

func (v vec) ScaleDown(n formula.Vec) formula.Vec { return v.Mul(n.PowerOfTwo()) }

func (v vec) Split() (m, e formula.Vec) {
	g := v.g
	// Bring denormals into range first.
	tiny := v.Cmp(formula.Less, g.Bits(0x00800000))
	x := tiny.Blend(v.Mul(g.Num(1<<23)), v).(vec)
	bias := tiny.(mask).keep(g.Num(23))
	i := x.two(arm64.SUB, g.Bits(0x3f3504f3)).shift(arm64.SSHR, 23)
	m = x.two(arm64.SUB, i.ShiftLeft(23))
	return m, i.ToFloat().Sub(bias)
}

// mask is a vector of all ones or zeros in each lane: ones where the mask says yes, or, if it is
// inverted, where it says no.
type mask struct {
	v        vec
	inverted bool
}

func (v vec) Cmp(p formula.Predicate, w formula.Vec) formula.Mask {
	switch p {
	case formula.Less:
		return mask{w.(vec).two(arm64.FCMGT, v), false}
	case formula.LessEqual:
		return mask{w.(vec).two(arm64.FCMGE, v), false}
	case formula.Greater:
		return mask{v.two(arm64.FCMGT, w), false}
	case formula.GreaterEqual:
		return mask{v.two(arm64.FCMGE, w), false}
	}
	return mask{v.two(arm64.FCMEQ, w), p == formula.NotEqual}
}

func (v vec) IsNaN() formula.Mask { return v.Cmp(formula.NotEqual, v) }

func (v vec) SignMask() formula.Mask { return mask{v.shift(arm64.SSHR, 31), false} }

// plain returns the register of the mask, not inverted.
func (m mask) plain() arm64.Reg {
	if m.inverted {
		return m.v.one(arm64.MVN).r
	}
	return m.v.r
}

func (m mask) Blend(a, b formula.Vec) formula.Vec {
	if m.inverted {
		a, b = b, a
	}
	x, y := a.(vec).reg(), b.(vec).reg()
	d := m.v.fresh()
	m.v.g.fn.Vec(arm64.BSL, d, x, y)
	return m.v.g.vec(d)
}

// keep returns a where the mask says yes and zero elsewhere.
func (m mask) keep(a formula.Vec) formula.Vec {
	if m.inverted {
		return a.(vec).two(arm64.BIC, m.v)
	}
	return a.And(m.v)
}

func (m mask) One() formula.Vec { return m.keep(m.v.g.Num(1)) }

func (m mask) And(n formula.Mask) formula.Mask {
	o := n.(mask)
	if m.inverted && o.inverted {
		return mask{m.v.two(arm64.ORR, o.v), true}
	}
	return mask{m.v.g.vec(m.plain()).two(arm64.AND, m.v.g.vec(o.plain())), false}
}

func (m mask) Or(n formula.Mask) formula.Mask {
	o := n.(mask)
	if m.inverted && o.inverted {
		return mask{m.v.two(arm64.AND, o.v), true}
	}
	return mask{m.v.g.vec(m.plain()).two(arm64.ORR, m.v.g.vec(o.plain())), false}
}

func (m mask) Xor(n formula.Mask) formula.Mask {
	o := n.(mask)
	return mask{m.v.two(arm64.EOR, o.v), m.inverted != o.inverted}
}
