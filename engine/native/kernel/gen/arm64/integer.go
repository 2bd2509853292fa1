package arm64

// Instructions on integers. An operand b is a register or a Go int.

func (fn *Func) integer(name string, d, a Reg, b any) {
	if r, ok := b.(Reg); ok {
		fn.line(regs(d), regs(a, r), name+" R%v, R%v, R%v", r, a, d)
		return
	}
	fn.line(regs(d), regs(a), name+" $%v, R%v, R%v", b, a, d)
}

// Add is d = a + b.
func (fn *Func) Add(d, a Reg, b any) { fn.integer("ADD", d, a, b) }

// Sub is d = a - b.
func (fn *Func) Sub(d, a Reg, b any) { fn.integer("SUB", d, a, b) }

// SubFlags is d = a - b, and compares d with zero.
func (fn *Func) SubFlags(d, a Reg, b any) { fn.integer("SUBS", d, a, b) }

// And is d = a & b.
func (fn *Func) And(d, a Reg, b any) { fn.integer("AND", d, a, b) }

// ShiftLeft is d = a << n.
func (fn *Func) ShiftLeft(d, a Reg, n int) { fn.integer("LSL", d, a, n) }

// ShiftRight is d = a >> n, of unsigned numbers.
func (fn *Func) ShiftRight(d, a Reg, n int) { fn.integer("LSR", d, a, n) }

// Or is d = a | b.
func (fn *Func) Or(d, a Reg, b any) { fn.integer("ORR", d, a, b) }

// LoadHalf loads 16 bits from an address.
func (fn *Func) LoadHalf(d, base Reg) { fn.line(regs(d), regs(base), "MOVHU (R%v), R%v", base, d) }

// StoreWord stores the lower 32 bits of a.
func (fn *Func) StoreWord(a, base Reg) { fn.line(nil, regs(a, base), "MOVW R%v, (R%v)", a, base) }

// LeadingZeros counts them in the lower 32 bits of a.
func (fn *Func) LeadingZeros(d, a Reg) { fn.line(regs(d), regs(a), "CLZW R%v, R%v", a, d) }

// Set is d = n.
func (fn *Func) Set(d Reg, n int) { fn.line(regs(d), nil, "MOVD $%v, R%v", n, d) }

// Compare compares a with b, for If.
func (fn *Func) Compare(a Reg, b any) {
	if r, ok := b.(Reg); ok {
		fn.line(nil, regs(a, r), "CMP R%v, R%v", r, a)
		return
	}
	fn.line(nil, regs(a), "CMP $%v, R%v", b, a)
}

// Choose is d = a if the last comparison was as the condition says, else b.
func (fn *Func) Choose(condition string, d, a, b Reg) {
	fn.line(regs(d), regs(a, b), "CSEL "+condition+", R%v, R%v, R%v", a, b, d)
}

// Move is d = a.
func (fn *Func) Move(d, a Reg) {
	if a.vector {
		fn.lane(mov, 0, d, a, a)
	} else {
		fn.line(regs(d), regs(a), "MOVD R%v, R%v", a, d)
	}
	fn.code[len(fn.code)-1].copy = true
}
