// Command double writes the kernels of package kernel that multiply and add rows of float64, and take exponentials, for
// AVX-512 and for AVX2 with FMA.
//
// Run it by go generate in the folder of package kernel.
package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("amd64")
	bits, table := laneMasks(), expTable()
	for _, f := range []family{
		{isa: "512", lanes: 8, rows: 4, cols: 4}, {isa: "256", lanes: 4, rows: 4, cols: 3, bits: bits},
	} {
		f.dots()
		f.addRows()
		f.exps(table)
	}
	Generate()
}

// family is the products of so many rows with so many others: as many sums as there are registers for,
// so that two loads serve at least three multiply-adds.
type family struct {
	isa        string
	lanes      int // numbers in a vector
	rows, cols int
	bits       Mem // of AVX2: lanes that are there, and as many that are not
}

// laneMasks is the table from which the masks of AVX2 are read: from lane 4-n on, n are there.
func laneMasks() Mem {
	g := GLOBL("double_lane_masks", RODATA|NOPTR)
	for i := range 8 {
		v := U64(0)
		if i < 4 {
			v = ^v
		}
		DATA(8*i, v)
	}
	return g
}

func (f family) vec() VecVirtual {
	if f.isa == "512" {
		return ZMM()
	}
	return YMM()
}

// dots writes the function of a tile. The order of a sum is the same wherever in a tile it is.
func (f family) dots() {
	name := fmt.Sprintf("double%dx%dAVX%s", f.rows, f.cols, f.isa)
	TEXT(name, NOSPLIT, "func(k int, a, b **float64, sums *float64)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s writes the products of %d rows with %d others, all of k numbers, row by row.", name, f.rows,
		f.cols))
	k := Load(Param("k"), GP64())
	a, b := f.begins("a", f.rows), f.begins("b", f.cols)
	acc := make([][]VecVirtual, f.rows)
	for i := range acc {
		for range f.cols {
			x := f.vec()
			if f.isa == "512" {
				VPXORQ(x, x, x)
			} else {
				VXORPD(x, x, x)
			}
			acc[i] = append(acc[i], x)
		}
	}
	at := GP64()
	XORQ(at, at)
	SUBQ(I32(int32(f.lanes)), k)
	JLT(LabelRef("tail"))
	Label("loop")
	f.step(at, a, b, acc)
	ADDQ(I32(int32(8*f.lanes)), at)
	SUBQ(I32(int32(f.lanes)), k)
	JGE(LabelRef("loop"))
	Label("tail")
	ADDQ(I32(int32(f.lanes)), k)
	JEQ(LabelRef("sum"))
	f.end(k.(GPVirtual), at, a, b, acc)
	Label("sum")
	sums := Load(Param("sums"), GP64())
	for i := range acc {
		for j, x := range acc[i] {
			VMOVSD(f.across(x), Mem{Base: sums, Disp: 8 * (i*f.cols + j)})
		}
	}
	VZEROUPPER()
	RET()
}

// begins loads where rows begin.
func (f family) begins(param string, n int) (rows []Register) {
	list := Load(Param(param), GP64())
	for i := range n {
		r := GP64()
		MOVQ(Mem{Base: list, Disp: 8 * i}, r)
		rows = append(rows, r)
	}
	return rows
}

// access reads and writes vectors, or the beginning of them.
type access struct{ load, store func(from, to Op) }

// whole is the access to whole vectors.
var whole = access{func(from, to Op) { VMOVUPD(from, to) }, func(from, to Op) { VMOVUPD(from, to) }}

// some is the access to the first n numbers of vectors; what else is read is zeros.
func (f family) some(n GPVirtual) access {
	if f.isa == "512" {
		mask, k := GP32(), K()
		MOVL(n.As32(), ECX)
		MOVL(U32(1), mask)
		SHLL(CL, mask)
		DECL(mask)
		KMOVW(mask, k)
		return access{func(from, to Op) { VMOVUPD_Z(from, k, to) }, func(from, to Op) { VMOVUPD(from, k, to) }}
	}
	table, mask := GP64(), YMM()
	LEAQ(f.bits, table)
	NEGQ(n)
	VMOVDQU(Mem{Base: table, Index: n, Scale: 8, Disp: 32}, mask)
	masked := func(from, to Op) { VMASKMOVPD(from, mask, to) }
	return access{masked, masked}
}

// step adds the products of a vector of each row.
func (f family) step(at Register, a, b []Register, acc [][]VecVirtual) {
	var y []VecVirtual
	for j := range b {
		y = append(y, f.vec())
		VMOVUPD(Mem{Base: b[j], Index: at, Scale: 1}, y[j])
	}
	for i, row := range a {
		x := f.vec()
		VMOVUPD(Mem{Base: row, Index: at, Scale: 1}, x)
		for j := range y {
			VFMADD231PD(x, y[j], acc[i][j])
		}
	}
}

// end is step for the first n numbers of vectors. With the mask there are not as many registers.
func (f family) end(n GPVirtual, at Register, a, b []Register, acc [][]VecVirtual) {
	load := f.some(n).load
	for j, col := range b {
		y := f.vec()
		load(Mem{Base: col, Index: at, Scale: 1}, y)
		for i, row := range a {
			x := f.vec()
			load(Mem{Base: row, Index: at, Scale: 1}, x)
			VFMADD231PD(x, y, acc[i][j])
		}
	}
}

// strip is how many vectors of a sum of rows are in registers together.
const strip = 8

// addRows writes the function that adds weighted rows to one: the sum of a strip stays in registers.
func (f family) addRows() {
	name := "addDoublesAVX" + f.isa
	TEXT(name, NOSPLIT, "func(n int, y *float64, count int, w *float64, rows **float64)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s adds w[l] times rows[l], for l from 0 to before count, to y, all of n numbers.", name))
	n, y := Load(Param("n"), GP64()), Load(Param("y"), GP64())
	count, w, rows := Load(Param("count"), GP64()), Load(Param("w"), GP64()), Load(Param("rows"), GP64())
	at := GP64()
	XORQ(at, at)
	for _, vecs := range []int{strip, 1} {
		loop, done := fmt.Sprintf("by%d", vecs), fmt.Sprintf("not%d", vecs)
		Label(loop)
		CMPQ(n, I32(int32(vecs*f.lanes)))
		JLT(LabelRef(done))
		f.addStrip(loop+"rows", vecs, whole, at, y, count, w, rows)
		ADDQ(I32(int32(8*vecs*f.lanes)), at)
		SUBQ(I32(int32(vecs*f.lanes)), n)
		JMP(LabelRef(loop))
		Label(done)
	}
	TESTQ(n, n)
	JLE(LabelRef("end"))
	f.addStrip("rest", 1, f.some(n.(GPVirtual)), at, y, count, w, rows)
	Label("end")
	VZEROUPPER()
	RET()
}

// addStrip adds rows to so many vectors.
func (f family) addStrip(loop string, vecs int, by access, at, y, count, w, rows Register) {
	mem := func(base Register, v int) Mem { return Mem{Base: base, Index: at, Scale: 1, Disp: 8 * f.lanes * v} }
	var acc []VecVirtual
	for v := range vecs {
		acc = append(acc, f.vec())
		by.load(mem(y, v), acc[v])
	}
	l, row, weight := GP64(), GP64(), f.vec()
	XORQ(l, l)
	Label(loop)
	MOVQ(Mem{Base: rows, Index: l, Scale: 8}, row)
	VBROADCASTSD(Mem{Base: w, Index: l, Scale: 8}, weight)
	for v := range vecs {
		x := f.vec()
		by.load(mem(row, v), x)
		VFMADD231PD(x, weight, acc[v])
	}
	INCQ(l)
	CMPQ(l, count)
	JLT(LabelRef(loop))
	for v := range vecs {
		by.store(acc[v], mem(y, v))
	}
}

// across adds the lanes of a vector.
func (f family) across(x VecVirtual) Register {
	half, quarter, t := x.AsY(), x.AsX(), XMM()
	if f.isa == "512" {
		y := YMM()
		VEXTRACTF64X4(Imm(1), x, y)
		VADDPD(y, half, half)
		VEXTRACTF64X2(Imm(1), half, t)
	} else {
		VEXTRACTF128(Imm(1), half, t)
	}
	VADDPD(t, quarter, quarter)
	VPERMILPD(Imm(1), quarter, t)
	VADDPD(t, quarter, quarter)
	return quarter
}

// What expTable holds, each as often as a vector of AVX-512 has lanes: the least argument, what rounds to whole
// numbers, log2 e, ln 2 as the sum of two numbers, and the coefficients of the Taylor series of exp. Between -ln(2)/2
// and ln(2)/2 the series of degree 13 is within 2^-57 of exp.
const (
	expLeast = iota
	expRound
	expLog2E
	expHigh
	expLow
	expSeries // of r^13 first
	expDegree = 13
)

// expTable is the table of constants.
func expTable() Mem {
	g := GLOBL("double_exp_table", RODATA|NOPTR)
	at := 0
	add := func(v float64) {
		for range 8 {
			DATA(at, F64(v))
			at += 8
		}
	}
	for _, v := range []float64{-700, 0x1.8p52, math.Log2E, math.Ln2, 0x1.abc9e3b39803fp-56} {
		add(v)
	}
	for k := expDegree; k >= 0; k-- {
		factorial := 1.0
		for i := 2; i <= k; i++ {
			factorial *= float64(i)
		}
		add(1 / factorial)
	}
	return g
}

// exps writes the function of exponentials. x is n ln 2 + r, and e^x is 2^n e^r: n is added to the exponent.
func (f family) exps(table Mem) {
	name := "expDoublesAVX" + f.isa
	TEXT(name, NOSPLIT, "func(n int, y, x *float64, top float64)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s writes the exponentials of max(x-top, -700), at most 1, into y, all of n numbers.", name))
	n, y, x := Load(Param("n"), GP64()), Load(Param("y"), GP64()), Load(Param("x"), GP64())
	top, constants := f.vec(), GP64()
	t, _ := Param("top").Resolve()
	VBROADCASTSD(t.Addr, top)
	LEAQ(table, constants)
	at := GP64()
	XORQ(at, at)
	Label("loop")
	CMPQ(n, I32(int32(f.lanes)))
	JLT(LabelRef("rest"))
	f.exp(whole, at, x, y, constants, top)
	ADDQ(I32(int32(8*f.lanes)), at)
	SUBQ(I32(int32(f.lanes)), n)
	JMP(LabelRef("loop"))
	Label("rest")
	TESTQ(n, n)
	JLE(LabelRef("end"))
	f.exp(f.some(n.(GPVirtual)), at, x, y, constants, top)
	Label("end")
	VZEROUPPER()
	RET()
}

// exp is exps of one vector.
func (f family) exp(by access, at, x, y, constants Register, top VecVirtual) {
	constant := func(i int) Mem { return Mem{Base: constants, Disp: 64 * i} }
	v, n, r, p := f.vec(), f.vec(), f.vec(), f.vec()
	by.load(Mem{Base: x, Index: at, Scale: 1}, v)
	VSUBPD(top, v, v)
	VMOVUPD(constant(expLeast), p)
	VMAXPD(v, p, v) // of what is no number that
	VMOVUPD(constant(expRound), n)
	VFMADD231PD(constant(expLog2E), v, n)
	VSUBPD(constant(expRound), n, p)
	VMOVUPD(v, r)
	VFNMADD231PD(constant(expHigh), p, r)
	VFNMADD231PD(constant(expLow), p, r)
	VMOVUPD(constant(expSeries), p)
	for k := 1; k <= expDegree; k++ {
		VFMADD213PD(constant(expSeries+k), r, p)
	}
	VPSLLQ(Imm(52), n, n)
	VPADDQ(n, p, p)
	VSUBPD(v, v, v) // 0, or no number
	VADDPD(v, p, p)
	by.store(p, Mem{Base: y, Index: at, Scale: 1})
}
