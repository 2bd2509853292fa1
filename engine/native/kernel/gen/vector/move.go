package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// movement writes the loops that bring numbers to other places.
func movement(g *gen) {
	rowwise(g, "copyRows", true, func(_ *gen, x vec, _ operand.Mem, _ *mask) vec { return x })
	rowwise(g, "addRows", true, func(g *gen, x vec, dst operand.Mem, m *mask) vec { return g.load(dst, m).add(x) })
	rowwise(g, "expandRows", false, nil)
	for cols := 2; cols <= 4; cols++ {
		expand(g, cols)
	}
	transpose(g)
}

// rowwise writes a loop over the rows of matrices with strides in elements;
// rows and cols are positive. With no source matrix, row r takes number r of
// src, in all lanes.
func rowwise(g *gen, name string, matrix bool, f func(g *gen, x vec, dst operand.Mem, m *mask) vec) {
	sig := "func(rows int, cols int, dst *float32, ds int, src *float32, ss int)"
	g.function(name, sig)
	rows := g.Load(g.Param("rows"), g.GP64())
	cols := g.Load(g.Param("cols"), g.GP64())
	dst := g.Load(g.Param("dst"), g.GP64())
	ds := g.Load(g.Param("ds"), g.GP64())
	src := g.Load(g.Param("src"), g.GP64())
	ss := g.Load(g.Param("ss"), g.GP64())
	rest, i, n := g.GP64(), g.GP64(), g.GP64()
	g.MOVQ(cols, rest)
	g.ANDQ(operand.Imm(uint64(g.lanes()-1)), rest)
	m := g.tailMask(rest)
	at := func(p reg.Register, u int) operand.Mem {
		return operand.Mem{Base: p, Index: i, Scale: 4, Disp: u * g.bytes()}
	}
	all := g.newReg()
	step := func(u int, m *mask) {
		v := g.vec(all)
		if matrix {
			v = f(g, g.load(at(src, u), m), at(dst, u), m)
		}
		g.store(v, at(dst, u), m)
	}
	g.Label("row")
	if !matrix {
		g.VBROADCASTSS(operand.Mem{Base: src}, all)
	}
	g.XORQ(i, i)
	g.MOVQ(cols, n)
	for _, width := range []int{4, 1} {
		label := fmt.Sprintf("by%d", width)
		g.SUBQ(operand.I32(int32(width*g.lanes())), n)
		g.JLT(operand.LabelRef(label + "end"))
		g.Label(label)
		for u := range width {
			step(u, nil)
		}
		g.ADDQ(operand.I32(int32(width*g.lanes())), i)
		g.SUBQ(operand.I32(int32(width*g.lanes())), n)
		g.JGE(operand.LabelRef(label))
		g.Label(label + "end")
		g.ADDQ(operand.I32(int32(width*g.lanes())), n)
	}
	g.JLE(operand.LabelRef("next"))
	step(0, &m)
	g.Label("next")
	g.LEAQ(operand.Mem{Base: dst, Index: ds, Scale: 4}, dst)
	g.LEAQ(operand.Mem{Base: src, Index: ss, Scale: 4}, src)
	g.DECQ(rows)
	g.JNZ(operand.LabelRef("row"))
	g.VZEROUPPER()
	g.RET()
}

// expand writes each of n numbers, a multiple of 16, cols times in a row.
func expand(g *gen, cols int) {
	g.function(fmt.Sprintf("expand%d", cols), "func(n int, dst *float32, x *float32)")
	n := g.Load(g.Param("n"), g.GP64())
	dst := g.Load(g.Param("dst"), g.GP64())
	x := g.Load(g.Param("x"), g.GP64())
	order := make([]operand.Op, cols)
	for j := range order {
		words := make([]uint32, g.lanes())
		for l := range words {
			words[l] = uint32((g.lanes()*j + l) / cols)
		}
		order[j] = g.vec(g.table(fmt.Sprintf("expand%dpart%d", cols, j), words)).copy()
	}
	g.SUBQ(operand.I32(int32(g.lanes())), n)
	g.JLT(operand.LabelRef("done"))
	g.Label("loop")
	v := g.load(operand.Mem{Base: x}, nil)
	for j := range order {
		d := g.newReg()
		g.VPERMPS(v.op, order[j], d)
		g.store(g.vec(d), operand.Mem{Base: dst, Disp: j * g.bytes()}, nil)
	}
	g.ADDQ(operand.I32(int32(g.bytes())), x)
	g.ADDQ(operand.I32(int32(cols*g.bytes())), dst)
	g.SUBQ(operand.I32(int32(g.lanes())), n)
	g.JGE(operand.LabelRef("loop"))
	g.Label("done")
	g.VZEROUPPER()
	g.RET()
}

// transposition holds the registers of the loop that transposes.
type transposition struct {
	rows, cols, dst, ds, src, ss reg.GPVirtual
}

// transpose writes the transposition of 1 to 16 (AVX2: 8) rows of any length.
func transpose(g *gen) {
	g.function("transposeRows", "func(rows int, cols int, dst *float32, ds int, src *float32, ss int)")
	arg := func(name string) reg.GPVirtual { return g.Load(g.Param(name), g.GP64()).(reg.GPVirtual) }
	t := transposition{arg("rows"), arg("cols"), arg("dst"), arg("ds"), arg("src"), arg("ss")}
	g.SHLQ(operand.Imm(2), t.ds)
	g.SHLQ(operand.Imm(2), t.ss)
	t.full(g)
	t.edge(g)
	g.Label("done")
	g.VZEROUPPER()
	g.RET()
}

// full writes the loop over whole blocks.
func (t transposition) full(g *gen) {
	lanes := int32(g.lanes())
	g.CMPQ(t.rows, operand.Imm(uint64(lanes)))
	g.JNE(operand.LabelRef("edge"))
	g.SUBQ(operand.I32(lanes), t.cols)
	g.JLT(operand.LabelRef("full_end"))
	g.Label("full")
	p := g.GP64()
	g.MOVQ(t.src, p)
	block := make([]vec, lanes)
	for i := range block {
		block[i] = g.load(operand.Mem{Base: p}, nil)
		g.ADDQ(t.ss, p)
	}
	for _, v := range turn(g, block) {
		g.store(v, operand.Mem{Base: t.dst}, nil)
		g.ADDQ(t.ds, t.dst)
	}
	g.ADDQ(operand.I32(int32(g.bytes())), t.src)
	g.SUBQ(operand.I32(lanes), t.cols)
	g.JGE(operand.LabelRef("full"))
	g.Label("full_end")
	g.ADDQ(operand.I32(lanes), t.cols)
}

// edge writes the loop over blocks with fewer rows or columns. Rows that are not
// there are read from the last one; the mask keeps them from the result.
func (t transposition) edge(g *gen) {
	g.Label("edge")
	g.TESTQ(t.cols, t.cols)
	g.JLE(operand.LabelRef("done"))
	rowMask := g.tailMask(t.rows)
	some, p, step, zero := g.GP64(), g.GP64(), g.GP64(), g.GP64()
	g.XORQ(zero, zero)
	g.MOVQ(operand.I32(int32(g.lanes())), some)
	g.CMPQ(t.cols, some)
	g.CMOVQLT(t.cols, some)
	colMask := g.tailMask(some)
	g.MOVQ(t.src, p)
	block := make([]vec, g.lanes())
	for i := range block {
		block[i] = g.load(operand.Mem{Base: p}, &colMask)
		g.MOVQ(t.ss, step)
		g.CMPQ(t.rows, operand.Imm(uint64(i+2)))
		g.CMOVQLT(zero, step)
		g.ADDQ(step, p)
	}
	for _, v := range turn(g, block) {
		g.store(v, operand.Mem{Base: t.dst}, &rowMask)
		g.ADDQ(t.ds, t.dst)
		g.DECQ(t.cols)
		g.JLE(operand.LabelRef("done"))
	}
	g.ADDQ(operand.I32(int32(g.bytes())), t.src)
	g.JMP(operand.LabelRef("edge"))
}

// turn transposes a square block.
func turn(g *gen, r []vec) []vec {
	pair := func(lo, hi emitter, a, b vec) (vec, vec) { return a.two(lo, b), a.two(hi, b) }
	shuffle := func(a, b vec, order uint64) vec {
		d := g.newReg()
		if g.wide {
			g.VSHUFF32X4(operand.Imm(order), b.op, a.op, d)
		} else {
			g.VPERM2F128(operand.Imm(order), b.op, a.op, d)
		}
		return g.vec(d)
	}
	n := len(r)
	t, u := make([]vec, n), make([]vec, n)
	for i := 0; i < n; i += 2 {
		t[i], t[i+1] = pair(g.VUNPCKLPS, g.VUNPCKHPS, r[i], r[i+1])
	}
	for i := 0; i < n; i += 4 {
		u[i], u[i+1] = pair(g.VUNPCKLPD, g.VUNPCKHPD, t[i], t[i+2])
		u[i+2], u[i+3] = pair(g.VUNPCKLPD, g.VUNPCKHPD, t[i+1], t[i+3])
	}
	// Part L of u[i+c] now holds column 4L+c of the rows i to i+3.
	out := make([]vec, n)
	for c := range 4 {
		if !g.wide {
			out[c], out[4+c] = shuffle(u[c], u[4+c], 0x20), shuffle(u[c], u[4+c], 0x31)
			continue
		}
		a0, b0 := shuffle(u[c], u[4+c], 0x88), shuffle(u[c], u[4+c], 0xdd)
		a1, b1 := shuffle(u[8+c], u[12+c], 0x88), shuffle(u[8+c], u[12+c], 0xdd)
		out[c], out[8+c] = shuffle(a0, a1, 0x88), shuffle(a0, a1, 0xdd)
		out[4+c], out[12+c] = shuffle(b0, b1, 0x88), shuffle(b0, b1, 0xdd)
	}
	return out
}
