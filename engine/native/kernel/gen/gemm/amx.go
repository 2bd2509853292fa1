package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// The tile registers of AMX are unknown to avo and to Go's assembler. Their instructions are written as
// bytes, with registers that are chosen here: none of these functions has virtual ones.

// Tile registers of a product: four of sums, two of rows of A and two of columns of B.
const (
	tileSums = 0 // sums of row r and column c of tiles are in tileSums + 2r + c
	tileA    = 4
	tileB    = 6
)

// bytes writes an instruction as such.
func bytes(comment string, code ...byte) {
	Comment(comment)
	for len(code) > 0 {
		op, n := "BYTE", 1
		if len(code) >= 4 {
			op, n = "LONG", 4
		} else if len(code) >= 2 {
			op, n = "WORD", 2
		}
		x := uint64(0)
		for i := range n {
			x |= uint64(code[i]) << (8 * i)
		}
		var o Op = U8(x)
		switch n {
		case 2:
			o = U16(x)
		case 4:
			o = U32(x)
		}
		Instruction(&ir.Instruction{Opcode: op, Operands: []Op{o}})
		code = code[n:]
	}
}

// number is that of a general register.
func number(r Register) byte { return byte(r.(Physical).PhysicalIndex()) }

// The prefixes of instructions, as VEX has them.
const (
	vexNone = 0
	vex66   = 1
	vexF3   = 2
	vexF2   = 3
)

// vexMem writes an instruction of the map 0F38 on a tile and memory at base + index + disp, rows being index apart.
func vexMem(name string, prefix, opcode byte, tile int, base, index Register, disp int8) {
	b, x := number(base), number(index)
	bytes(fmt.Sprintf("%s %d(%s)(%s*1), T%d", name, disp, base.Asm(), index.Asm(), tile),
		0xc4, 0x80|(^x>>3&1)<<6|(^b>>3&1)<<5|2, 0x78|prefix, opcode, 0x44|byte(tile)<<3, (x&7)<<3|b&7, byte(disp))
}

func tileLoad(tile int, base, index Register, disp int8) {
	vexMem("TILELOADD", vexF2, 0x4b, tile, base, index, disp)
}

func tileStore(tile int, base, index Register, disp int8) {
	vexMem("TILESTORED", vexF3, 0x4b, tile, base, index, disp)
}

func tileZero(tile int) {
	bytes(fmt.Sprintf("TILEZERO T%d", tile), 0xc4, 0xe2, 0x78|vexF2, 0x49, 0xc0|byte(tile)<<3)
}

// tileDot adds to the floats of sum the products of pairs of bfloat16 of a row of a and a column of b.
func tileDot(a, b, sum int) {
	bytes(fmt.Sprintf("TDPBF16PS T%d, T%d, T%d", b, a, sum),
		0xc4, 0xe2, (^byte(b)&15)<<3|vexF3, 0x5c, 0xc0|byte(sum)<<3|byte(a))
}

func tileConfigure(at Register) {
	n := number(at)
	bytes(fmt.Sprintf("LDTILECFG (%s)", at.Asm()), 0xc4, 0xc2|(^n>>3&1)<<5, 0x78|vexNone, 0x49, n&7)
}

func tileRelease() { bytes("TILERELEASE", 0xc4, 0xe2, 0x78, 0x49, 0xc0) }

// stride loads a stride into a register and turns elements into bytes.
func stride(name string, r Register) {
	Load(Param(name), r)
	SHLQ(Imm(2), r)
}

// halfStride is stride for elements of bfloat16.
func halfStride(name string, r Register) {
	Load(Param(name), r)
	SHLQ(Imm(1), r)
}

// tileProduct writes the product of tiles: rows x cols of them at a time, over all blocks of rows. From the
// configuration to the release all is one function, which neither Go's scheduler nor a growing stack interrupts.
func tileProduct(rows, cols int) {
	name := fmt.Sprintf("tiles%dx%dAMX", rows, cols)
	TEXT(name, NOSPLIT, "func(config *uint8, blocks int, at *int, chunks int, a *uint16, ars, next, ablock int, "+
		"b *float32, ahead int, c *float32, ldc, cblock, mode int, bias *float32)")
	Pragma("noescape")
	Doc(fmt.Sprintf("%s is the product of blocks of %d tiles of rows of A with %d of columns of B. Chunk l is "+
		"at a[at[2l]] and b[at[2l+1]]; tiles of rows of A are next apart, blocks ablock, and those of C cblock. "+
		"Of what is at b[ahead], 256 bytes a chunk are brought near.",
		name, rows, cols))
	loadTileParams()
	Label("block")
	beginTiles(rows, cols)
	prefetchNext(rows, cols)
	XORQ(RCX, RCX)
	Label("loop")
	CMPQ(RCX, R14)
	JGE(LabelRef("sum"))
	MOVQ(Mem{Base: R9, Index: RCX, Scale: 8}, RAX)
	MOVQ(Mem{Base: R9, Index: RCX, Scale: 8, Disp: 8}, RBX)
	LEAQ(Mem{Base: RSI, Index: RAX, Scale: 2}, RAX)
	LEAQ(Mem{Base: RDI, Index: RBX, Scale: 4}, RBX)
	for line := range 4 {
		PREFETCHT1(Mem{Base: R15, Disp: 64 * line})
	}
	ADDQ(I32(256), R15)
	tileLoad(tileA, RAX, R8, 0)
	for j := range cols {
		tileLoad(tileB+j, RBX, R12, int8(64*j))
		tileDot(tileA, tileB+j, tileSums+j)
	}
	if rows > 1 {
		ADDQ(R10, RAX)
		tileLoad(tileA+1, RAX, R8, 0)
		for j := range cols {
			tileDot(tileA+1, tileB+j, tileSums+2+j)
		}
	}
	ADDQ(Imm(2), RCX)
	JMP(LabelRef("loop"))
	Label("sum")
	eachSum(rows, cols, func(tile int, c Register, at int8) { tileStore(tile, c, R11, at) })
	halfStride("ablock", RAX)
	ADDQ(RAX, RSI)
	stride("cblock", RAX)
	ADDQ(RAX, RDX)
	DECQ(R13)
	JG(LabelRef("block"))
	tileRelease()
	VZEROUPPER()
	RET()
}

// loadTileParams loads what all blocks need.
func loadTileParams() {
	Load(Param("config"), RAX)
	tileConfigure(RAX)
	Load(Param("a"), RSI)
	Load(Param("b"), RDI)
	Load(Param("c"), RDX)
	halfStride("ars", R8)
	Load(Param("at"), R9)
	halfStride("next", R10)
	stride("ldc", R11)
	MOVQ(I32(128), R12)
	Load(Param("blocks"), R13)
	Load(Param("chunks"), R14)
	SHLQ(Imm(1), R14)
	stride("ahead", R15)
	ADDQ(RDI, R15)
}

// beginTiles makes the sums zeros, C (mode 1) or the bias (mode 2), whose row all rows of a tile read.
func beginTiles(rows, cols int) {
	Load(Param("mode"), RAX)
	CMPQ(RAX, Imm(1))
	JLT(LabelRef("zero"))
	JEQ(LabelRef("add"))
	Load(Param("bias"), RBX)
	XORQ(RCX, RCX)
	for i := range rows {
		for j := range cols {
			tileLoad(tileSums+2*i+j, RBX, RCX, int8(64*j))
		}
	}
	JMP(LabelRef("begin"))
	Label("add")
	eachSum(rows, cols, func(tile int, c Register, at int8) { tileLoad(tile, c, R11, at) })
	JMP(LabelRef("begin"))
	Label("zero")
	for i := range rows {
		for j := range cols {
			tileZero(tileSums + 2*i + j)
		}
	}
	Label("begin")
}

// prefetchNext asks for C of the next block.
func prefetchNext(rows, cols int) {
	stride("cblock", RAX)
	ADDQ(RDX, RAX)
	for i := range 16 * rows {
		for j := range cols {
			bytes(fmt.Sprintf("PREFETCHW %d(AX)", 64*j), 0x0f, 0x0d, 0x48, byte(64*j))
		}
		if i < 16*rows-1 {
			ADDQ(R11, RAX)
		}
	}
}

// eachSum finds the places of the sums in C.
func eachSum(rows, cols int, do func(tile int, c Register, at int8)) {
	for j := range cols {
		do(tileSums+j, RDX, int8(64*j))
	}
	if rows > 1 {
		MOVQ(R11, RAX)
		SHLQ(Imm(4), RAX)
		ADDQ(RDX, RAX)
		for j := range cols {
			do(tileSums+2+j, RAX, int8(64*j))
		}
	}
}

// tilePeak is a loop of nothing but products of tiles.
func tilePeak() {
	TEXT("peakAMX", NOSPLIT, "func(config *uint8, n int)")
	Pragma("noescape")
	Doc("peakAMX does n times four products of whole tiles.")
	Load(Param("config"), RAX)
	Load(Param("n"), RCX)
	tileConfigure(RAX)
	for i := range 8 {
		tileZero(i)
	}
	Label("loop")
	for i := range 4 {
		tileDot(tileA+i/2, tileB+i%2, tileSums+i)
	}
	DECQ(RCX)
	JG(LabelRef("loop"))
	tileRelease()
	RET()
}
