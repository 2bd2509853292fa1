package arm64

import (
	"fmt"
	"strings"
)

// Op is an instruction on vector registers: its word with all registers zero, and its operands
// as the assembler of GNU writes them, with {d}, {n} and {m} for the numbers of registers and
// {i} for an immediate.
type Op struct {
	word   uint32
	syntax string
	imm    func(i int) uint32 // the bits of the immediate; nil: there is none
	reads  bool               // reads the destination too
}

func op(word uint32, syntax string) Op        { return Op{word: word, syntax: syntax} }
func readsDest(word uint32, syntax string) Op { return Op{word: word, syntax: syntax, reads: true} }

// The instructions on four floats or integers of 32 bits, by the names that Arm gives them.
var (
	FADD  = op(0x4e20d400, "fadd v{d}.4s, v{n}.4s, v{m}.4s")
	FSUB  = op(0x4ea0d400, "fsub v{d}.4s, v{n}.4s, v{m}.4s")
	FMUL  = op(0x6e20dc00, "fmul v{d}.4s, v{n}.4s, v{m}.4s")
	FDIV  = op(0x6e20fc00, "fdiv v{d}.4s, v{n}.4s, v{m}.4s")
	FMAX  = op(0x4e20f400, "fmax v{d}.4s, v{n}.4s, v{m}.4s") // NaN if either is
	FMIN  = op(0x4ea0f400, "fmin v{d}.4s, v{n}.4s, v{m}.4s") // NaN if either is
	FADDP = op(0x6e20d400, "faddp v{d}.4s, v{n}.4s, v{m}.4s")
	FMAXP = op(0x6e20f400, "fmaxp v{d}.4s, v{n}.4s, v{m}.4s")
	FMINP = op(0x6ea0f400, "fminp v{d}.4s, v{n}.4s, v{m}.4s")
	FMLA  = readsDest(0x4e20cc00, "fmla v{d}.4s, v{n}.4s, v{m}.4s") // d + n*m
	FMLS  = readsDest(0x4ea0cc00, "fmls v{d}.4s, v{n}.4s, v{m}.4s") // d - n*m
	FCMEQ = op(0x4e20e400, "fcmeq v{d}.4s, v{n}.4s, v{m}.4s")
	FCMGE = op(0x6e20e400, "fcmge v{d}.4s, v{n}.4s, v{m}.4s")
	FCMGT = op(0x6ea0e400, "fcmgt v{d}.4s, v{n}.4s, v{m}.4s")
	ADD   = op(0x4ea08400, "add v{d}.4s, v{n}.4s, v{m}.4s")
	SUB   = op(0x6ea08400, "sub v{d}.4s, v{n}.4s, v{m}.4s")

	FSQRT  = op(0x6ea1f800, "fsqrt v{d}.4s, v{n}.4s")
	FABS   = op(0x4ea0f800, "fabs v{d}.4s, v{n}.4s")
	FNEG   = op(0x6ea0f800, "fneg v{d}.4s, v{n}.4s")
	FRINTN = op(0x4e218800, "frintn v{d}.4s, v{n}.4s") // to even
	FRINTM = op(0x4e219800, "frintm v{d}.4s, v{n}.4s") // down
	FRINTP = op(0x4ea18800, "frintp v{d}.4s, v{n}.4s") // up
	SCVTF  = op(0x4e21d800, "scvtf v{d}.4s, v{n}.4s")
	FCVTNS = op(0x4e21a800, "fcvtns v{d}.4s, v{n}.4s") // to the nearest integer
	FCVTZS = op(0x4ea1b800, "fcvtzs v{d}.4s, v{n}.4s") // towards zero

	AND = op(0x4e201c00, "and v{d}.16b, v{n}.16b, v{m}.16b")
	BIC = op(0x4e601c00, "bic v{d}.16b, v{n}.16b, v{m}.16b") // n and not m
	ORR = op(0x4ea01c00, "orr v{d}.16b, v{n}.16b, v{m}.16b")
	EOR = op(0x6e201c00, "eor v{d}.16b, v{n}.16b, v{m}.16b")
	MVN = op(0x6e205800, "mvn v{d}.16b, v{n}.16b")
	mov = op(0x4ea01c00, "mov v{d}.16b, v{n}.16b") // of n and n again
	// BSL takes n where d has ones, and m elsewhere.
	BSL = readsDest(0x6e601c00, "bsl v{d}.16b, v{n}.16b, v{m}.16b")

	UMAXV  = op(0x6eb0a800, "umaxv s{d}, v{n}.4s") // without sign
	UMULL  = op(0x2ea0c000, "umull v{d}.2d, v{n}.2s, v{m}.2s")
	UMULL2 = op(0x6ea0c000, "umull2 v{d}.2d, v{n}.4s, v{m}.4s")
)

// Permutations, and changes of width.
var (
	UZP1  = op(0x4e801800, "uzp1 v{d}.4s, v{n}.4s, v{m}.4s")
	UZP2  = op(0x4e805800, "uzp2 v{d}.4s, v{n}.4s, v{m}.4s")
	TRN1  = op(0x4e802800, "trn1 v{d}.4s, v{n}.4s, v{m}.4s")
	TRN2  = op(0x4e806800, "trn2 v{d}.4s, v{n}.4s, v{m}.4s")
	TRN1D = op(0x4ec02800, "trn1 v{d}.2d, v{n}.2d, v{m}.2d")
	TRN2D = op(0x4ec06800, "trn2 v{d}.2d, v{n}.2d, v{m}.2d")
	TBL   = op(0x4e000000, "tbl v{d}.16b, {v{n}.16b}, v{m}.16b")

	FCVTN  = op(0x0e616800, "fcvtn v{d}.2s, v{n}.2d")
	FCVTN2 = readsDest(0x4e616800, "fcvtn2 v{d}.4s, v{n}.2d")
	FCVTL  = op(0x0e617800, "fcvtl v{d}.2d, v{n}.2s")
	FCVTL2 = op(0x4e617800, "fcvtl2 v{d}.2d, v{n}.4s")
	XTN    = op(0x0e612800, "xtn v{d}.4h, v{n}.4s")
	XTN2   = readsDest(0x4e612800, "xtn2 v{d}.8h, v{n}.4s")
	XTNB   = op(0x0e212800, "xtn v{d}.8b, v{n}.8h")
	XTNB2  = readsDest(0x4e212800, "xtn2 v{d}.16b, v{n}.8h")
	SHLL   = op(0x2e613800, "shll v{d}.4s, v{n}.4h, #16")
	SHLL2  = op(0x6e613800, "shll2 v{d}.4s, v{n}.8h, #16")
	UXTL   = op(0x2f10a400, "uxtl v{d}.4s, v{n}.4h")
	UXTL2  = op(0x6f10a400, "uxtl2 v{d}.4s, v{n}.8h")
	UXTLB  = op(0x2f08a400, "uxtl v{d}.8h, v{n}.8b")
	UXTLB2 = op(0x6f08a400, "uxtl2 v{d}.8h, v{n}.16b")
)

// Instructions with an immediate: a shift, or the number of a lane.
var (
	SHL = Op{word: 0x4f005400, syntax: "shl v{d}.4s, v{n}.4s, #{i}",
		imm: func(i int) uint32 { return uint32(32+i) << 16 }}
	USHR = Op{word: 0x6f000400, syntax: "ushr v{d}.4s, v{n}.4s, #{i}",
		imm: func(i int) uint32 { return uint32(64-i) << 16 }}
	SSHR = Op{word: 0x4f000400, syntax: "sshr v{d}.4s, v{n}.4s, #{i}",
		imm: func(i int) uint32 { return uint32(64-i) << 16 }}
	// DUP spreads lane i of n.
	DUP = Op{word: 0x4e000400, syntax: "dup v{d}.4s, v{n}.s[{i}]",
		imm: func(i int) uint32 { return uint32(i<<3|4) << 16 }}
	// FMLALane adds n times lane i of m to d.
	FMLALane = Op{word: 0x4f801000, syntax: "fmla v{d}.4s, v{n}.4s, v{m}.s[{i}]", reads: true,
		imm: func(i int) uint32 { return uint32(i&1)<<21 | uint32(i>>1)<<11 }}
)

// Instructions of FEAT_BF16, which not every processor has.
var (
	// BFDOTLane adds to each float of d the product of two pairs of bfloat16: one of n, and pair i
	// of m.
	BFDOTLane = Op{word: 0x4f40f000, syntax: "bfdot v{d}.4s, v{n}.8h, v{m}.2h[{i}]", reads: true,
		imm: FMLALane.imm}
	BFCVTN  = op(0x0ea16800, "bfcvtn v{d}.4h, v{n}.4s")
	BFCVTN2 = readsDest(0x4ea16800, "bfcvtn2 v{d}.8h, v{n}.4s")
	ZIP1H   = op(0x4e403800, "zip1 v{d}.8h, v{n}.8h, v{m}.8h")
	ZIP2H   = op(0x4e407800, "zip2 v{d}.8h, v{n}.8h, v{m}.8h")
)

// encode returns the word of an instruction and its text.
func (o Op) encode(i int, d, n, m uint32) (word uint32, text string) {
	word = o.word | m<<16 | n<<5 | d
	if o.imm != nil {
		word |= o.imm(i)
	}
	text = strings.NewReplacer("{d}", fmt.Sprint(d), "{n}", fmt.Sprint(n), "{m}", fmt.Sprint(m), "{i}", fmt.Sprint(i)).
		Replace(o.syntax)
	return word, text
}
