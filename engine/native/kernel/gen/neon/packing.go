package main

import (
	"fmt"

	"flowmatch/engine/native/kernel/gen/arm64"
)

// packing writes what packs the operands of products.
func (w *writer) packing() {
	w.copyPanel(wideVecs)
	w.copyPanel(slimVecs)
	w.transposePanel()
}

// copyPanel writes k rows of a panel from rows of a matrix, zeros past the mask.
func (w *writer) copyPanel(vecs int) {
	name := fmt.Sprintf("copyPanel%d", vecs*lanes)
	fn := w.function(name, "func(k int, src *float32, ss int, dst *float32, ds int, mask uint32)")
	fn.Doc(fmt.Sprintf("%sNEON copies k rows of %d columns, zeros where mask has none.", name, vecs*lanes))
	k, src, ss := fn.Arg("k"), fn.Arg("src"), stride(fn, "ss")
	dst, ds, n := fn.Arg("dst"), stride(fn, "ds"), columns(fn)
	p := &block{fn: fn, vecs: vecs}
	loop := func(label string, load func(v []arm64.Reg)) {
		counted(fn, label, k, 1, func() {
			v := make([]arm64.Reg, vecs)
			load(v)
			fn.Add(src, src, ss)
			p.whole().store(dst, v)
			fn.Add(dst, dst, ds)
		})
		fn.Return()
	}
	fn.Compare(n, vecs*lanes)
	fn.If("LT", "part")
	loop("full", func(v []arm64.Reg) { p.whole().load(src, v) })

	fn.Label("part")
	rest := fn.GP()
	fn.And(rest, n, lanes-1)
	part := &partial{fn: fn, n: rest}
	loop("cut", func(v []arm64.Reg) {
		for i := range v {
			v[i] = fn.V()
			fn.Zero(v[i])
		}
		at := fn.GP()
		fn.Move(at, src)
		for i := range v {
			fn.Compare(n, lanes*(i+1))
			fn.If("LT", fmt.Sprintf("last%d", i))
			fn.Load(arm64.Quad, v[i], at, 0)
			fn.Add(at, at, 16)
		}
		// The last vector that is not whole is one of them; the columns before it are whole.
		for i := range v {
			fn.Label(fmt.Sprintf("last%d", i))
			fn.IfZero(rest, "stored")
			part.into(v[i], at)
			fn.Jump("stored")
		}
		fn.Label("stored")
	})
	w.add(fn)
}

// transposePanel writes the transpose of up to 8 x 8 floats: rows that are not there are zeros in
// the result, columns that are not there are not written. It does four columns at a time.
func (w *writer) transposePanel() {
	const size = slimVecs * lanes
	fn := w.function("transposePanel", "func(src *float32, ss int, dst *float32, ds int, rows int, cols int)")
	fn.Doc(fmt.Sprintf("transposePanelNEON transposes rows x cols floats, both at most %d; it writes cols rows of %d.",
		size, size))
	src, ss, dst, ds := fn.Arg("src"), stride(fn, "ss"), fn.Arg("dst"), stride(fn, "ds")
	rows, cols := fn.Arg("rows"), fn.Arg("cols")
	r := make([]arm64.Reg, size)
	part := &partial{fn: fn, n: cols}
	read := func(load func(d, at arm64.Reg)) {
		at, left := fn.GP(), fn.GP()
		fn.Move(at, src)
		fn.Move(left, rows)
		for i := range r {
			load(r[i], at)
			if i < len(r)-1 {
				fn.Add(at, at, ss)
				fn.SubFlags(left, left, 1)
				fn.If("LE", "turn")
			}
		}
	}
	fn.Label("half")
	for i := range r {
		r[i] = fn.V()
		fn.Zero(r[i])
	}
	fn.Compare(cols, lanes)
	fn.If("LT", "part")
	read(func(d, at arm64.Reg) { fn.Load(arm64.Quad, d, at, 0) })
	fn.Jump("turn")
	fn.Label("part")
	read(func(d, at arm64.Reg) { part.into(d, at) })
	fn.Label("turn")
	low, high := turn(fn, r[:4]), turn(fn, r[4:])
	for c := range lanes {
		fn.StorePair(low[c], high[c], dst, 0)
		fn.SubFlags(cols, cols, 1)
		fn.If("LE", "done")
		fn.Add(dst, dst, ds)
	}
	fn.Add(src, src, 16)
	fn.Jump("half")
	fn.Label("done")
	fn.Return()
	w.add(fn)
}

// turn transposes a square of four rows.
func turn(fn *arm64.Func, r []arm64.Reg) (out [4]arm64.Reg) {
	two := func(o arm64.Op, a, b arm64.Reg) arm64.Reg {
		d := fn.V()
		fn.Vec(o, d, a, b)
		return d
	}
	// Columns 0 and 2, and 1 and 3, of two rows each.
	a, b := two(arm64.TRN1, r[0], r[1]), two(arm64.TRN2, r[0], r[1])
	c, d := two(arm64.TRN1, r[2], r[3]), two(arm64.TRN2, r[2], r[3])
	return [4]arm64.Reg{two(arm64.TRN1D, a, c), two(arm64.TRN1D, b, d), two(arm64.TRN2D, a, c), two(arm64.TRN2D, b, d)}
}
