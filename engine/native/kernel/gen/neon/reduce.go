package main

import (
	"fmt"
	"math"

	"flowmatch/engine/native/kernel/gen/arm64"
)

// reduction is a way to make one number of many.
type reduction struct {
	name    string
	neutral float64
	join    arm64.Op
	across  func(fn *arm64.Func, v arm64.Reg) // leaves the reduction of the lanes of v in its first
}

// pairs is the reduction of lanes by an instruction that joins neighbours.
func pairs(o arm64.Op) func(fn *arm64.Func, v arm64.Reg) {
	return func(fn *arm64.Func, v arm64.Reg) {
		fn.Vec(o, v, v, v)
		fn.Vec(o, v, v, v)
	}
}

// multiplied is the product of lanes, for which there is no such instruction.
func multiplied(fn *arm64.Func, v arm64.Reg) {
	for range 2 {
		even, odd := fn.V(), fn.V()
		fn.Vec(arm64.UZP1, even, v, v)
		fn.Vec(arm64.UZP2, odd, v, v)
		fn.Vec(arm64.FMUL, v, even, odd)
	}
}

var sum = reduction{"Sum", 0, arm64.FADD, pairs(arm64.FADDP)}

// reductions writes the loops that sum and the like.
func (w *writer) reductions() {
	for _, r := range []reduction{
		sum,
		{"Max", math.Inf(-1), arm64.FMAX, pairs(arm64.FMAXP)},
		{"Min", math.Inf(1), arm64.FMIN, pairs(arm64.FMINP)},
		{"Prod", 1, arm64.FMUL, multiplied},
	} {
		w.rows(r)
		w.columns(r)
	}
	w.dot()
}

const (
	reductionSignature = "func(rows int, cols int, dst *float32, x *float32, acc int)"
	accumulators       = 4
)

// fold joins the accumulators into the first, and its lanes into the first of them.
func (r reduction) fold(fn *arm64.Func, acc []arm64.Reg) {
	fn.Vec(r.join, acc[0], acc[0], acc[1])
	fn.Vec(r.join, acc[2], acc[2], acc[3])
	fn.Vec(r.join, acc[0], acc[0], acc[2])
	r.across(fn, acc[0])
}

// vectors makes n registers.
func vectors(fn *arm64.Func, n int) []arm64.Reg {
	v := make([]arm64.Reg, n)
	for i := range v {
		v[i] = fn.V()
	}
	return v
}

// rows writes the reduction of each row of a matrix; rows and cols are positive. If acc is not
// zero the results are joined to what is in dst.
func (w *writer) rows(r reduction) {
	fn := w.function("row"+r.name, reductionSignature)
	rows, cols, dst, x, join := fn.Arg("rows"), fn.Arg("cols"), fn.Arg("dst"), fn.Arg("x"), fn.Arg("acc")
	pool, neutral, n := fn.Pool(), fn.V(), fn.GP()
	fn.Load(arm64.Quad, neutral, pool, w.file.Constant(arm64.Float(r.neutral)))
	part := &partial{fn: fn, n: n}
	fn.Label("row")
	fn.Move(n, cols)
	acc := vectors(fn, accumulators)
	for _, a := range acc {
		fn.Move(a, neutral)
	}
	counted(fn, "many", n, accumulators*lanes, func() {
		v := vectors(fn, accumulators)
		fn.LoadPair(v[0], v[1], x, 0)
		fn.LoadPair(v[2], v[3], x, 32)
		fn.Add(x, x, 16*accumulators)
		for i, a := range acc {
			fn.Vec(r.join, a, a, v[i])
		}
	})
	counted(fn, "single", n, lanes, func() {
		v := fn.V()
		fn.Load(arm64.Quad, v, x, 0)
		fn.Add(x, x, 16)
		fn.Vec(r.join, acc[0], acc[0], v)
	})
	fn.IfZero(n, "fold")
	rest := fn.V()
	fn.Move(rest, neutral)
	part.into(rest, x)
	fn.Vec(r.join, acc[1], acc[1], rest)
	fn.ShiftLeft(n, n, 2)
	fn.Add(x, x, n)
	fn.Label("fold")
	r.fold(fn, acc)
	fn.IfZero(join, "store")
	old := fn.V()
	fn.Load(arm64.Single, old, dst, 0)
	fn.Vec(r.join, acc[0], acc[0], old)
	fn.Label("store")
	fn.Store(arm64.Single, acc[0], dst, 0)
	fn.Add(dst, dst, 4)
	fn.SubFlags(rows, rows, 1)
	fn.If("NE", "row")
	fn.Return()
	w.add(fn)
}

// columns writes the reduction of each column of a matrix of at least one row, in blocks of columns
// that stay in registers.
func (w *writer) columns(r reduction) {
	fn := w.function("col"+r.name, reductionSignature)
	rows, cols, dst, x, join := fn.Arg("rows"), fn.Arg("cols"), fn.Arg("dst"), fn.Arg("x"), fn.Arg("acc")
	step := fn.GP()
	fn.ShiftLeft(step, cols, 2)
	block := func(label string, width int, load func(base arm64.Reg, i int) arm64.Reg, store func(v arm64.Reg, i int)) {
		acc := make([]arm64.Reg, width)
		for i := range acc {
			acc[i] = load(x, i)
		}
		p, n := fn.GP(), fn.GP()
		fn.Move(p, x)
		fn.SubFlags(n, rows, 1)
		fn.If("EQ", label+"join")
		fn.Label(label + "rows")
		fn.Add(p, p, step)
		for i, a := range acc {
			fn.Vec(r.join, a, a, load(p, i))
		}
		fn.SubFlags(n, n, 1)
		fn.If("NE", label+"rows")
		fn.Label(label + "join")
		fn.IfZero(join, label+"store")
		for i, a := range acc {
			fn.Vec(r.join, a, a, load(dst, i))
		}
		fn.Label(label + "store")
		for i, a := range acc {
			store(a, i)
		}
	}
	load := func(base arm64.Reg, i int) arm64.Reg {
		v := fn.V()
		fn.Load(arm64.Quad, v, base, 16*i)
		return v
	}
	for _, width := range []int{accumulators, 1} {
		label := fmt.Sprintf("by%d", width)
		counted(fn, label, cols, width*lanes, func() {
			block(label, width, load, func(v arm64.Reg, i int) { fn.Store(arm64.Quad, v, dst, 16*i) })
			fn.Add(dst, dst, 16*width)
			fn.Add(x, x, 16*width)
		})
	}
	fn.IfZero(cols, "done")
	part := &partial{fn: fn, n: cols}
	block("rest", 1, func(base arm64.Reg, _ int) arm64.Reg { return part.load(base) },
		func(v arm64.Reg, _ int) { part.store(dst, v) })
	fn.Label("done")
	fn.Return()
	w.add(fn)
}

// dot writes the scalar product.
func (w *writer) dot() {
	fn := w.function("dot", "func(n int, a *float32, b *float32) float32")
	n, a, b := fn.Arg("n"), fn.Arg("a"), fn.Arg("b")
	acc := vectors(fn, accumulators)
	for _, v := range acc {
		fn.Zero(v)
	}
	for _, width := range []int{accumulators, 1} {
		counted(fn, fmt.Sprintf("by%d", width), n, width*lanes, func() {
			x, y := vectors(fn, width), vectors(fn, width)
			for i := range width {
				fn.Load(arm64.Quad, x[i], a, 16*i)
				fn.Load(arm64.Quad, y[i], b, 16*i)
			}
			fn.Add(a, a, 16*width)
			fn.Add(b, b, 16*width)
			for i := range width {
				fn.Vec(arm64.FMLA, acc[i], x[i], y[i])
			}
		})
	}
	fn.IfZero(n, "fold")
	part := &partial{fn: fn, n: n}
	fn.Vec(arm64.FMLA, acc[1], part.load(a), part.load(b))
	fn.Label("fold")
	sum.fold(fn, acc)
	fn.Return(acc[0])
	w.add(fn)
}
