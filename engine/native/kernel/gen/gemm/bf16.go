package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Neither avo nor Go's assembler knows the instructions for bfloat16: they are
// written as bytes, with registers that are chosen here.

// zmm is a register by its number.
func zmm(n int) Register { return LookupPhysical(KindVector, Index(n), S512) }

// temporary is a register for values that live for a few instructions. Those of
// bytes come round, so that a load need not wait for the last user of its register.
func (f family) temporary(i int) Register {
	if f.fixed == nil {
		return f.vec()
	}
	if i >= 28 {
		return zmm(i)
	}
	free := 32 - f.vecs - *f.fixed // above the sums and below the vectors of B
	return zmm(*f.fixed + i%min(free, 3))
}

// The prefixes of instructions, as EVEX has them.
const (
	prefixF3 = 2
	prefixF2 = 3
)

// evex writes an instruction of the map 0F38 on whole registers of 512 bits; the
// order of operands is Go's.
func evex(name string, prefix, opcode uint32, x, y, dst Register) {
	rm, v, r := uint32(x.(Physical).PhysicalIndex()), uint32(y.(Physical).PhysicalIndex()),
		uint32(dst.(Physical).PhysicalIndex())
	bit := func(n, from, to uint32) uint32 { return (^n >> from & 1) << to } // these are stored inverted
	p0 := bit(r, 3, 7) | bit(rm, 4, 6) | bit(rm, 3, 5) | bit(r, 4, 4) | 2
	p1 := (^v&15)<<3 | 1<<2 | prefix
	p2 := uint32(2)<<5 | bit(v, 4, 3)
	Comment(fmt.Sprintf("%s %s, %s, %s", name, x.Asm(), y.Asm(), dst.Asm()))
	Instruction(&ir.Instruction{Opcode: "LONG", Operands: []Op{U32(0x62 | p0<<8 | p1<<16 | p2<<24)}})
	Instruction(&ir.Instruction{Opcode: "WORD", Operands: []Op{U16(opcode | (0xc0|(r&7)<<3|rm&7)<<8)}})
}

// dotPairs adds to each float of dst the product of two pairs of bfloat16.
func dotPairs(x, y, dst Register) { evex("VDPBF16PS", prefixF3, 0x52, x, y, dst) }

// convertPairs rounds the floats of lo and hi to bfloat16, those of lo first.
func convertPairs(lo, hi, dst Register) { evex("VCVTNE2PS2BF16", prefixF2, 0x72, lo, hi, dst) }

// lowMask makes a mask of the lowest n, which is not negative, of 16 lanes.
func lowMask(n Register) Register {
	k := K()
	KMOVW(lowOnes(n), k)
	return k
}

// pairVectors writes the conversion of whole 32s of left floats, from one place on, to another that is by
// bytes further for each. After it left are those that remain; where none do, it goes to the label end.
func pairVectors(left, from, to Register, by int32, end string) {
	SUBQ(I32(32), left)
	JLT(LabelRef("tail"))
	Label("loop")
	VMOVUPS(Mem{Base: from}, Z0)
	VMOVUPS(Mem{Base: from, Disp: 64}, Z1)
	convertPairs(Z0, Z1, Z2)
	VMOVUPS(Z2, Mem{Base: to})
	ADDQ(I32(128), from)
	ADDQ(I32(by), to)
	SUBQ(I32(32), left)
	JGE(LabelRef("loop"))
	Label("tail")
	ADDQ(I32(32), left)
	JEQ(LabelRef(end))
}

// pairNeighbours writes the conversion of a row of floats.
func pairNeighbours() {
	const name = "pairNeighboursAVX512BF16"
	TEXT(name, NOSPLIT, "func(n int, dst, x *float32)")
	Pragma("noescape")
	Doc(name + " makes pairs of bfloat16 of neighbours among n floats; if these are odd, the last pair has a zero.")
	n := Load(Param("n"), GP64())
	dst, x := Load(Param("dst"), GP64()), Load(Param("x"), GP64())
	pairVectors(n, x, dst, 64, "done")
	VMOVUPS_Z(Mem{Base: x}, lowMask(n), Z0)
	pairs := GP64()
	LEAQ(Mem{Base: n, Disp: 1}, pairs)
	SHRQ(U8(1), pairs)
	zeroIfNegative := GP64()
	XORQ(zeroIfNegative, zeroIfNegative)
	SUBQ(I32(16), n)
	CMOVQLT(zeroIfNegative, n)
	VMOVUPS_Z(Mem{Base: x, Disp: 64}, lowMask(n), Z1)
	convertPairs(Z0, Z1, Z2)
	VMOVUPS(Z2, lowMask(pairs), Mem{Base: dst})
	Label("done")
	VZEROUPPER()
	RET()
}

// pairRows writes the conversion of two rows, of floats or of bfloat16.
func pairRows(halves bool) {
	name, kind, size := "pairRowsAVX512BF16", "float32", 4
	if halves {
		name, kind, size = "pairHalvesAVX512BF16", "uint16", 2
	}
	TEXT(name, NOSPLIT, fmt.Sprintf("func(n int, dst *float32, x, y *%s, both int)", kind))
	Pragma("noescape")
	Doc(name + " makes pairs of bfloat16 of the n elements of two rows; if both is zero there is no y, and zeros are " +
		"in its place.")
	n := Load(Param("n"), GP64())
	dst, x, y := Load(Param("dst"), GP64()), Load(Param("x"), GP64()), Load(Param("y"), GP64())
	ones, second := GP32(), K()
	both := Load(Param("both"), GP64()).(GPVirtual)
	MOVL(both.As32(), ones)
	NEGL(ones)
	KMOVW(ones, second)
	TESTQ(n, n)
	JLE(LabelRef("done"))
	Label("loop")
	first, masked := lowMask(n), K()
	KANDW(first, second, masked)
	if halves {
		VPMOVZXWD_Z(Mem{Base: x}, first, Z0)
		VPMOVZXWD_Z(Mem{Base: y}, masked, Z1)
	} else {
		VMOVUPS_Z(Mem{Base: x}, first, Z0)
		VMOVUPS_Z(Mem{Base: y}, masked, Z1)
		// Each to 16 bfloat16, in the lower half: the upper half is of zeros.
		VPXORD(Z2, Z2, Z2)
		convertPairs(Z0, Z2, Z0)
		convertPairs(Z1, Z2, Z1)
		VPMOVZXWD(Y0, Z0)
		VPMOVZXWD(Y1, Z1)
	}
	VPSLLD(U8(16), Z1, Z1)
	VPORD(Z0, Z1, Z0)
	VMOVUPS(Z0, first, Mem{Base: dst})
	ADDQ(I32(int32(16*size)), x)
	ADDQ(I32(int32(16*size)), y)
	ADDQ(I32(64), dst)
	SUBQ(I32(16), n)
	JG(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}
