package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// What brings floats into tiles of pairs of bfloat16: a tile has up to 16 rows of 16 pairs that are neighbours
// along k, 64 bytes each. Past k are zeros.

// lowBits makes a mask of the lowest n, which may be negative, of 16 lanes.
func lowBits(n Register, k Register) {
	zero, bits := GP64(), GP64()
	XORQ(zero, zero)
	MOVQ(n, bits)
	CMPQ(bits, zero)
	CMOVQLT(zero, bits)
	KMOVW(lowOnes(bits), k)
}

// lowOnes has the lowest n bits of 16 set; n is not negative.
func lowOnes(n Register) Register {
	bits, count := GP32(), GP32()
	MOVL(U32(16), count)
	CMPL(n.(GPVirtual).As32(), count)
	CMOVLLT(n.(GPVirtual).As32(), count)
	MOVL(I32(-1), bits)
	SHLXL(count, bits, bits)
	NOTL(bits)
	return bits
}

// pairTiles writes the packing of rows, which lie along k.
func pairTiles() {
	TEXT("pairTilesAMX", NOSPLIT, "func(rows, k int, x *float32, xs int, dst *uint16)")
	Pragma("noescape")
	Doc("pairTilesAMX makes tiles of up to 16 rows of k floats, xs apart: row r of chunk c is at dst[512c+32r].")
	rows, k := Load(Param("rows"), GP64()), Load(Param("k"), GP64())
	x, xs, dst := Load(Param("x"), GP64()), strideParam("xs"), Load(Param("dst"), GP64())
	left, from, to := GP64(), GP64(), GP64()
	Label("row")
	MOVQ(k, left)
	MOVQ(x, from)
	MOVQ(dst, to)
	pairVectors(left, from, to, 1024, "next")
	m := K()
	lowBits(left, m)
	VMOVUPS_Z(Mem{Base: from}, m, Z0)
	SUBQ(I32(16), left)
	lowBits(left, m)
	VMOVUPS_Z(Mem{Base: from, Disp: 64}, m, Z1)
	convertPairs(Z0, Z1, Z2)
	VMOVUPS(Z2, Mem{Base: to})
	Label("next")
	ADDQ(xs, x)
	ADDQ(I32(64), dst)
	DECQ(rows)
	JG(LabelRef("row"))
	VZEROUPPER()
	RET()
}

// interleave is the order of words that makes pairs of a row of 16 and of the one after it.
func interleave() Mem {
	g := GLOBL("gemm_interleave", RODATA|NOPTR)
	for i := range 16 {
		DATA(4*i, U32(i|(16+i)<<16))
	}
	return g
}

// pairUp makes pairs of the floats of two rows.
func pairUp(x, y, order, dst Register) {
	convertPairs(x, y, dst)
	VPERMW(dst, order, dst)
}

// pairPanel writes the packing of a panel of columns, whose rows lie along them.
func pairPanel(order Mem) {
	TEXT("pairPanelAMX", NOSPLIT, "func(k int, x *float32, xs int, dst *float32, mask uint32)")
	Pragma("noescape")
	Doc("pairPanelAMX makes pairs along k of k rows of up to 32 floats, xs apart, and zeros up to a multiple of 16 " +
		"pairs and where mask has no column.")
	k := Load(Param("k"), GP64())
	x, xs, dst := Load(Param("x"), GP64()), strideParam("xs"), Load(Param("dst"), GP64())
	mask := Load(Param("mask"), GP32())
	f := family{isa: "512", lanes: 16, vecs: 2}
	m := f.masks(mask)
	VMOVDQU32(order, Z31)
	rest := GP64() // rows of zeros at the end
	LEAQ(Mem{Base: k, Disp: 1}, rest)
	SHRQ(Imm(1), rest)
	NEGQ(rest)
	ANDQ(Imm(15), rest)
	SUBQ(I32(2), k)
	JLT(LabelRef("tail"))
	Label("loop")
	for v := range 2 {
		VMOVUPS_Z(Mem{Base: x, Disp: 64 * v}, m.k[v], zmm(v))
		VMOVUPS_Z(Mem{Base: x, Disp: 64 * v, Index: xs, Scale: 1}, m.k[v], zmm(2+v))
		pairUp(zmm(v), zmm(2+v), Z31, zmm(4+v))
		VMOVUPS(zmm(4+v), Mem{Base: dst, Disp: 64 * v})
	}
	LEAQ(Mem{Base: x, Index: xs, Scale: 2}, x)
	ADDQ(I32(128), dst)
	SUBQ(I32(2), k)
	JGE(LabelRef("loop"))
	Label("tail")
	VPXORD(Z2, Z2, Z2)
	ADDQ(I32(2), k)
	JEQ(LabelRef("zeros"))
	for v := range 2 {
		VMOVUPS_Z(Mem{Base: x, Disp: 64 * v}, m.k[v], Z0)
		pairUp(Z0, Z2, Z31, Z1)
		VMOVUPS(Z1, Mem{Base: dst, Disp: 64 * v})
	}
	ADDQ(I32(128), dst)
	Label("zeros")
	TESTQ(rest, rest)
	JEQ(LabelRef("done"))
	Label("zero")
	for v := range 2 {
		VMOVUPS(Z2, Mem{Base: dst, Disp: 64 * v})
	}
	ADDQ(I32(128), dst)
	DECQ(rest)
	JG(LabelRef("zero"))
	Label("done")
	VZEROUPPER()
	RET()
}

// pairTurned writes the packing of rows that lie beside each other: row i has its k floats xs apart.
func pairTurned(order Mem) {
	TEXT("pairTurnedAMX", NOSPLIT, "func(k int, x *float32, xs int, dst *uint16, ds, chunk int, mask uint32)")
	Pragma("noescape")
	Doc("pairTurnedAMX makes 16 rows of chunks of bfloat16, and zeros past k: float l of row i is at x[i+l*xs], and " +
		"goes to dst[i*ds+c*chunk+l%32], c being l/32. Rows that mask has not are zeros.")
	k := Load(Param("k"), GP64())
	x, xs, dst := Load(Param("x"), GP64()), strideParam("xs"), Load(Param("dst"), GP64())
	ds, chunk, to := Load(Param("ds"), GP64()), Load(Param("chunk"), GP64()), GP64()
	SHLQ(Imm(1), ds)
	SHLQ(Imm(1), chunk)
	m := K()
	KMOVW(Load(Param("mask"), GP32()), m)
	store := func() {
		MOVQ(dst, to)
		for i, row := range turned512() {
			VMOVUPS(row, Mem{Base: to})
			if i < 15 {
				ADDQ(ds, to)
			}
		}
	}
	SUBQ(I32(32), k)
	JLT(LabelRef("tail"))
	Label("loop")
	VMOVDQU32(order, Z31)
	for p := range 16 {
		VMOVUPS_Z(Mem{Base: x}, m, Z16)
		VMOVUPS_Z(Mem{Base: x, Index: xs, Scale: 1}, m, Z17)
		LEAQ(Mem{Base: x, Index: xs, Scale: 2}, x)
		pairUp(Z16, Z17, Z31, zmm(p))
	}
	store()
	ADDQ(chunk, dst)
	SUBQ(I32(32), k)
	JGE(LabelRef("loop"))
	Label("tail")
	ADDQ(I32(32), k)
	JEQ(LabelRef("done"))
	loadLastPairs(k, x, xs, m, order)
	store()
	Label("done")
	VZEROUPPER()
	RET()
}

// loadLastPairs makes the pairs of the last rows, at least one, and zeros where there are none.
func loadLastPairs(k, x, xs, m Register, order Mem) {
	VMOVDQU32(order, Z31)
	for p := range 16 {
		VPXORD(zmm(p), zmm(p), zmm(p))
	}
	VPXORD(Z18, Z18, Z18)
	for p := range 16 {
		VMOVUPS_Z(Mem{Base: x}, m, Z16)
		VMOVUPS(Z18, Z17)
		CMPQ(k, Imm(1))
		JEQ(LabelRef(odd(p)))
		VMOVUPS_Z(Mem{Base: x, Index: xs, Scale: 1}, m, Z17)
		Label(odd(p))
		pairUp(Z16, Z17, Z31, zmm(p))
		LEAQ(Mem{Base: x, Index: xs, Scale: 2}, x)
		SUBQ(I32(2), k)
		JLE(LabelRef("turn"))
	}
	Label("turn")
}

func odd(p int) string { return "odd" + string(rune('a'+p)) }

// turned512 transposes the 16 x 16 pairs of the lower registers with the help of the upper ones, and says in which
// registers the rows are.
func turned512() (out [16]Register) {
	in, t := make([]Register, 16), make([]Register, 16)
	for i := range in {
		in[i], t[i] = zmm(i), zmm(16+i)
	}
	for i := 0; i < 16; i += 2 {
		VUNPCKLPS(in[i+1], in[i], t[i])
		VUNPCKHPS(in[i+1], in[i], t[i+1])
	}
	for i := 0; i < 16; i += 4 {
		for q := range 2 {
			VUNPCKLPD(t[i+2+q], t[i+q], in[i+2*q])
			VUNPCKHPD(t[i+2+q], t[i+q], in[i+2*q+1])
		}
	}
	for c := range 4 {
		for h := range 2 {
			VSHUFF32X4(Imm(0x88), in[8*h+4+c], in[8*h+c], t[4*c+2*h])
			VSHUFF32X4(Imm(0xdd), in[8*h+4+c], in[8*h+c], t[4*c+2*h+1])
		}
	}
	for c := range 4 {
		for q := range 2 {
			VSHUFF32X4(Imm(0x88), t[4*c+2+q], t[4*c+q], in[4*q+c])
			VSHUFF32X4(Imm(0xdd), t[4*c+2+q], t[4*c+q], in[8+4*q+c])
		}
	}
	copy(out[:], in)
	return out
}
