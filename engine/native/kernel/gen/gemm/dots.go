package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// dotsMax is the most columns of the kernels of dots.
const dotsMax = 4

// dotRows is how many rows go together: so many sums that their additions overlap, and no more than
// there are registers for.
func (f family) dotRows(cols int) int {
	if f.isa == "256" && cols > 2 {
		return 2
	}
	return 4
}

// dots writes the products of rows of A with a few columns of B, which lie as rows: both are read along
// k, and a panel of B would be mostly empty. The order of a sum is the same for any number of rows.
func (f family) dots(rows, cols int) {
	name := fmt.Sprintf("dots%dx%dAVX%s", rows, cols, f.isa)
	TEXT(name, NOSPLIT, "func(k int, a *float32, ars int, b, sums *float32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is the product of %d rows of A with %d columns of B, column by column.", name, rows, cols))
	k, a, b := dotParams(rows, cols)
	acc := make([][]Register, cols)
	for j := range acc {
		for range rows {
			acc[j] = append(acc[j], f.vec())
			zero(acc[j][len(acc[j])-1], f.isa)
		}
	}
	at := GP64()
	XORQ(at, at)
	SUBQ(I32(int32(f.lanes)), k)
	JLT(LabelRef("tail"))
	Label("loop")
	f.dotStep(nil, at, a, b, acc)
	ADDQ(I32(int32(4*f.lanes)), at)
	SUBQ(I32(int32(f.lanes)), k)
	JGE(LabelRef("loop"))
	Label("tail")
	ADDQ(I32(int32(f.lanes)), k)
	JEQ(LabelRef("sum"))
	mask := GP32() // without SHLX, which is of BMI2
	MOVL(k.(GPVirtual).As32(), ECX)
	MOVL(U32(1), mask)
	SHLL(CL, mask)
	DECL(mask)
	f.dotStep(f.masks(mask), at, a, b, acc)
	Label("sum")
	sums := Load(Param("sums"), GP64())
	for j := range acc {
		for i := range acc[j] {
			VMOVSS(f.across(acc[j][i].(VecVirtual)), Mem{Base: sums, Disp: 4 * (j*rows + i)})
		}
	}
	VZEROUPPER()
	RET()
}

// dotParams loads the parameters: where each row of A and each column of B begins.
func dotParams(rows, cols int) (k Register, a, b []Register) {
	k = Load(Param("k"), GP64())
	a = []Register{Load(Param("a"), GP64())}
	if rows > 1 {
		ars := strideParam("ars")
		for i := 1; i < rows; i++ {
			a = append(a, GP64())
			LEAQ(Mem{Base: a[i-1], Index: ars, Scale: 1}, a[i])
		}
	}
	b = []Register{Load(Param("b"), GP64())}
	for j := 1; j < cols; j++ {
		b = append(b, GP64())
		LEAQ(Mem{Base: b[j-1], Index: k, Scale: 4}, b[j])
	}
	return k, a, b
}

// dotStep adds the products of a vector of each row of A and of each column of B.
func (f family) dotStep(mk *masks, at Register, a, b []Register, acc [][]Register) {
	load := func(base, to Register) {
		if mem := (Mem{Base: base, Index: at, Scale: 1}); mk == nil {
			VMOVUPS(mem, to)
		} else {
			mk.load(0, mem, to)
		}
	}
	x, y := f.vec(), make([]Register, len(b))
	for j := range y {
		y[j] = f.vec()
		load(b[j], y[j])
	}
	for i := range a {
		load(a[i], x)
		for j := range y {
			VFMADD231PS(x, y[j], acc[j][i])
		}
	}
}

// across adds the lanes of a vector.
func (f family) across(x VecVirtual) Register {
	half, quarter, t := x.AsY(), x.AsX(), XMM()
	if f.isa == "512" {
		y := YMM()
		VEXTRACTF64X4(Imm(1), x, y)
		VADDPS(y, half, half)
		VEXTRACTF32X4(Imm(1), half, t)
	} else {
		VEXTRACTF128(Imm(1), half, t)
	}
	VADDPS(t, quarter, quarter)
	for _, order := range []uint64{0xb1, 0x4e} {
		VPERMILPS(Imm(order), quarter, t)
		VADDPS(t, quarter, quarter)
	}
	return quarter
}
