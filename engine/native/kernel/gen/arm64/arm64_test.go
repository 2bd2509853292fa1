package arm64

import (
	"errors"
	"fmt"
	"go/format"
	"strings"
	"testing"
)

// What the instructions are that no kernel may be without, from Arm's reference; all others are
// compared with a disassembler, in the tests of the kernels' generator.
func TestEncoding(t *testing.T) {
	for _, k := range []struct {
		op      Op
		i       int
		d, n, m uint32
		word    uint32
		text    string
	}{
		{FMLA, 0, 1, 2, 3, 0x4e23cc41, "fmla v1.4s, v2.4s, v3.4s"},
		{FMLALane, 0, 8, 0, 4, 0x4f841008, "fmla v8.4s, v0.4s, v4.s[0]"},
		{FMLALane, 1, 31, 30, 29, 0x4fbd13df, "fmla v31.4s, v30.4s, v29.s[1]"},
		{FMLALane, 2, 0, 0, 31, 0x4f9f1800, "fmla v0.4s, v0.4s, v31.s[2]"},
		{FMLALane, 3, 8, 1, 16, 0x4fb01828, "fmla v8.4s, v1.4s, v16.s[3]"},
		{SHL, 23, 2, 7, 0, 0x4f3754e2, "shl v2.4s, v7.4s, #23"},
		{USHR, 8, 2, 7, 0, 0x6f3804e2, "ushr v2.4s, v7.4s, #8"},
		{DUP, 3, 5, 6, 0, 0x4e1c04c5, "dup v5.4s, v6.s[3]"},
	} {
		word, text := k.op.encode(k.i, k.d, k.n, k.m)
		if word != k.word || text != k.text {
			t.Errorf("%08x %q; want %08x %q", word, text, k.word, k.text)
		}
	}
}

// lines returns the instructions of a function, once registers have numbers.
func lines(t *testing.T, f *File, fn *Func) string {
	t.Helper()
	if err := f.Add(fn); err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(f.Assembly()), "TEXT")
	return text
}

func TestFunction(t *testing.T) {
	f := NewFile("p", "test", "pool")
	fn := f.Func("twice", "func(n int, x *float32, s float32, m uint32) float32")
	n, x, s := fn.Arg("n"), fn.Arg("x"), fn.FloatArg("s")
	fn.Label("loop")
	v := fn.V()
	fn.Load(Quad, v, x, 16)
	fn.Vec(FMLA, s, v, v)
	fn.SubFlags(n, n, fn.Arg("m"))
	fn.If("GT", "loop")
	fn.Return(s)
	want := ` ·twice(SB), NOSPLIT, $0-28
	MOVD n+0(FP), R0
	MOVD x+8(FP), R1
	FMOVS s+16(FP), F0
	WORD $0x4e040400 // dup v0.4s, v0.s[0]
loop:
	FMOVQ 16(R1), F1
	WORD $0x4e21cc20 // fmla v0.4s, v1.4s, v1.4s
	MOVWU m+20(FP), R2
	SUBS R2, R0, R0
	BGT loop
	FMOVS F0, ret+24(FP)
	RET
`
	if got := lines(t, f, fn); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	stubs := f.Stubs()
	if s, err := format.Source(stubs); err != nil || string(s) != string(stubs) {
		t.Errorf("%v in %s", err, stubs)
	}
	if w := Words(f.Assembly()); len(w) != 2 || w[1] != (Word{0x4e21cc20, "fmla v0.4s, v1.4s, v1.4s"}) {
		t.Errorf("words: %v", w)
	}
}

// A value from before a loop that is read in it must outlive what the loop makes after the last
// reader: the next turn reads it again.
func TestValuesLiveToTheEndOfTheirLoop(t *testing.T) {
	for others, want := range map[int]error{31: nil, 32: ErrRegisters} {
		f := NewFile("p", "test", "pool")
		fn := f.Func("loops", "func(n int)")
		n, kept := fn.Arg("n"), fn.V()
		fn.Zero(kept)
		fn.Label("outer")
		fn.Label("inner")
		fn.Vec(FADD, fn.V(), kept, kept)
		fn.SubFlags(n, n, 1)
		fn.If("GT", "inner")
		v := make([]Reg, others)
		for i := range v {
			v[i] = fn.V()
			fn.Zero(v[i])
		}
		for i := range v {
			fn.Vec(FADD, v[0], v[0], v[i])
		}
		fn.IfNotZero(n, "outer")
		fn.Return()
		if err := f.Add(fn); !errors.Is(err, want) {
			t.Errorf("with %d more: %v, want %v", others, err, want)
		}
	}
}

// A copy is dropped where its source is not needed any more, and only there.
func TestCopies(t *testing.T) {
	for _, again := range []bool{false, true} {
		f := NewFile("p", "test", "pool")
		fn := f.Func("copies", "func(x *float32)")
		x, a, b := fn.Arg("x"), fn.V(), fn.V()
		fn.Load(Quad, a, x, 0)
		fn.Move(b, a)
		fn.Vec(FMLA, b, b, b)
		fn.Store(Quad, b, x, 0)
		if again {
			fn.Store(Quad, a, x, 16)
		}
		fn.Return()
		text := lines(t, f, fn)
		if strings.Contains(text, "mov ") != again {
			t.Errorf("needed again %v:\n%s", again, text)
		}
	}
}

func TestMistakesAreErrors(t *testing.T) {
	f := NewFile("p", "test", "pool")
	for name, write := range map[string]func(fn *Func){
		"a register that is not set": func(fn *Func) { fn.Vec(FADD, fn.V(), fn.V(), fn.V()) },
		"no label nowhere":           func(fn *Func) { fn.Jump("nowhere") },
		"label here is there twice": func(fn *Func) {
			fn.Label("here")
			fn.Label("here")
		},
		ErrRegisters.Error(): func(fn *Func) {
			v := make([]Reg, 33)
			for i := range v {
				v[i] = fn.V()
				fn.Zero(v[i])
			}
			for i := range v {
				fn.Vec(FADD, v[0], v[0], v[i])
			}
		},
	} {
		fn := f.Func("wrong", "func(n int)")
		write(fn)
		err := f.Add(fn)
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "wrong") {
			t.Errorf("%q: %v", name, err)
		} else if errors.Is(err, ErrRegisters) != (name == ErrRegisters.Error()) {
			t.Errorf("%q is %v", name, err)
		}
	}
}

// No function may touch the registers of the system, the linker, the assembler and the runtime.
func TestReservedRegisters(t *testing.T) {
	f := NewFile("p", "test", "pool")
	fn := f.Func("all", "func(n int)")
	n := fn.Arg("n")
	all := make([]Reg, len(free(false))-1)
	for i := range all {
		all[i] = fn.GP()
		fn.Set(all[i], i)
	}
	for _, r := range all {
		fn.Add(n, n, r)
	}
	fn.Return()
	text := lines(t, f, fn)
	for _, r := range []int{16, 17, 18, 26, 27, 28, 29, 30} {
		if strings.Contains(text, fmt.Sprintf("R%d\n", r)) || strings.Contains(text, fmt.Sprintf("R%d,", r)) {
			t.Errorf("R%d is used:\n%s", r, text)
		}
	}
	if !strings.Contains(text, "R25") {
		t.Errorf("not all registers were needed:\n%s", text)
	}
}
