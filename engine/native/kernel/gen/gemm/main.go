// Command gemm writes the matrix kernels of package kernel in assembly: the
// register-blocked products of a few rows of A with a panel of B, for AVX-512
// and for AVX2 with FMA, and the copies and transposes that pack panels.
//
// Run it by go generate in the folder of package kernel.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("amd64")
	bits := signBits()
	for _, f := range []family{
		{isa: "512", lanes: 16, vecs: 2, rows: 14},
		{isa: "512", lanes: 16, vecs: 1, rows: 16},
		{isa: "256", lanes: 8, vecs: 2, rows: 6, bits: bits},
		{isa: "256", lanes: 8, vecs: 1, rows: 12, bits: bits},
	} {
		for r := 1; r <= f.rows; r++ {
			f.product(r)
		}
		f.copyRows()
	}
	transpose512()
	transpose256(bits)
	family{isa: "512", lanes: 16}.peak()
	family{isa: "256", lanes: 8}.peak()
	for _, f := range []family{
		{isa: "512", lanes: 16, vecs: 2, rows: 14, fixed: new(int)},
		{isa: "512", lanes: 16, vecs: 1, rows: 16, fixed: new(int)},
	} {
		for r := 1; r <= f.rows; r++ {
			f.product(r)
		}
	}
	family{isa: "512", lanes: 16, fixed: new(int)}.peak()
	for _, f := range []family{{isa: "512", lanes: 16, vecs: 1}, {isa: "256", lanes: 8, vecs: 1, bits: bits}} {
		for cols := 1; cols <= dotsMax; cols++ {
			f.dots(f.dotRows(cols), cols)
			f.dots(1, cols)
		}
	}
	pairNeighbours()
	pairRows(false)
	pairRows(true)
	for rows := 1; rows <= 2; rows++ {
		for cols := 1; cols <= 2; cols++ {
			tileProduct(rows, cols)
		}
	}
	tilePeak()
	order := interleave()
	pairTiles()
	pairPanel(order)
	pairTurned(order)
	Generate()
}

// family is the products of one width of panel: rows times lanes*vecs columns.
type family struct {
	isa   string
	lanes int // floats in a vector
	vecs  int // vectors in a row of a panel
	rows  int // the most rows
	bits  Mem // shifts that bring the bit of a column to the sign of its lane
	// fixed is set for products of pairs of bfloat16. Their instructions are bytes to
	// avo, which cannot choose registers for these: it counts those that are taken.
	fixed *int
}

// name is the end of the names of functions.
func (f family) name() string {
	if f.fixed != nil {
		return "AVX512BF16"
	}
	return "AVX" + f.isa
}

// begin starts a function, in which all registers are free.
func (f family) begin() {
	if f.fixed != nil {
		*f.fixed = 0
	}
}

func (f family) vec() Register {
	if f.fixed != nil {
		*f.fixed++
		return zmm(*f.fixed - 1)
	}
	if f.isa == "512" {
		return ZMM()
	}
	return YMM()
}

// width is the number of columns of a panel.
func (f family) width() int { return f.lanes * f.vecs }

// signBits is the table of shifts that turns a mask of 16 bits into sign bits.
func signBits() Mem {
	g := GLOBL("gemm_sign_bits", RODATA|NOPTR)
	for i := 0; i < 16; i++ {
		DATA(4*i, U32(31-i))
	}
	return g
}

// masks holds the masks of the columns of a panel: registers K or sign bits.
type masks struct {
	f family
	k []Register
}

func (f family) masks(m Register) *masks {
	s := &masks{f: f}
	if f.isa == "512" {
		for v := 0; v < f.vecs; v++ {
			k := K()
			if v > 0 {
				SHRL(Imm(16), m)
			}
			KMOVW(m, k)
			s.k = append(s.k, k)
		}
		return s
	}
	x, all := XMM(), YMM()
	VMOVD(m, x)
	VPBROADCASTD(x, all)
	for v := 0; v < f.vecs; v++ {
		y := YMM()
		t := f.bits
		t.Disp = v * 32
		VMOVDQU(t, y)
		VPSLLVD(y, all, y)
		s.k = append(s.k, y)
	}
	return s
}

// load reads vector v of a row at mem, zeros where the mask has none.
func (s *masks) load(v int, mem Mem, to Register) {
	if s.f.isa == "512" {
		VMOVUPS_Z(mem, s.k[v], to)
		return
	}
	VMASKMOVPS(mem, s.k[v], to)
}

func (s *masks) store(v int, from Register, mem Mem) {
	if s.f.isa == "512" {
		VMOVUPS(from, s.k[v], mem)
		return
	}
	VMASKMOVPS(from, s.k[v], mem)
}

// add adds what is at mem to x, where the mask has the column.
func (s *masks) add(v int, mem Mem, x Register) {
	if s.f.isa == "512" {
		VADDPS(mem, x, s.k[v], x)
		return
	}
	t := YMM()
	VMASKMOVPS(mem, s.k[v], t)
	VADDPS(t, x, x)
}

func zero(x Register, isa string) {
	if isa == "512" {
		VPXORD(x, x, x)
		return
	}
	VXORPS(x, x, x)
}

// strideParam loads a stride and turns elements into bytes.
func strideParam(name string) Register {
	s := Load(Param(name), GP64())
	SHLQ(Imm(2), s)
	return s
}

// copyRows writes k rows of a panel from rows of a matrix, zeros past the mask.
func (f family) copyRows() {
	TEXT(fmt.Sprintf("copyRows%dAVX%s", f.width(), f.isa), NOSPLIT,
		"func(k int, src *float32, ss int, dst *float32, ds int, mask uint32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("copyRows%dAVX%s copies k rows of %d columns, zeros where mask has none.",
		f.width(), f.isa, f.width()))
	k := Load(Param("k"), GP64())
	src := Load(Param("src"), GP64())
	ss := strideParam("ss")
	dst := Load(Param("dst"), GP64())
	ds := strideParam("ds")
	m := f.masks(Load(Param("mask"), GP32()))
	TESTQ(k, k)
	JLE(LabelRef("done"))
	Label("loop")
	var t []Register
	for v := 0; v < f.vecs; v++ {
		t = append(t, f.vec())
		m.load(v, Mem{Base: src, Disp: v * f.lanes * 4}, t[v])
	}
	ADDQ(ss, src)
	for v := 0; v < f.vecs; v++ {
		VMOVUPS(t[v], Mem{Base: dst, Disp: v * f.lanes * 4})
	}
	ADDQ(ds, dst)
	DECQ(k)
	JG(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// peak is a loop of nothing but multiply-adds: what the core can do at best.
func (f family) peak() {
	TEXT("peak"+f.name(), NOSPLIT, "func(n int)")
	what := "multiply-adds"
	if f.fixed != nil {
		what = "pairs of multiply-adds"
	}
	Doc(fmt.Sprintf("peak%s does n times 12 %s of %d floats.", f.name(), what, f.lanes))
	f.begin()
	n := Load(Param("n"), GP64())
	x := f.vec()
	zero(x, f.isa)
	var acc []Register
	for i := 0; i < 12; i++ {
		acc = append(acc, f.vec())
		zero(acc[i], f.isa)
	}
	Label("loop")
	for _, a := range acc {
		f.multiplyAdd(x, x, a)
	}
	DECQ(n)
	JG(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// multiplyAdd adds a·b to c.
func (f family) multiplyAdd(a, b, c Register) {
	if f.fixed != nil {
		dotPairs(a, b, c)
		return
	}
	VFMADD231PS(a, b, c)
}
