package arm64

import "fmt"

// Vec adds an instruction on vectors, d = n op m. What an instruction reads of d must be
// there.
func (fn *Func) Vec(o Op, d, n, m Reg) { fn.lane(o, 0, d, n, m) }

// One adds an instruction on one vector.
func (fn *Func) One(o Op, d, n Reg) { fn.lane(o, 0, d, n, Reg{}) }

// Lane adds an instruction with an immediate i and one vector, or two.
func (fn *Func) Lane(o Op, i int, d, n Reg, m ...Reg) {
	fn.lane(o, i, d, n, append(m, Reg{})[0])
}

func (fn *Func) lane(o Op, i int, d, n, m Reg) {
	use := regs(n)
	if m != (Reg{}) {
		use = append(use, m)
	}
	if o.reads {
		use = append(use, d)
	}
	fn.code = append(fn.code, instruction{def: regs(d), use: use, text: func(num func(Reg) uint32) string {
		var mm uint32
		if m != (Reg{}) {
			mm = num(m)
		}
		word, text := o.encode(i, num(d), num(n), mm)
		return fmt.Sprintf("WORD $0x%08x // %s", word, text)
	}})
}

// Zero makes zeros of d.
func (fn *Func) Zero(d Reg) {
	fn.code = append(fn.code, instruction{def: regs(d), text: func(num func(Reg) uint32) string {
		return fmt.Sprintf("WORD $0x%08x // movi v%d.2d, #0x0", 0x6f00e400|num(d), num(d))
	}})
}

// Spread puts the lower 32 bits of a into all lanes of d.
func (fn *Func) Spread(d, a Reg) { fn.line(regs(d), regs(a), "VDUP R%v, V%v.S4", a, d) }

// MaxAcross puts the largest of four integers without sign into an integer register.
func (fn *Func) MaxAcross(d, n Reg) {
	t := fn.V()
	fn.One(UMAXV, t, n)
	fn.line(regs(d), regs(t), "FMOVS F%v, R%v", t, d)
}

// Sizes of what is loaded and stored at the lower end of a vector; the rest of a loaded
// register is zeros.
const (
	Single = "FMOVS" // one float
	Double = "FMOVD" // two
	Quad   = "FMOVQ" // four
)

// Load loads d from an address and an offset in bytes.
func (fn *Func) Load(size string, d, base Reg, offset int) {
	fn.line(regs(d), regs(base), size+" %v(R%v), F%v", offset, base, d)
}

// LoadAt loads one float or four from the sum of two registers.
func (fn *Func) LoadAt(size string, d, base, index Reg) {
	fn.sum("ldr", size, 0x00400000, regs(d), regs(base, index), d, base, index)
}

// LoadPair loads two vectors that follow each other.
func (fn *Func) LoadPair(d, e, base Reg, offset int) {
	fn.line(regs(d, e), regs(base), "FLDPQ %v(R%v), (F%v, F%v)", offset, base, d, e)
}

// Store stores d.
func (fn *Func) Store(size string, d, base Reg, offset int) {
	fn.line(nil, regs(d, base), size+" F%v, %v(R%v)", d, offset, base)
}

// StoreAt stores one float or four at the sum of two registers.
func (fn *Func) StoreAt(size string, d, base, index Reg) {
	fn.sum("str", size, 0, nil, regs(d, base, index), d, base, index)
}

// sum adds a load or a store at the sum of two registers, which Go's assembler does not know of
// four floats.
func (fn *Func) sum(name, size string, load uint32, def, use []Reg, d, base, index Reg) {
	word, letter := 0xbc206800|load, "s"
	if size == Quad {
		word, letter = 0x3ca06800|load, "q"
	}
	fn.code = append(fn.code, instruction{def: def, use: use, text: func(num func(Reg) uint32) string {
		return fmt.Sprintf("WORD $0x%08x // %s %s%d, [x%d, x%d]", word|num(index)<<16|num(base)<<5|num(d),
			name, letter, num(d), num(base), num(index))
	}})
}

// StorePair stores two vectors one after the other.
func (fn *Func) StorePair(d, e, base Reg, offset int) {
	fn.line(nil, regs(d, e, base), "FSTPQ (F%v, F%v), %v(R%v)", d, e, offset, base)
}

// LoadLane loads one float into a lane of d, and leaves the others.
func (fn *Func) LoadLane(d Reg, lane int, base Reg) {
	fn.line(regs(d), regs(d, base), "VLD1 (R%v), V%v.S[%v]", base, d, lane)
}

// LoadLow loads two floats into the lower half of d, and leaves the upper one.
func (fn *Func) LoadLow(d, base Reg) {
	fn.line(regs(d), regs(d, base), "VLD1 (R%v), V%v.D[0]", base, d)
}

// StoreLane stores one float of d.
func (fn *Func) StoreLane(d Reg, lane int, base Reg) {
	fn.line(nil, regs(d, base), "VST1 V%v.S[%v], (R%v)", d, lane, base)
}

// LoadAll loads one float into all lanes.
func (fn *Func) LoadAll(d, base Reg) {
	fn.line(regs(d), regs(base), "VLD1R (R%v), [V%v.S4]", base, d)
}
