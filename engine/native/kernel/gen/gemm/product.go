package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const productSig = "func(k int, a *float32, ars, acs int, b *float32, brs int, " +
	"c *float32, ldc int, mask uint32, mode int, bias *float32)"

// block is the state of one product while its code is written.
type block struct {
	f         family
	rows      int
	k, b, brs Register
	acs       Register
	s, s3     Register   // one and three times the stride of rows of A
	bases     []Register // of every fourth row of A
	// acc are the sums, one set whatever the rows: a row of a product has the same bits beside any others.
	acc [][]Register
}

// product writes the kernel of a number of rows. To products of pairs of
// bfloat16, a pair is an element. Rows of A are found by one
// base for every four of them, which all advance by the stride of columns, so
// that A may be a matrix, a transposed one or a packed panel.
func (f family) product(rows int) {
	name := fmt.Sprintf("mul%dx%d%s", rows, f.width(), f.name())
	TEXT(name, NOSPLIT, productSig)
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is the product of %d rows of A with %d columns of B.", name, rows, f.width()))
	f.begin()
	p := &block{f: f, rows: rows}
	p.loadParams()
	p.prefetch()
	m := Load(Param("mask"), GP32())
	if f.isa == "512" {
		mk := f.masks(m)
		p.loop(mk, "")
		p.finish(mk, "")
		return
	}
	// Masked loads and stores of AVX2 are slow: full panels go without.
	t := GP32()
	MOVL(m, t)
	NOTL(t)
	SHLL(Imm(uint64(32-f.width())), t)
	TESTL(t, t)
	JNE(LabelRef("masked"))
	p.loop(nil, "full")
	p.finish(nil, "full")
	Label("masked")
	mk := f.masks(m)
	p.loop(mk, "part")
	p.finish(mk, "part")
}

func (p *block) loadParams() {
	p.k = Load(Param("k"), GP64())
	p.bases = []Register{Load(Param("a"), GP64())}
	if p.rows > 1 {
		p.s = strideParam("ars")
	}
	if p.rows > 3 {
		p.s3 = GP64()
		LEAQ(Mem{Base: p.s, Index: p.s, Scale: 2}, p.s3)
	}
	for i := 4; i < p.rows; i += 4 {
		nb := GP64()
		LEAQ(Mem{Base: p.bases[len(p.bases)-1], Index: p.s, Scale: 4}, nb)
		p.bases = append(p.bases, nb)
	}
	p.acs = strideParam("acs")
	p.b = Load(Param("b"), GP64())
	p.brs = strideParam("brs")
	p.acc = make([][]Register, p.rows)
	for i := range p.acc {
		for v := 0; v < p.f.vecs; v++ {
			p.acc[i] = append(p.acc[i], p.f.vec())
		}
	}
}

// prefetch asks for the rows of C, which a long sum gives time to come.
func (p *block) prefetch() {
	CMPQ(p.k, Imm(32))
	JLT(LabelRef("begin"))
	c := Load(Param("c"), GP64())
	ldc := strideParam("ldc")
	for i := 0; i < p.rows; i++ {
		for at := 0; at < p.f.width()*4; at += 64 {
			PREFETCHT0(Mem{Base: c, Disp: at})
		}
		if i < p.rows-1 {
			ADDQ(ldc, c)
		}
	}
	Label("begin")
}

// row is where the element of row i of A is.
func (p *block) row(i int) Mem {
	m := Mem{Base: p.bases[i/4]}
	switch i % 4 {
	case 1:
		m.Index, m.Scale = p.s, 1
	case 2:
		m.Index, m.Scale = p.s, 2
	case 3:
		m.Index, m.Scale = p.s3, 1
	}
	return m
}

// step adds the product of one column of A with one row of B.
func (p *block) step(mk *masks) {
	if mk != nil && p.f.isa == "256" && p.f.vecs > 1 {
		p.stepByVector(mk)
		return
	}
	var b []Register
	for v := 0; v < p.f.vecs; v++ {
		b = append(b, p.f.temporary(31-v))
		at := Mem{Base: p.b, Disp: v * p.f.lanes * 4}
		if mk == nil {
			VMOVUPS(at, b[v])
		} else {
			mk.load(v, at, b[v])
		}
	}
	ADDQ(p.brs, p.b)
	for i := 0; i < p.rows; i++ {
		if p.f.vecs == 1 && p.f.isa == "512" && p.f.fixed == nil {
			VFMADD231PS_BCST(p.row(i), b[0], p.acc[i][0])
			continue
		}
		a := p.f.temporary(i)
		VBROADCASTSS(p.row(i), a)
		for v := range b {
			p.f.multiplyAdd(b[v], a, p.acc[i][v])
		}
	}
	for _, base := range p.bases {
		ADDQ(p.acs, base)
	}
}

// stepByVector is step with one vector of B at a time. With masks, AVX2 has no registers for two.
func (p *block) stepByVector(mk *masks) {
	for v := 0; v < p.f.vecs; v++ {
		b, a := YMM(), YMM()
		mk.load(v, Mem{Base: p.b, Disp: v * p.f.lanes * 4}, b)
		for i := 0; i < p.rows; i++ {
			VBROADCASTSS(p.row(i), a)
			VFMADD231PS(b, a, p.acc[i][v])
		}
	}
	ADDQ(p.brs, p.b)
	for _, base := range p.bases {
		ADDQ(p.acs, base)
	}
}

// loop sums over k, two at a time.
func (p *block) loop(mk *masks, suffix string) {
	for _, row := range p.acc {
		for _, x := range row {
			zero(x, p.f.isa)
		}
	}
	SUBQ(I32(2), p.k)
	JLT(LabelRef("tail" + suffix))
	Label("loop" + suffix)
	p.step(mk)
	p.step(mk)
	SUBQ(I32(2), p.k)
	JGE(LabelRef("loop" + suffix))
	Label("tail" + suffix)
	ADDQ(I32(2), p.k)
	JEQ(LabelRef("sum" + suffix))
	p.step(mk)
	Label("sum" + suffix)
}

// finish adds C (mode 1) or the bias (mode 2) and stores.
func (p *block) finish(mk *masks, suffix string) {
	c := Load(Param("c"), GP64())
	ldc := strideParam("ldc")
	mode := Load(Param("mode"), GP64())
	at := func(base Register, v int) Mem { return Mem{Base: base, Disp: v * p.f.lanes * 4} }
	CMPQ(mode, Imm(1))
	JLT(LabelRef("store" + suffix))
	JEQ(LabelRef("add" + suffix))
	bias := Load(Param("bias"), GP64())
	for v := 0; v < p.f.vecs; v++ {
		t := p.f.temporary(31)
		if mk == nil {
			VMOVUPS(at(bias, v), t)
		} else {
			mk.load(v, at(bias, v), t)
		}
		for i := 0; i < p.rows; i++ {
			VADDPS(t, p.acc[i][v], p.acc[i][v])
		}
	}
	JMP(LabelRef("store" + suffix))
	Label("add" + suffix)
	c2 := GP64()
	MOVQ(c, c2)
	for i := 0; i < p.rows; i++ {
		for v, x := range p.acc[i] {
			if mk == nil {
				VADDPS(at(c2, v), x, x)
			} else {
				mk.add(v, at(c2, v), x)
			}
		}
		ADDQ(ldc, c2)
	}
	Label("store" + suffix)
	for i := 0; i < p.rows; i++ {
		for v, x := range p.acc[i] {
			if mk == nil {
				VMOVUPS(x, at(c, v))
			} else {
				mk.store(v, x, at(c, v))
			}
		}
		ADDQ(ldc, c)
	}
	VZEROUPPER()
	RET()
}
