package main

import (
	"fmt"
	"math"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// gen emits code for one level.
type gen struct {
	*build.Context
	wide bool // AVX-512, else AVX2

	isDry bool // this code is thrown away

	data    map[string]operand.Mem // tables in memory, by name
	hoisted map[uint32]vec         // constants that live in registers, in the function at hand
	asked   []uint32               // constants asked for, in order of the first time
	flag    operand.Op             // lanes flagged by raise, in a function that has it
}

func newGen(ctx *build.Context, wide bool) *gen {
	return &gen{Context: ctx, wide: wide, data: map[string]operand.Mem{}}
}

// name returns the name of a function at this level.
func (g *gen) name(base string) string {
	if g.wide {
		return base + "AVX512"
	}
	return base + "AVX2"
}

// lanes returns how many floats a vector holds.
func (g *gen) lanes() int {
	if g.wide {
		return 16
	}
	return 8
}

// bytes returns the size of a vector.
func (g *gen) bytes() int { return 4 * g.lanes() }

func (g *gen) newReg() reg.VecVirtual {
	if g.wide {
		return g.ZMM()
	}
	return g.YMM()
}

// vec is a vector of float32 or of 32-bit integers: a register or, for a
// constant, memory. Methods leave their receiver as it is and return a new
// register, unless they say otherwise.
type vec struct {
	g  *gen
	op operand.Op
}

func (g *gen) vec(op operand.Op) vec { return vec{g, op} }

// reg returns v in a register.
func (v vec) reg() operand.Op {
	if _, ok := v.op.(operand.Mem); !ok {
		return v.op
	}
	d := v.g.newReg()
	v.g.VMOVUPS(v.op, d)
	return d
}

// copy returns v in a register of its own.
func (v vec) copy() operand.Op {
	d := v.g.newReg()
	v.g.VMOVUPS(v.op, d)
	return d
}

// bits returns a constant in all lanes.
func (g *gen) bits(u uint32) vec {
	if v, ok := g.hoisted[u]; ok {
		return v
	}
	known := false
	for _, a := range g.asked {
		known = known || a == u
	}
	if !known {
		g.asked = append(g.asked, u)
	}
	var table [16]uint32
	for i := range table {
		table[i] = u
	}
	return g.vec(g.table(fmt.Sprintf("c%08x", u), table[:g.lanes()]))
}

// num returns a floating-point constant in all lanes.
func (g *gen) num(f float64) vec { return g.bits(math.Float32bits(float32(f))) }

// table returns read-only memory that holds words.
func (g *gen) table(base string, words []uint32) operand.Mem {
	if m, ok := g.data[base]; ok {
		return m
	}
	m := g.StaticGlobal(g.name(base))
	g.DataAttributes(attr.RODATA | attr.NOPTR)
	for i, w := range words {
		g.AddDatum(4*i, operand.U32(w))
	}
	g.data[base] = m
	return m
}

type emitter = func(ops ...operand.Op)

func (v vec) two(emit emitter, w vec) vec {
	d := v.g.newReg()
	emit(w.op, v.reg(), d)
	return v.g.vec(d)
}

// either is two for operations that commute, so that either operand may be memory.
func (v vec) either(emit emitter, w vec) vec {
	if _, ok := v.op.(operand.Mem); ok {
		v, w = w, v
	}
	return v.two(emit, w)
}

func (v vec) one(emit emitter) vec {
	d := v.g.newReg()
	emit(v.op, d)
	return v.g.vec(d)
}

func (v vec) imm(emit emitter, i int) vec {
	d := v.g.newReg()
	emit(operand.Imm(uint64(i)), v.reg(), d)
	return v.g.vec(d)
}

func (v vec) add(w vec) vec { return v.either(v.g.VADDPS, w) }
func (v vec) sub(w vec) vec { return v.two(v.g.VSUBPS, w) }
func (v vec) mul(w vec) vec { return v.either(v.g.VMULPS, w) }
func (v vec) div(w vec) vec { return v.two(v.g.VDIVPS, w) }
func (v vec) sqrt() vec     { return v.one(v.g.VSQRTPS) }
func (v vec) and(w vec) vec { return v.either(v.g.VANDPS, w) }
func (v vec) or(w vec) vec  { return v.either(v.g.VORPS, w) }
func (v vec) xor(w vec) vec { return v.either(v.g.VXORPS, w) }

// maxOr and minOr are what x86 calls the maximum and the minimum: w where either is NaN.
func (v vec) maxOr(w vec) vec { return v.two(v.g.VMAXPS, w) }
func (v vec) minOr(w vec) vec { return v.two(v.g.VMINPS, w) }

// max and min are NaN where either operand is.
func (v vec) max(w vec) vec { return v.cmp(unord, v).blend(v, v.maxOr(w)) }
func (v vec) min(w vec) vec { return v.cmp(unord, v).blend(v, v.minOr(w)) }

func (v vec) abs() vec { return v.and(v.g.bits(0x7fffffff)) }
func (v vec) neg() vec { return v.xor(v.g.bits(0x80000000)) }

// sign returns the sign bit alone.
func (v vec) sign() vec { return v.and(v.g.bits(0x80000000)) }

// fma returns v*w + z.
func (v vec) fma(w, z vec) vec {
	if _, ok := z.op.(operand.Mem); ok {
		d := v.copy()
		v.g.VFMADD213PS(z.op, w.reg(), d)
		return v.g.vec(d)
	}
	if _, ok := v.op.(operand.Mem); ok {
		v, w = w, v
	}
	d := z.copy()
	v.g.VFMADD231PS(w.op, v.reg(), d)
	return v.g.vec(d)
}

// fnma returns z - v*w.
func (v vec) fnma(w, z vec) vec {
	if _, ok := v.op.(operand.Mem); ok {
		v, w = w, v
	}
	d := z.copy()
	v.g.VFNMADD231PS(w.op, v.reg(), d)
	return v.g.vec(d)
}

// fms returns v*w - z.
func (v vec) fms(w, z vec) vec {
	d := v.copy()
	v.g.VFMSUB213PS(z.op, w.reg(), d)
	return v.g.vec(d)
}

// poly returns the polynomial in v with the coefficients, the highest power first.
func (v vec) poly(coefficients ...float64) vec {
	p := v.g.num(coefficients[0]).copy()
	for _, c := range coefficients[1:] {
		v.g.VFMADD213PS(v.g.num(c).op, v.reg(), p)
	}
	return v.g.vec(p)
}

// Modes of round.
const (
	toEven = 8
	toDown = 9
	toUp   = 10
	toZero = 11
)

func (v vec) round(mode int) vec {
	d := v.g.newReg()
	if v.g.wide {
		v.g.VRNDSCALEPS(operand.Imm(uint64(mode)), v.op, d)
	} else {
		v.g.VROUNDPS(operand.Imm(uint64(mode)), v.op, d)
	}
	return v.g.vec(d)
}
