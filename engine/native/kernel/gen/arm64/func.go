package arm64

import (
	"fmt"
	"strings"
)

// Reg is a register of a function. It is zero before the function made it.
type Reg struct {
	id     int
	vector bool
}

// instruction is one line of a function.
type instruction struct {
	label string // the line is a label
	to    string // the label that it may jump to
	def   []Reg  // written
	use   []Reg  // read
	copy  bool   // moves use[0] to def[0], nothing else
	text  func(n func(Reg) uint32) string
}

// param is a parameter or the result of a function.
type param struct {
	name, kind string
	offset     int
}

// Func is a function while it is written. Instructions follow each other in the order of the
// calls that make them.
type Func struct {
	name, doc, signature string
	params               []param
	size                 int // of parameters and result
	code                 []instruction
	regs                 int
	file                 *File
}

var kindSizes = map[string]int{"int": 8, "uint64": 8, "float32": 4, "uint32": 4}

// Func begins a function, with a signature as in "func(n int, x *float32) float32". A
// parameter list does not join names of a type.
func (f *File) Func(name, signature string) *Func {
	fn := &Func{name: name, signature: signature, file: f}
	list, result, _ := strings.Cut(strings.TrimPrefix(signature, "func("), ")")
	for field := range strings.SplitSeq(list, ", ") {
		p, kind, _ := strings.Cut(field, " ")
		fn.param(p, kind)
	}
	if result = strings.TrimSpace(result); result != "" {
		fn.size = (fn.size + 7) &^ 7
		fn.param("ret", result)
	}
	return fn
}

func (fn *Func) param(name, kind string) {
	size := kindSizes[kind]
	if strings.HasPrefix(kind, "*") {
		size = 8
	}
	if size == 0 {
		panic(fmt.Sprintf("%s: no size of %q", fn.name, kind)) // a mistake in a generator
	}
	fn.size = (fn.size + size - 1) &^ (size - 1)
	fn.params = append(fn.params, param{name, kind, fn.size})
	fn.size += size
}

// at is the operand of a parameter, as Go writes it.
func (fn *Func) at(name string) string {
	for _, p := range fn.params {
		if p.name == name {
			return fmt.Sprintf("%s+%d(FP)", name, p.offset)
		}
	}
	panic(fmt.Sprintf("%s has no parameter %q", fn.name, name)) // a mistake in a generator
}

// Doc sets the comment of the function.
func (fn *Func) Doc(text string) { fn.doc = text }

// GP returns a new register for integers and addresses.
func (fn *Func) GP() Reg { return fn.reg(false) }

// V returns a new vector register.
func (fn *Func) V() Reg { return fn.reg(true) }

func (fn *Func) reg(vector bool) Reg {
	fn.regs++
	return Reg{fn.regs, vector}
}

// line adds an instruction of Go's assembler. In the format, %v of a register is its number.
func (fn *Func) line(def, use []Reg, format string, args ...any) {
	fn.code = append(fn.code, instruction{def: def, use: use, text: func(n func(Reg) uint32) string {
		out := make([]any, len(args))
		for i, a := range args {
			if r, ok := a.(Reg); ok {
				a = n(r)
			}
			out[i] = a
		}
		return fmt.Sprintf(format, out...)
	}})
}

func regs(r ...Reg) []Reg { return r }

// Arg loads an integer or a pointer.
func (fn *Func) Arg(name string) Reg {
	d := fn.GP()
	if fn.kind(name) == "uint32" {
		fn.line(regs(d), nil, "MOVWU %v, R%v", fn.at(name), d)
	} else {
		fn.line(regs(d), nil, "MOVD %v, R%v", fn.at(name), d)
	}
	return d
}

// FloatArg loads a float into all lanes.
func (fn *Func) FloatArg(name string) Reg {
	d := fn.V()
	fn.line(regs(d), nil, "FMOVS %v, F%v", fn.at(name), d)
	fn.lane(DUP, 0, d, d, Reg{})
	return d
}

func (fn *Func) kind(name string) string {
	for _, p := range fn.params {
		if p.name == name {
			return p.kind
		}
	}
	return ""
}

// Return ends the function, with a result of one register if it has a result.
func (fn *Func) Return(result ...Reg) {
	for _, r := range result {
		if r.vector {
			fn.line(nil, regs(r), "FMOVS F%v, %v", r, fn.at("ret"))
		} else {
			fn.line(nil, regs(r), "MOVW R%v, %v", r, fn.at("ret"))
		}
	}
	fn.line(nil, nil, "RET")
}

// Label marks the next instruction; the name is of this function alone.
func (fn *Func) Label(name string) { fn.code = append(fn.code, instruction{label: name}) }

// jump adds an instruction that may go on at a label.
func (fn *Func) jump(to string, use []Reg, format string, args ...any) {
	fn.line(nil, use, format, append(args, to)...)
	fn.code[len(fn.code)-1].to = to
}

// Jump goes on at a label.
func (fn *Func) Jump(to string) { fn.jump(to, nil, "B %v") }

// If goes on at a label if the last comparison was as the condition says: EQ, NE, LT, LE, GT
// or GE.
func (fn *Func) If(condition, to string) { fn.jump(to, nil, "B"+condition+" %v") }

// IfZero goes on at a label if r is zero.
func (fn *Func) IfZero(r Reg, to string) { fn.jump(to, regs(r), "CBZ R%v, %v", r) }

// IfNotZero goes on at a label if r is not zero.
func (fn *Func) IfNotZero(r Reg, to string) { fn.jump(to, regs(r), "CBNZ R%v, %v", r) }

// IfBit goes on at a label if a bit of r is one.
func (fn *Func) IfBit(bit int, r Reg, to string) { fn.jump(to, regs(r), "TBNZ $%v, R%v, %v", bit, r) }

// IfNoBit goes on at a label if a bit of r is zero.
func (fn *Func) IfNoBit(bit int, r Reg, to string) {
	fn.jump(to, regs(r), "TBZ $%v, R%v, %v", bit, r)
}
