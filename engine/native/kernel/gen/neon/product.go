package main

import (
	"fmt"

	"flowmatch/engine/native/kernel/gen/arm64"
)

const productSignature = "func(k int, a *float32, ars int, acs int, b *float32, brs int, " +
	"c *float32, ldc int, mask uint32, mode int, bias *float32)"

// The products have 24 vectors of sums, which leaves 8 of the 32 registers for operands: 6 rows
// of 16 columns, and 12 rows of 8. A column of a packed A and a row of B are 22 floats for 192
// operations, or 20.
const (
	wideVecs, wideRows = 4, 6
	slimVecs, slimRows = 2, 12
)

// element is what products multiply: floats, or pairs of bfloat16 in the place of each.
type element struct {
	suffix, what string
	multiplyAdd  arm64.Op // by a lane
}

// products writes the products of all numbers of rows, and the loops that measure the peak.
func (w *writer) products() {
	for _, e := range []element{
		{"", "floats", arm64.FMLALane},
		{"BF16", "pairs of bfloat16", arm64.BFDOTLane},
	} {
		for rows := 1; rows <= wideRows; rows++ {
			w.product(e, rows, wideVecs)
		}
		for rows := 1; rows <= slimRows; rows++ {
			w.product(e, rows, slimVecs)
		}
		w.peak(e)
	}
}

// block is the state of a product while its code is written.
type block struct {
	fn         *arm64.Func
	add        arm64.Op // adds products
	rows, vecs int
	k, b, brs  arm64.Reg
	acs        arm64.Reg
	bases      []arm64.Reg // of every fourth row of A
	strides    []arm64.Reg // once, twice and three times that of rows of A
	acc        [][]arm64.Reg
	n          arm64.Reg   // columns that are there
	offsets    []arm64.Reg // of vectors in a row of B that is not whole
}

// product writes the kernel of a number of rows with vecs vectors of columns. Its sums are made in
// one of four ways:
//
//   - all columns, A packed: a column of A is read by vectors, and is multiplied lane by lane;
//   - all columns, any A: its elements are read one by one;
//   - more than one vector of columns: the last vectors begin where the row ends in them, so some
//     columns are computed twice, in the same way, and nothing is read or written outside;
//   - up to four columns: one vector, of as many floats as there are.
//
// Each sum takes its products in the same order in all of them, so that the bits are the same.
func (w *writer) product(e element, rows, vecs int) {
	name := fmt.Sprintf("mul%dx%d%s", rows, vecs*lanes, e.suffix)
	fn := w.function(name, productSignature)
	fn.Doc(fmt.Sprintf("%sNEON is the product of %d rows of A with %d columns of B, of %s.", name, rows, vecs*lanes,
		e.what))
	p := &block{fn: fn, add: e.multiplyAdd, rows: rows, vecs: vecs, k: fn.Arg("k"), b: fn.Arg("b"),
		brs: stride(fn, "brs")}
	p.bases, p.acs = []arm64.Reg{fn.Arg("a")}, stride(fn, "acs")
	for i := range rows {
		p.acc = append(p.acc, nil)
		for range vecs {
			x := fn.V()
			fn.Zero(x)
			p.acc[i] = append(p.acc[i], x)
		}
	}
	p.n = columns(fn)
	fn.Compare(p.n, vecs*lanes)
	fn.If("NE", "part")
	ars := fn.Arg("ars")
	fn.Compare(ars, 1)
	fn.If("NE", "rows")
	p.sum("packed", func() { p.column() })
	fn.Jump("full")
	fn.Label("rows")
	p.addresses()
	p.sum("row", func() { p.elements(vecs, p.whole()) })
	fn.Label("full")
	p.finish("full", vecs, p.whole())

	fn.Label("part")
	p.addresses()
	fn.Compare(p.n, lanes)
	fn.If("LE", "thin")
	p.findOffsets()
	p.sum("cut", func() { p.elements(vecs, p.cut()) })
	p.finish("cut", vecs, p.cut())

	fn.Label("thin")
	narrow := p.narrow()
	p.sum("narrow", func() { p.elements(1, narrow) })
	p.finish("narrow", 1, narrow)
	w.add(fn)
}

// stride loads one and turns elements into bytes.
func stride(fn *arm64.Func, name string) arm64.Reg {
	s := fn.Arg(name)
	fn.ShiftLeft(s, s, 2)
	return s
}

// columns is how many the mask has: those from the lowest bit on.
func columns(fn *arm64.Func) arm64.Reg {
	n, width := fn.Arg("mask"), fn.GP()
	fn.LeadingZeros(n, n)
	fn.Set(width, 32)
	fn.Sub(n, width, n)
	return n
}

// addresses finds the bases of rows of A: one for every four.
func (p *block) addresses() {
	fn := p.fn
	p.bases = p.bases[:1]
	s := stride(fn, "ars")
	p.strides = []arm64.Reg{s}
	for i := 2; i <= 3 && i < p.rows; i++ {
		more := fn.GP()
		fn.Add(more, p.strides[i-2], s)
		p.strides = append(p.strides, more)
	}
	for i := 4; i < p.rows; i += 4 {
		base := fn.GP()
		fn.Add(base, p.bases[len(p.bases)-1], p.strides[2])
		fn.Add(base, base, s)
		p.bases = append(p.bases, base)
	}
}

// sum writes a loop over k, two at a time.
func (p *block) sum(label string, step func()) {
	fn := p.fn
	counted(fn, label, p.k, 2, func() {
		step()
		step()
	})
	fn.IfZero(p.k, label+"sum")
	step()
	fn.Label(label + "sum")
}

// column adds the product of a column of a packed A with a row of B.
func (p *block) column() {
	fn := p.fn
	b := make([]arm64.Reg, p.vecs)
	p.whole().load(p.b, b)
	fn.Add(p.b, p.b, p.brs)
	type lane struct {
		v arm64.Reg
		i int
	}
	var a []lane
	load := func(size string, first, n int) {
		v := fn.V()
		fn.Load(size, v, p.bases[0], 4*first)
		for i := range n {
			a = append(a, lane{v, i})
		}
	}
	for r := 0; r < p.rows; {
		switch rest := p.rows - r; {
		case rest >= 4:
			load(arm64.Quad, r, 4)
			r += 4
		case r > 0: // a whole vector, which ends with the last row
			load(arm64.Quad, p.rows-4, 4)
			a = append(a[:r], a[len(a)-rest:]...)
			r = p.rows
		case rest >= 2:
			load(arm64.Double, r, 2)
			r += 2
			if rest == 3 {
				load(arm64.Single, r, 1)
				r++
			}
		default:
			load(arm64.Single, r, 1)
			r++
		}
	}
	fn.Add(p.bases[0], p.bases[0], p.acs)
	for i, x := range a {
		for v := range b {
			fn.Lane(p.add, x.i, p.acc[i][v], b[v], x.v)
		}
	}
}

// elements adds the product of a column of any A with a row of B.
func (p *block) elements(vecs int, row access) {
	fn := p.fn
	b := make([]arm64.Reg, vecs)
	row.load(p.b, b)
	fn.Add(p.b, p.b, p.brs)
	for i := range p.rows {
		x, base := fn.V(), p.bases[i/4]
		if i%4 == 0 {
			fn.Load(arm64.Single, x, base, 0)
		} else {
			fn.LoadAt(arm64.Single, x, base, p.strides[i%4-1])
		}
		for v := range b {
			fn.Lane(p.add, 0, p.acc[i][v], b[v], x)
		}
	}
	for _, base := range p.bases {
		fn.Add(base, base, p.acs)
	}
}

// access is how the vectors of a row of columns are read and written.
type access struct {
	load  func(base arm64.Reg, v []arm64.Reg) // makes the registers
	store func(base arm64.Reg, v []arm64.Reg)
}

// whole is the access to all columns.
func (p *block) whole() access {
	fn := p.fn
	return access{
		load: func(base arm64.Reg, v []arm64.Reg) {
			for i := 0; i < len(v); i += 2 {
				v[i], v[i+1] = fn.V(), fn.V()
				fn.LoadPair(v[i], v[i+1], base, 16*i)
			}
		},
		store: func(base arm64.Reg, v []arm64.Reg) {
			for i := 0; i < len(v); i += 2 {
				fn.StorePair(v[i], v[i+1], base, 16*i)
			}
		},
	}
}

// findOffsets finds where the vectors of a row begin that has more than one, but not all.
func (p *block) findOffsets() {
	fn := p.fn
	last := fn.GP()
	fn.Sub(last, p.n, lanes)
	fn.ShiftLeft(last, last, 2)
	p.offsets = nil
	for v := 1; v < p.vecs; v++ {
		o := fn.GP()
		fn.Set(o, 16*v)
		fn.Compare(o, last)
		fn.Choose("LT", o, o, last)
		p.offsets = append(p.offsets, o)
	}
}

// cut is the access to a row with these offsets.
func (p *block) cut() access {
	fn := p.fn
	return access{
		load: func(base arm64.Reg, v []arm64.Reg) {
			for i := range v {
				v[i] = fn.V()
				if i == 0 {
					fn.Load(arm64.Quad, v[i], base, 0)
				} else {
					fn.LoadAt(arm64.Quad, v[i], base, p.offsets[i-1])
				}
			}
		},
		store: func(base arm64.Reg, v []arm64.Reg) {
			fn.Store(arm64.Quad, v[0], base, 0)
			for i, x := range v[1:] {
				fn.StoreAt(arm64.Quad, x, base, p.offsets[i])
			}
		},
	}
}

// narrow is the access to one vector of up to four columns.
func (p *block) narrow() access {
	part := &partial{fn: p.fn, n: p.n, four: true}
	return access{
		load:  func(base arm64.Reg, v []arm64.Reg) { v[0] = part.load(base) },
		store: func(base arm64.Reg, v []arm64.Reg) { part.store(base, v[0]) },
	}
}

// finish adds C (mode 1) or the bias (mode 2), stores and returns. All of a row is read before any of
// it is written: vectors of a cut row overlap.
func (p *block) finish(label string, vecs int, row access) {
	fn := p.fn
	c, ldc, mode := fn.Arg("c"), stride(fn, "ldc"), fn.Arg("mode")
	add := func(to, what []arm64.Reg) {
		for v := range what {
			fn.Vec(arm64.FADD, to[v], to[v], what[v])
		}
	}
	fn.Compare(mode, 1)
	fn.If("LT", label+"store")
	fn.If("EQ", label+"add")
	t := make([]arm64.Reg, vecs)
	row.load(fn.Arg("bias"), t)
	for i := range p.rows {
		add(p.acc[i], t)
	}
	fn.Jump(label + "store")
	fn.Label(label + "add")
	from := fn.GP()
	fn.Move(from, c)
	for i := range p.rows {
		row.load(from, t)
		fn.Add(from, from, ldc)
		add(p.acc[i], t)
	}
	fn.Label(label + "store")
	for i := range p.rows {
		row.store(c, p.acc[i][:vecs])
		fn.Add(c, c, ldc)
	}
	fn.Return()
}

// peakSums is how many sums the loop has that measures the peak: none waits for itself, with four
// units and four cycles each.
const peakSums = 24

// peak is a loop of nothing but multiply-adds: what the core can do at best.
func (w *writer) peak(e element) {
	fn := w.function("peak"+e.suffix, "func(n int)")
	fn.Doc(fmt.Sprintf("peak%sNEON does n times %d multiply-adds of %d %s.", e.suffix, peakSums, lanes, e.what))
	n, x := fn.Arg("n"), fn.V()
	fn.Zero(x)
	acc := vectors(fn, peakSums)
	for _, a := range acc {
		fn.Zero(a)
	}
	fn.Label("loop")
	for _, a := range acc {
		fn.Lane(e.multiplyAdd, 0, a, x, x)
	}
	fn.SubFlags(n, n, 1)
	fn.If("GT", "loop")
	fn.Return()
	w.add(fn)
}
