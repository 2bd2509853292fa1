package kernel

import "unsafe"

// BF16 is an operand of a product in bfloat16: floats, which the product rounds
// to bfloat16, or numbers that are bfloat16. One of the two pointers is nil.
type BF16 struct {
	Float *float32
	Half  *uint16
}

// at is the operand from element i on.
func (x BF16) at(i int) BF16 {
	if x.Half != nil {
		return BF16{Half: at(x.Half, i)}
	}
	return BF16{Float: elem(x.Float, i)}
}

// pairMatrix is a table of products whose elements are pairs of bfloat16 that are
// neighbours along k, in the memory of a float each, and what makes such pairs. To
// these products k counts pairs; all else is as with floats.
type pairMatrix struct {
	Matrix
	neighbours func(n int, dst, x *float32)                      // of n floats in a row
	rows       func(n int, dst, x, y *float32, both int)         // of two rows; without both, y is zeros
	halves     func(n int, dst *float32, x, y *uint16, both int) // the same of bfloat16
}

// HasBF16 says whether this CPU has instructions for products in bfloat16 that do more than those of floats: twice
// the work in pairs, 15 times in tiles. Elsewhere operands are rounded, and multiplied as floats.
func (m *Matrix) HasBF16() bool { return m.pairs != nil }

// BF16 names the instructions for products in bfloat16, or is empty; see HasBF16.
func (m *Matrix) BF16() string {
	switch {
	case m.pairs == nil:
		return ""
	case m.pairs.tiled != nil:
		return "tiles (AMX)"
	}
	return "pairs"
}

// inBF16 is the table that multiplies, and how many of its elements k numbers make.
func (m *Matrix) inBF16(k int) (t *Matrix, elements int) {
	if m.pairs != nil {
		return &m.pairs.Matrix, (k + 1) / 2
	}
	return m, k
}

// PackedLenBF16 is the length, in floats, of the packed form of a k x n matrix.
func (m *Matrix) PackedLenBF16(k, n int) int {
	t, k2 := m.inBF16(k)
	if t.tiled != nil {
		k2 = tilesOfK(k)
	}
	return t.PackedLen(k2, n)
}

// PackBF16 is [Matrix.Pack] for products in bfloat16.
func (m *Matrix) PackBF16(dst *float32, k, n int, b BF16, rs, cs int, p0, p1 int, work *Work) {
	t, k2 := m.inBF16(k)
	for p := p0; p < p1 && k > 0; p++ {
		j := p * t.panel
		w := min(t.panel, n-j)
		if t.tiled != nil {
			m.packTilePanel(elem(dst, j*tilesOfK(k)), k, w, b.at(j*cs), rs, cs, work)
			continue
		}
		temp := grow(&work.h, w*k2)
		crs, crk := m.convert(temp, w, k, b.at(j*cs), cs, rs, work)
		t.packPanel(elem(dst, j*k2), k2, w, temp, crk, crs)
	}
}

// PackRounded is [Matrix.Pack] with B rounded to bfloat16.
func (m *Matrix) PackRounded(dst *float32, k, n int, b BF16, rs, cs int, p0, p1 int, work *Work) {
	floats := *m
	floats.pairs = nil
	floats.PackBF16(dst, k, n, b, rs, cs, p0, p1, work)
}

// MulPackedBF16 is [Matrix.MulPacked] with A and B rounded to bfloat16; sums are
// floats. Numbers too small to be normal may count as zeros.
func (m *Matrix) MulPackedBF16(mm, n, k int, a BF16, ars, acs int, bp *float32,
	c *float32, ldc int, bias *float32, acc bool, work *Work) {
	t, k2 := m.inBF16(k)
	if t.tiled != nil && k > 0 {
		m.mulTiles(mm, n, k, a, ars, acs, bp, c, ldc, modeOf(acc, bias), bias, work)
		return
	}
	if a.Half != nil && m.pairs != nil && acs == 1 && k > 0 && k%2 == 0 && ars%2 == 0 { // these are pairs
		t.MulPacked(mm, n, k2, (*float32)(unsafe.Pointer(a.Half)), ars/2, 1, bp, c, ldc, bias, acc, work)
		return
	}
	rows := even(mm, m.blocks.Rows)
	for i := 0; i < mm; i += rows {
		h := min(rows, mm-i)
		temp := grow(&work.h, h*k2)
		rs, cs := m.convert(temp, h, k, a.at(i*ars), ars, acs, work)
		t.MulPacked(h, n, k2, temp, rs, cs, bp, elem(c, i*ldc), ldc, bias, acc, work)
	}
}

// MulBF16 is [Matrix.Mul] with A and B rounded to bfloat16. Element (l,j) of B is
// at b[l*brs+j*bcs].
func (m *Matrix) MulBF16(mm, n, k int, a BF16, ars, acs int, b BF16, brs, bcs int,
	c *float32, ldc int, bias *float32, acc bool, work *Work) {
	depth := 2 * blockK
	if m.pairs != nil && m.pairs.tiled != nil {
		depth = tileDepth
	}
	for j := 0; j < n; j += m.blocks.Columns {
		w := min(m.blocks.Columns, n-j)
		bias := bias
		if bias != nil {
			bias = elem(bias, j)
		}
		for l := 0; l < max(k, 1); l += depth {
			kc := min(depth, k-l)
			bp := grow(&work.b, m.PackedLenBF16(kc, w))
			m.PackBF16(bp, kc, w, b.at(l*brs+j*bcs), brs, bcs, 0, m.panels(w), work)
			m.MulPackedBF16(mm, w, kc, a.at(l*acs), ars, acs, bp, elem(c, j), ldc, bias, acc || l > 0, work)
		}
	}
}

// convert makes the elements of a table of [Matrix.inBF16] of rows x k numbers, in
// the order in which these lie, and returns their strides: of rows, and along k.
func (m *Matrix) convert(dst *float32, rows, k int, x BF16, rs, ks int, work *Work) (drs, dks int) {
	_, k2 := m.inBF16(k)
	if rs == 1 && rows > 1 {
		for l := 0; l < k2; l++ {
			m.convertRows(rows, k, l, elem(dst, l*rows), x, ks)
		}
		return 1, rows
	}
	for r := range rows {
		row := x.at(r * rs)
		if ks != 1 {
			row = gather(k, row, ks, work)
		}
		m.convertRow(k, elem(dst, r*k2), row)
	}
	return k2, 1
}

// convertRow makes the elements of k numbers that lie in a row.
func (m *Matrix) convertRow(k int, dst *float32, x BF16) {
	switch p := m.pairs; {
	case p == nil && x.Half == nil:
		m.round(k, dst, x.Float)
	case p == nil:
		m.widen(k, dst, x.Half)
	case x.Half == nil:
		p.neighbours(k, dst, x.Float)
	default:
		to := slice(as[uint16](dst), (k+1)&^1)
		clear(to[copy(to, slice(x.Half, k)):])
	}
}

// convertRows makes n elements that are the l-th along k, where numbers that are
// neighbours along k are ks apart.
func (m *Matrix) convertRows(n, k, l int, dst *float32, x BF16, ks int) {
	p := m.pairs
	switch {
	case p == nil && x.Half == nil:
		m.round(n, dst, elem(x.Float, l*ks))
		return
	case p == nil:
		m.widen(n, dst, at(x.Half, l*ks))
		return
	}
	both, second := 1, 2*l+1
	if second == k {
		both, second = 0, 2*l
	}
	if x.Half == nil {
		p.rows(n, dst, elem(x.Float, 2*l*ks), elem(x.Float, second*ks), both)
	} else {
		p.halves(n, dst, at(x.Half, 2*l*ks), at(x.Half, second*ks), both)
	}
}

// gather puts k numbers that are stride apart into a row.
func gather(k int, x BF16, stride int, work *Work) BF16 {
	row := grow(&work.g, k)
	if x.Half == nil {
		for l := range k {
			*elem(row, l) = *elem(x.Float, l*stride)
		}
		return BF16{Float: row}
	}
	half := as[uint16](row)
	for l := range k {
		*at(half, l) = *at(x.Half, l*stride)
	}
	return BF16{Half: half}
}
