package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const transposeSig = "func(src *float32, ss int, dst *float32, ds int, rows, cols int)"

// transposeLoad begins a transpose of n x n floats: it reads up to n rows, each
// with up to n columns. Rows and columns that are not there are zeros.
func transposeLoad(f family, name string) (r []Register, dst, ds, cols Register) {
	TEXT(name, NOSPLIT, transposeSig)
	Pragma("noescape")
	Doc(fmt.Sprintf("%s transposes rows x cols floats, both at most %d; it writes cols rows of %d.",
		name, f.lanes, f.lanes))
	src := Load(Param("src"), GP64())
	ss := strideParam("ss")
	dst = Load(Param("dst"), GP64())
	ds = strideParam("ds")
	rows := Load(Param("rows"), GP64())
	cols = Load(Param("cols"), GP64())
	// A mask of the columns: bits below cols.
	bits := GP32()
	MOVL(U32(16), ECX)
	SUBL(cols.(GPVirtual).As32(), ECX)
	MOVL(U32(0xffff), bits)
	SHRL(CL, bits)
	m := f.masks(bits)
	for i := 0; i < f.lanes; i++ {
		r = append(r, f.vec())
		zero(r[i], f.isa)
	}
	for i := range r {
		m.load(0, Mem{Base: src}, r[i])
		if i < len(r)-1 {
			ADDQ(ss, src)
			DECQ(rows)
			JLE(LabelRef("loaded"))
		}
	}
	Label("loaded")
	return r, dst, ds, cols
}

func transposeStore(out []Register, dst, ds, cols Register) {
	for i := range out {
		VMOVUPS(out[i], Mem{Base: dst})
		if i < len(out)-1 {
			ADDQ(ds, dst)
			DECQ(cols)
			JLE(LabelRef("done"))
		}
	}
	Label("done")
	VZEROUPPER()
	RET()
}

// interleaved interleaves single and then double floats of rows, so that entry i+c
// holds column 4L+c of rows i..i+3 in its lane L of 128 bits.
func interleaved(r []Register, vec func() Register) []Register {
	t := make([]Register, len(r))
	for i := 0; i < len(r); i += 2 {
		t[i], t[i+1] = vec(), vec()
		VUNPCKLPS(r[i+1], r[i], t[i])
		VUNPCKHPS(r[i+1], r[i], t[i+1])
	}
	u := make([]Register, len(r))
	for i := 0; i < len(r); i += 4 {
		for q := 0; q < 2; q++ {
			lo, hi := vec(), vec()
			VUNPCKLPD(t[i+2+q], t[i+q], lo)
			VUNPCKHPD(t[i+2+q], t[i+q], hi)
			u[i+2*q], u[i+2*q+1] = lo, hi
		}
	}
	return u
}

func transpose512() {
	f := family{isa: "512", lanes: 16, vecs: 1}
	r, dst, ds, cols := transposeLoad(f, "transposeAVX512")
	u := interleaved(r, f.vec)
	w := make([]Register, 16)
	for c := 0; c < 4; c++ {
		for h := 0; h < 2; h++ {
			lo, hi := ZMM(), ZMM()
			VSHUFF32X4(Imm(0x88), u[8*h+4+c], u[8*h+c], lo) // lanes 0 and 2 of both
			VSHUFF32X4(Imm(0xdd), u[8*h+4+c], u[8*h+c], hi) // lanes 1 and 3
			w[c*4+h*2], w[c*4+h*2+1] = lo, hi
		}
	}
	out := make([]Register, 16)
	for c := 0; c < 4; c++ {
		for q := 0; q < 2; q++ {
			lo, hi := ZMM(), ZMM()
			VSHUFF32X4(Imm(0x88), w[c*4+2+q], w[c*4+q], lo)
			VSHUFF32X4(Imm(0xdd), w[c*4+2+q], w[c*4+q], hi)
			out[4*q+c], out[8+4*q+c] = lo, hi
		}
	}
	transposeStore(out, dst, ds, cols)
}

func transpose256(bits Mem) {
	f := family{isa: "256", lanes: 8, vecs: 1, bits: bits}
	r, dst, ds, cols := transposeLoad(f, "transposeAVX256")
	u := interleaved(r, f.vec)
	out := make([]Register, 8)
	for c := 0; c < 4; c++ {
		lo, hi := YMM(), YMM()
		VPERM2F128(Imm(0x20), u[4+c], u[c], lo)
		VPERM2F128(Imm(0x31), u[4+c], u[c], hi)
		out[c], out[4+c] = lo, hi
	}
	transposeStore(out, dst, ds, cols)
}
