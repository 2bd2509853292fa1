package main

import (
	"fmt"

	"flowmatch/engine/native/kernel/gen/arm64"
)

const matrixSignature = "func(rows int, cols int, dst *float32, ds int, src *float32, ss int)"

// movement writes the loops that bring numbers to other places.
func (w *writer) movement() {
	plain := func(_ *arm64.Func, x, _ arm64.Reg) arm64.Reg { return x }
	w.rowwise("copyRows", false, plain)
	w.rowwise("addRows", true, func(fn *arm64.Func, x, old arm64.Reg) arm64.Reg {
		fn.Vec(arm64.FADD, x, old, x)
		return x
	})
	w.expandRows()
	for cols := 2; cols <= 4; cols++ {
		w.expand(cols)
	}
	w.transposeRows()
}

// matrices are the arguments of a function of [matrixSignature].
type matrices struct {
	fn                           *arm64.Func
	rows, cols, dst, ds, src, ss arm64.Reg
}

func matricesOf(fn *arm64.Func) matrices {
	m := matrices{fn: fn, rows: fn.Arg("rows"), cols: fn.Arg("cols")}
	m.dst, m.ds, m.src, m.ss = fn.Arg("dst"), stride(fn, "ds"), fn.Arg("src"), stride(fn, "ss")
	return m
}

// nextRow ends a loop over the rows, which begins at the label row and goes to next when a row is done.
func (m matrices) nextRow() {
	m.fn.Label("next")
	m.fn.Add(m.dst, m.dst, m.ds)
	m.fn.Add(m.src, m.src, m.ss)
	m.fn.SubFlags(m.rows, m.rows, 1)
	m.fn.If("NE", "row")
	m.fn.Return()
}

// rowwise writes a loop over the rows of matrices with strides in elements; rows and cols are
// positive. With reads, f gets what is in the destination.
func (w *writer) rowwise(name string, reads bool, f func(fn *arm64.Func, x, old arm64.Reg) arm64.Reg) {
	fn := w.function(name, matrixSignature)
	m := matricesOf(fn)
	p, q, n := fn.GP(), fn.GP(), fn.GP()
	step := func(load func(base arm64.Reg, i int) arm64.Reg, i int) arm64.Reg {
		x := load(q, i)
		if !reads {
			return f(fn, x, x)
		}
		return f(fn, x, load(p, i))
	}
	whole := func(base arm64.Reg, i int) arm64.Reg {
		v := fn.V()
		fn.Load(arm64.Quad, v, base, 16*i)
		return v
	}
	fn.Label("row")
	fn.Move(p, m.dst)
	fn.Move(q, m.src)
	fn.Move(n, m.cols)
	for _, width := range []int{4, 1} {
		counted(fn, fmt.Sprintf("by%d", width), n, width*lanes, func() {
			fn.Weave(width, func(u int) { fn.Store(arm64.Quad, step(whole, u), p, 16*u) })
			fn.Add(p, p, 16*width)
			fn.Add(q, q, 16*width)
		})
	}
	fn.IfZero(n, "next")
	part := &partial{fn: fn, n: n}
	part.store(p, step(func(base arm64.Reg, _ int) arm64.Reg { return part.load(base) }, 0))
	m.nextRow()
	w.add(fn)
}

// expandRows writes number r of src, whose stride is ss, into all of row r.
func (w *writer) expandRows() {
	fn := w.function("expandRows", matrixSignature)
	m := matricesOf(fn)
	p, n, v := fn.GP(), fn.GP(), fn.V()
	fn.Label("row")
	fn.LoadAll(v, m.src)
	fn.Move(p, m.dst)
	fn.Move(n, m.cols)
	for _, width := range []int{4, 1} {
		counted(fn, fmt.Sprintf("by%d", width), n, width*lanes, func() {
			for u := range width {
				fn.Store(arm64.Quad, v, p, 16*u)
			}
			fn.Add(p, p, 16*width)
		})
	}
	fn.IfZero(n, "next")
	(&partial{fn: fn, n: n}).store(p, v)
	m.nextRow()
	w.add(fn)
}

// expand writes each of n numbers, a multiple of 16, cols times in a row.
func (w *writer) expand(cols int) {
	fn := w.function(fmt.Sprintf("expand%d", cols), "func(n int, dst *float32, x *float32)")
	n, dst, x, pool := fn.Arg("n"), fn.Arg("dst"), fn.Arg("x"), fn.Pool()
	order := vectors(fn, cols)
	for j := range order {
		var words [4]uint32 // the four bytes of the float that goes into each lane
		for l := range words {
			first := uint32(4 * ((lanes*j + l) / cols))
			words[l] = first | (first+1)<<8 | (first+2)<<16 | (first+3)<<24
		}
		fn.Load(arm64.Quad, order[j], pool, w.file.Constant(words))
	}
	counted(fn, "loop", n, lanes, func() {
		v := fn.V()
		fn.Load(arm64.Quad, v, x, 0)
		fn.Add(x, x, 16)
		for j := range order {
			d := fn.V()
			fn.Vec(arm64.TBL, d, v, order[j])
			fn.Store(arm64.Quad, d, dst, 16*j)
		}
		fn.Add(dst, dst, 16*cols)
	})
	fn.Return()
	w.add(fn)
}

// transposeRows writes the transposition of up to four rows of any length.
func (w *writer) transposeRows() {
	fn := w.function("transposeRows", matrixSignature)
	rows, cols := fn.Arg("rows"), fn.Arg("cols")
	dst, ds, src, ss := fn.Arg("dst"), stride(fn, "ds"), fn.Arg("src"), stride(fn, "ss")
	fn.Compare(rows, lanes)
	fn.If("LT", "few")
	from := []arm64.Reg{src, fn.GP(), fn.GP(), fn.GP()}
	for i := 1; i < lanes; i++ {
		fn.Add(from[i], from[i-1], ss)
	}
	counted(fn, "square", cols, lanes, func() {
		r := vectors(fn, lanes)
		for i := range r {
			fn.Load(arm64.Quad, r[i], from[i], 0)
			fn.Add(from[i], from[i], 16)
		}
		for _, v := range turn(fn, r) {
			fn.Store(arm64.Quad, v, dst, 0)
			fn.Add(dst, dst, ds)
		}
	})
	counted(fn, "column", cols, 1, func() {
		v := fn.V()
		fn.Load(arm64.Single, v, from[0], 0)
		for i := 1; i < lanes; i++ {
			fn.LoadLane(v, i, from[i])
		}
		for i := range from {
			fn.Add(from[i], from[i], 4)
		}
		fn.Store(arm64.Quad, v, dst, 0)
		fn.Add(dst, dst, ds)
	})
	fn.Return()

	fn.Label("few")
	p, q, n := fn.GP(), fn.GP(), fn.GP()
	fn.Label("row")
	fn.Move(p, dst)
	fn.Move(q, src)
	fn.Move(n, cols)
	counted(fn, "element", n, 1, func() {
		v := fn.V()
		fn.Load(arm64.Single, v, q, 0)
		fn.Store(arm64.Single, v, p, 0)
		fn.Add(q, q, 4)
		fn.Add(p, p, ds)
	})
	fn.Add(dst, dst, 4)
	fn.Add(src, src, ss)
	fn.SubFlags(rows, rows, 1)
	fn.If("NE", "row")
	fn.Return()
	w.add(fn)
}
