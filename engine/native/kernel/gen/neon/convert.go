package main

import (
	"flowmatch/engine/native/kernel/gen/arm64"
	"flowmatch/engine/native/kernel/gen/formula"
)

// conversions writes the conversions between float32 and types of other sizes. They do whole
// turns only: n must be a multiple of 16.
func (w *writer) conversions() {
	w.convert("fromF64", "dst *float32, x *float64", 4, func(g *gen, dst, x arm64.Reg) {
		v, d := g.pair(x, 0), g.fn.V()
		g.fn.One(arm64.FCVTN, d, v[0])
		g.fn.One(arm64.FCVTN2, d, v[1])
		g.fn.Store(arm64.Quad, d, dst, 0)
	}, 16, 32)
	w.convert("toF64", "dst *float64, x *float32", 4, func(g *gen, dst, x arm64.Reg) {
		v := g.fn.V()
		g.fn.Load(arm64.Quad, v, x, 0)
		g.fn.StorePair(g.op(arm64.FCVTL, v), g.op(arm64.FCVTL2, v), dst, 0)
	}, 32, 16)
	w.convert("fromBool", "dst *float32, x *uint8", 16, func(g *gen, dst, x arm64.Reg) {
		v := g.fn.V()
		g.fn.Load(arm64.Quad, v, x, 0)
		for i, o := range []arm64.Op{arm64.UXTLB, arm64.UXTLB2} {
			h := g.op(o, v)
			lo, hi := g.op(arm64.UXTL, h), g.op(arm64.UXTL2, h)
			g.fn.StorePair(g.op(arm64.SCVTF, lo), g.op(arm64.SCVTF, hi), dst, 32*i)
		}
	}, 64, 16)
	w.convert("toBool", "dst *uint8, x *float32", 16, toBool, 16, 64)
	w.convert("fromBF16", "dst *float32, x *uint16", 8, func(g *gen, dst, x arm64.Reg) {
		v := g.fn.V()
		g.fn.Load(arm64.Quad, v, x, 0)
		g.fn.StorePair(g.op(arm64.SHLL, v), g.op(arm64.SHLL2, v), dst, 0)
	}, 32, 16)
	w.convert("toBF16", "dst *uint16, x *float32", 8, func(g *gen, dst, x arm64.Reg) {
		v := g.pair(x, 0)
		upper := func(r arm64.Reg) arm64.Reg { return formula.RoundBF16(g, g.vec(r)).ShiftRight(16).(vec).r }
		lo, hi, d := upper(v[0]), upper(v[1]), g.fn.V()
		g.fn.One(arm64.XTN, d, lo)
		g.fn.One(arm64.XTN2, d, hi)
		g.fn.Store(arm64.Quad, d, dst, 0)
	}, 16, 32)
}

// toBool narrows the masks of what is zero, whose lanes are all ones or zeros in every size.
func toBool(g *gen, dst, x arm64.Reg) {
	fn := g.fn
	var halves []arm64.Reg
	for i := range 2 {
		v, d := g.pair(x, 32*i), fn.V()
		zero := func(r arm64.Reg) arm64.Reg { return g.vec(r).Cmp(formula.Equal, g.Bits(0)).(mask).plain() }
		lo, hi := zero(v[0]), zero(v[1])
		fn.One(arm64.XTN, d, lo)
		fn.One(arm64.XTN2, d, hi)
		halves = append(halves, d)
	}
	d := fn.V()
	fn.One(arm64.XTNB, d, halves[0])
	fn.One(arm64.XTNB2, d, halves[1])
	one := g.Bits(0x01010101).(vec)
	fn.Store(arm64.Quad, one.two(arm64.BIC, g.vec(d)).r, dst, 0)
}

// op is a new register that an instruction on one vector writes.
func (g *gen) op(o arm64.Op, n arm64.Reg) arm64.Reg {
	d := g.fn.V()
	g.fn.One(o, d, n)
	return d
}

// pair loads two vectors.
func (g *gen) pair(x arm64.Reg, offset int) []arm64.Reg {
	v := vectors(g.fn, 2)
	g.fn.LoadPair(v[0], v[1], x, offset)
	return v
}

// convert writes a loop that takes a number of elements in a turn, of so many bytes here and there.
func (w *writer) convert(name, params string, elements int, turn func(g *gen, dst, x arm64.Reg), dstBytes, xBytes int) {
	fn := w.function(name, "func(n int, "+params+")")
	n, dst, x := fn.Arg("n"), fn.Arg("dst"), fn.Arg("x")
	g := &gen{fn: fn, file: w.file, pool: fn.Pool()}
	counted(fn, "loop", n, elements, func() {
		turn(g, dst, x)
		fn.Add(dst, dst, dstBytes)
		fn.Add(x, x, xBytes)
	})
	fn.Return()
	w.add(fn)
}
