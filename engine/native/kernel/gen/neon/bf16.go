package main

import "flowmatch/engine/native/kernel/gen/arm64"

// pairs writes what makes the pairs of bfloat16 that products take in the place of floats.
func (w *writer) pairs() {
	w.pairNeighbours()
	w.pairRows()
	w.pairHalves()
}

// pairNeighbours writes the conversion of a row of floats.
func (w *writer) pairNeighbours() {
	const name = "pairNeighbours"
	fn := w.function(name, "func(n int, dst *float32, x *float32)")
	fn.Doc(name + "NEON makes pairs of bfloat16 of neighbours among n floats; if these are odd, the last pair has a " +
		"zero.")
	n, dst, x := fn.Arg("n"), fn.Arg("dst"), fn.Arg("x")
	counted(fn, "by8", n, 2*lanes, func() {
		lo, hi, d := fn.V(), fn.V(), fn.V()
		fn.LoadPair(lo, hi, x, 0)
		fn.One(arm64.BFCVTN, d, lo)
		fn.One(arm64.BFCVTN2, d, hi)
		fn.Store(arm64.Quad, d, dst, 0)
		fn.Add(x, x, 32)
		fn.Add(dst, dst, 16)
	})
	convert := func(v arm64.Reg) arm64.Reg {
		d := fn.V()
		fn.One(arm64.BFCVTN, d, v)
		return d
	}
	counted(fn, "by4", n, lanes, func() {
		v := fn.V()
		fn.Load(arm64.Quad, v, x, 0)
		fn.Store(arm64.Double, convert(v), dst, 0)
		fn.Add(x, x, 16)
		fn.Add(dst, dst, 8)
	})
	fn.IfZero(n, "done")
	v := convert((&partial{fn: fn, n: n}).load(x)) // one pair, or two of three floats and a zero
	fn.Compare(n, 3)
	fn.If("EQ", "three")
	fn.Store(arm64.Single, v, dst, 0)
	fn.Return()
	fn.Label("three")
	fn.Store(arm64.Double, v, dst, 0)
	fn.Label("done")
	fn.Return()
	w.add(fn)
}

// pairRows writes the conversion of two rows of floats.
func (w *writer) pairRows() {
	const name = "pairRows"
	fn := w.function(name, "func(n int, dst *float32, x *float32, y *float32, both int)")
	fn.Doc(name + "NEON makes pairs of bfloat16 of the n elements of two rows; if both is zero, zeros are in the " +
		"place of y.")
	n, dst, x, y, second := fn.Arg("n"), fn.Arg("dst"), fn.Arg("x"), fn.Arg("y"), w.second(fn)
	join := func(a, b arm64.Reg) arm64.Reg {
		lo, hi, d := fn.V(), fn.V(), fn.V()
		fn.One(arm64.BFCVTN, lo, a)
		fn.One(arm64.BFCVTN, hi, b)
		fn.Vec(arm64.AND, hi, hi, second)
		fn.Vec(arm64.ZIP1H, d, lo, hi)
		return d
	}
	counted(fn, "by4", n, lanes, func() {
		a, b := fn.V(), fn.V()
		fn.Load(arm64.Quad, a, x, 0)
		fn.Load(arm64.Quad, b, y, 0)
		fn.Store(arm64.Quad, join(a, b), dst, 0)
		for _, p := range []arm64.Reg{x, y, dst} {
			fn.Add(p, p, 16)
		}
	})
	fn.IfZero(n, "done")
	part := &partial{fn: fn, n: n}
	part.store(dst, join(part.load(x), part.load(y)))
	fn.Label("done")
	fn.Return()
	w.add(fn)
}

// second is all ones if the argument both is one, and zeros if it is zero.
func (w *writer) second(fn *arm64.Func) arm64.Reg {
	both, zero, v := fn.Arg("both"), fn.GP(), fn.V()
	fn.Set(zero, 0)
	fn.Sub(both, zero, both)
	fn.Spread(v, both)
	return v
}

// pairHalves writes the conversion of two rows of bfloat16.
func (w *writer) pairHalves() {
	const name = "pairHalves"
	fn := w.function(name, "func(n int, dst *float32, x *uint16, y *uint16, both int)")
	fn.Doc(name + "NEON makes pairs of the n bfloat16 of two rows; if both is zero, zeros are in the place of y.")
	n, dst, x, y, second := fn.Arg("n"), fn.Arg("dst"), fn.Arg("x"), fn.Arg("y"), w.second(fn)
	counted(fn, "by8", n, 2*lanes, func() {
		a, b, lo, hi := fn.V(), fn.V(), fn.V(), fn.V()
		fn.Load(arm64.Quad, a, x, 0)
		fn.Load(arm64.Quad, b, y, 0)
		fn.Vec(arm64.AND, b, b, second)
		fn.Vec(arm64.ZIP1H, lo, a, b)
		fn.Vec(arm64.ZIP2H, hi, a, b)
		fn.StorePair(lo, hi, dst, 0)
		fn.Add(x, x, 16)
		fn.Add(y, y, 16)
		fn.Add(dst, dst, 32)
	})
	both := fn.Arg("both")
	counted(fn, "by1", n, 1, func() {
		a, b := fn.GP(), fn.GP()
		fn.LoadHalf(a, x)
		fn.LoadHalf(b, y)
		fn.ShiftLeft(b, b, 16)
		fn.IfNotZero(both, "pair")
		fn.Set(b, 0)
		fn.Label("pair")
		fn.Or(a, a, b)
		fn.StoreWord(a, dst)
		fn.Add(x, x, 2)
		fn.Add(y, y, 2)
		fn.Add(dst, dst, 4)
	})
	fn.Return()
	w.add(fn)
}
