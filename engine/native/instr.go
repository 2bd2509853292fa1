package native

import "unsafe"

// matmul is a product whose rows are a tile's: out = lhs · packed or plain rhs.
type matmul struct {
	out, lhs, rhs ref
	bias          ref
	biased        bool
	packed        bool
	rows          int // of out in a unit
	d             *dot
	lhsStep       int // floats that a whole-read lhs advances by for a row of out; 0: it is read by rows
}

func (i *matmul) run(x *exec) {
	d := i.d
	var bias *float32
	if i.biased {
		bias = x.float(i.bias)
	}
	a := x.float(i.lhs)
	if i.lhsStep > 0 {
		a = plus(a, x.u0*i.rows*i.lhsStep)
	}
	m := x.n * i.rows
	if d.half {
		lhs := x.operand(i.lhs, x.u0*i.rows*i.lhsStep)
		x.mat.MulPackedBF16(m, d.n, d.k, lhs, d.lm, d.lk, x.float(i.rhs), x.float(i.out), d.n, bias, false, x.work)
		return
	}
	if d.thin {
		x.mat.MulThin(m, d.n, d.k, a, d.lm, x.float(i.rhs), x.float(i.out), d.n, bias)
		return
	}
	if i.packed {
		x.mat.MulPacked(m, d.n, d.k, a, d.lm, d.lk, x.float(i.rhs), x.float(i.out), d.n, bias, false, x.work)
		return
	}
	x.mat.Mul(m, d.n, d.k, a, d.lm, d.lk, x.float(i.rhs), d.rk, x.float(i.out), d.n, bias, false, x.work)
}

// matmuls is a product for each index of a batch.
type matmuls struct {
	out, lhs, rhs ref
	batch         int // in a unit
	lStep, rStep  int // floats that whole-read operands advance by for an index of the batch
	pack          ref // room for one packed rhs, where that does not lie in rows
	d             *dot
}

func (i *matmuls) run(x *exec) {
	d := i.d
	if d.half {
		for k := range x.n * i.batch {
			a, b := x.operand(i.lhs, x.u0*i.batch*i.lStep+k*d.lb), x.operand(i.rhs, x.u0*i.batch*i.rStep+k*d.rb)
			x.mat.MulBF16(d.m, d.n, d.k, a, d.lm, d.lk, b, d.rk, d.rn, plus(x.float(i.out), k*d.m*d.n), d.n, nil,
				false, x.work)
		}
		return
	}
	a, b, c := x.float(i.lhs), x.float(i.rhs), x.float(i.out)
	a, b = plus(a, x.u0*i.batch*i.lStep), plus(b, x.u0*i.batch*i.rStep)
	for k := range x.n * i.batch {
		a, b, c := plus(a, k*d.lb), plus(b, k*d.rb), plus(c, k*d.m*d.n)
		if d.rn == 1 || d.n == 1 {
			x.mat.Mul(d.m, d.n, d.k, a, d.lm, d.lk, b, d.rk, c, d.n, nil, false, x.work)
		} else {
			p := x.float(i.pack)
			x.mat.Pack(p, d.k, d.n, b, d.rk, d.rn, 0, (d.n+x.mat.Panel()-1)/x.mat.Panel())
			x.mat.MulPacked(d.m, d.n, d.k, a, d.lm, d.lk, p, c, d.n, nil, false, x.work)
		}
	}
}

// outer accumulates a product over the rows of a tile: the gradient of weights.
type outer struct {
	out      ref // of part 0
	part     int // floats from one part to the next
	lhs, rhs ref
	rows     int // in a unit
	grain    int // units that are summed at a time
	pack     ref
	d        *dot
}

func (i *outer) run(x *exec) {
	c := plus(x.float(i.out), x.part*i.part)
	for u := 0; u < x.n; u += i.grain {
		i.sum(x, c, u*i.rows, min(i.grain, x.n-u)*i.rows, !x.first || u > 0)
	}
}

// sum adds the product over k rows of the tile, from row l on, to c, or makes c if there is none yet.
func (i *outer) sum(x *exec, c *float32, l, k int, acc bool) {
	d := i.d
	if d.half {
		x.mat.MulBF16(d.m, d.n, k, x.operand(i.lhs, l*d.lk), d.lm, d.lk, x.operand(i.rhs, l*d.rk), d.rk, d.rn,
			c, d.n, nil, acc, x.work)
		return
	}
	a, b := plus(x.float(i.lhs), l*d.lk), plus(x.float(i.rhs), l*d.rk)
	if d.rn == 1 || d.n == 1 {
		x.mat.Mul(d.m, d.n, k, a, d.lm, d.lk, b, d.rk, c, d.n, nil, acc, x.work)
		return
	}
	p := x.float(i.pack)
	x.mat.Pack(p, k, d.n, b, d.rk, d.rn, 0, (d.n+x.mat.Panel()-1)/x.mat.Panel())
	x.mat.MulPacked(d.m, d.n, k, a, d.lm, d.lk, p, c, d.n, nil, acc, x.work)
}

// packing packs panels; its units are panels.
type packing struct {
	out, in ref
	d       *dot
	rounds  bool
}

func (i *packing) run(x *exec) {
	d := i.d
	whole := ref{slot: i.out.slot, off: i.out.off}
	if d.thin {
		x.mat.PackThin(x.float(whole), d.k, d.n, x.float(i.in), d.rk, d.rn)
		return
	}
	if d.half || i.rounds {
		pack := x.mat.PackRounded
		if d.half {
			pack = x.mat.PackBF16
		}
		pack(x.float(whole), d.k, d.n, x.operand(i.in, 0), d.rk, d.rn, x.u0, x.u0+x.n, x.work)
		return
	}
	x.mat.Pack(x.float(whole), d.k, d.n, x.float(i.in), d.rk, d.rn, x.u0, x.u0+x.n)
}

// reduction reduces the middle axis of [outer, red, inner] in each unit.
type reduction struct {
	out, in           ref
	outer, red, inner int
	op                reduceOp
}

func (i *reduction) run(x *exec) {
	out, in := x.float(i.out), x.float(i.in)
	switch n := x.n * i.outer; i.op {
	case reduceSum:
		x.vec.SumAxis(n, i.red, i.inner, out, in, false)
	case reduceMax:
		x.vec.MaxAxis(n, i.red, i.inner, out, in)
	case reduceMin:
		x.vec.MinAxis(n, i.red, i.inner, out, in)
	case reduceProd:
		x.vec.ProdAxis(n, i.red, i.inner, out, in)
	}
}

// accumulation reduces all rows of a tile into its part's [inner].
type accumulation struct {
	out         ref // of part 0
	part        int
	in          ref
	rows, inner int // rows in a unit
	grain       int // units that are reduced at a time
	op          reduceOp
	temp        ref // [inner]
}

func (i *accumulation) run(x *exec) {
	for u := 0; u < x.n; u += i.grain {
		i.reduce(x, u*i.rows, min(i.grain, x.n-u)*i.rows, !x.first || u > 0)
	}
}

// reduce reduces n rows of the tile, from a row on.
func (i *accumulation) reduce(x *exec, row, n int, acc bool) {
	out, in := plus(x.float(i.out), x.part*i.part), plus(x.float(i.in), row*i.inner)
	if i.op == reduceSum {
		x.vec.SumAxis(1, n, i.inner, out, in, acc)
		return
	}
	to := out
	if acc {
		to = x.float(i.temp)
	}
	op := combine[i.op]
	switch i.op {
	case reduceMax:
		x.vec.MaxAxis(1, n, i.inner, to, in)
	case reduceMin:
		x.vec.MinAxis(1, n, i.inner, to, in)
	case reduceProd:
		x.vec.ProdAxis(1, n, i.inner, to, in)
	}
	if acc {
		x.vec.Binary[op](i.inner, out, out, to)
	}
}

// moving fills a tile by strides: dims[0] is rows of the tile.
type moving struct {
	out, in ref
	whole   bool // in is read as a whole: rows of the tile begin at their index
	rows    int  // in a unit
	dims    []int
	strides []int // of in
	ds      []int // of out
	offset  int
}

func (i *moving) run(x *exec) {
	in := plus(x.float(i.in), i.offset)
	if i.whole {
		in = plus(in, x.u0*i.rows*i.strides[0])
	}
	strided(x, x.float(i.out), in, x.n*i.rows, i.dims, i.strides, i.ds)
}

// strided copies dims[0] replaced by n, the last axes by one kernel where they
// lie dense or are transposed.
func strided(x *exec, dst, src *float32, n int, dims, ss, ds []int) {
	if len(dims) == 1 {
		strided1(x, dst, src, n, ss[0])
		return
	}
	if len(dims) == 2 {
		strided2(x, dst, src, n, dims[1], ds[0], ss[0], ss[1])
		return
	}
	if len(dims) == 3 && dims[1] < n { // the fewer calls, the longer each
		for k := range dims[1] {
			strided2(x, plus(dst, k*ds[1]), plus(src, k*ss[1]), n, dims[2], ds[0], ss[0], ss[2])
		}
		return
	}
	for k := range n {
		strided(x, plus(dst, k*ds[0]), plus(src, k*ss[0]), dims[1], dims[1:], ss[1:], ds[1:])
	}
}

func strided1(x *exec, dst, src *float32, n, s int) {
	switch s {
	case 1:
		x.vec.CopyRows(1, n, dst, n, src, n)
	case 0:
		x.vec.Fill(n, dst, *src)
	default:
		x.vec.CopyRows(n, 1, dst, 1, src, s)
	}
}

func strided2(x *exec, dst, src *float32, rows, cols, ds, s0, s1 int) {
	switch {
	case s1 == 1 || cols == 1:
		x.vec.CopyRows(rows, cols, dst, ds, src, s0)
	case s0 == 1 && s1 > 1:
		x.vec.Transpose(cols, rows, dst, ds, src, s1)
	case s1 == 0 && s0 == 1 && ds == cols:
		x.vec.Expand(rows, cols, dst, src)
	default:
		for r := range rows {
			strided1(x, plus(dst, r*ds), plus(src, r*s0), cols, s1)
		}
	}
}

// framing fills a tile with a constant and sets boxes of other tensors into it:
// concatenation and padding.
type framing struct {
	out   ref
	rows  int // of out in a unit
	row   int // floats in a row of out
	fill  bool
	value float32
	boxes []box
}

// box is a dense tensor, and where it goes in each row of the tile, or, of rows
// read as a whole, in which rows.
type box struct {
	in     ref
	dims   []int // of in
	ss, ds []int // strides of these axes in in and in out
	offset int   // in a row of out
	row0   int   // the first row of out that it fills, of those read as a whole
	rows   int   // how many
	whole  bool
}

func (i *framing) run(x *exec) {
	out, n := x.float(i.out), x.n*i.rows
	if i.fill {
		x.vec.Fill(n*i.row, out, i.value)
	}
	for _, b := range i.boxes {
		in, dst, rows := x.float(b.in), plus(out, b.offset), n
		if b.whole {
			lo, hi := max(x.u0*i.rows, b.row0), min(x.u0*i.rows+n, b.row0+b.rows)
			if lo >= hi {
				continue
			}
			in, dst, rows = plus(in, (lo-b.row0)*b.ss[0]), plus(dst, (lo-x.u0*i.rows)*i.row), hi-lo
		}
		strided(x, dst, in, rows, b.dims, b.ss, b.ds)
	}
}

// clearing makes zeros of the parts that a sum does not have but others beside it do.
type clearing struct {
	out         ref // of part 0
	part        int // floats from one part to the next
	from, to, n int
}

func (i *clearing) run(x *exec) {
	if x.part > 0 {
		return
	}
	for k := i.from; k < i.to; k++ {
		x.vec.Fill(i.n, plus(x.float(i.out), k*i.part), 0)
	}
}

// copyBytes copies n bytes.
func copyBytes(dst unsafe.Pointer, src addr, n int) {
	copy(unsafe.Slice((*byte)(dst), n), unsafe.Slice(src.bytes(), n))
}
