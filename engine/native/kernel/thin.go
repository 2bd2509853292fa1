package kernel

// dots are the products of some rows of A, or of one, with a few columns of B, which lie as rows of k.
// They write sums column by column.
type dots struct {
	rows      int
	some, one func(k int, a *float32, ars int, b, sums *float32)
}

// thinMost is the most columns for which a product is turned: it does not depend on the level.
const thinMost = 4

// thinDepth is the least length of sums for which reading along them pays.
const thinDepth = 64

// Thin says whether a product has so few columns that B is better packed by [Matrix.PackThin]: of a panel
// most would be empty.
func (m *Matrix) Thin(n, k int) bool { return n > 0 && n < len(m.dots) && k >= thinDepth }

// PackThin packs the k x n matrix B with element (l,j) at b[l*rs+j*cs] for [Matrix.MulThin]: its columns
// one after the other, k*n floats.
func (m *Matrix) PackThin(dst *float32, k, n int, b *float32, rs, cs int) {
	for j := range n {
		column := slice(elem(dst, j*k), k)
		for l := range column {
			column[l] = *elem(b, l*rs+j*cs)
		}
	}
}

// MulThin is [Matrix.MulPacked], with rows of A of neighbours and B packed by [Matrix.PackThin].
func (m *Matrix) MulThin(mm, n, k int, a *float32, ars int, bp *float32, c *float32, ldc int, bias *float32) {
	d := &m.dots[n]
	var sums [16]float32
	for i := 0; i < mm; {
		rows, product := 1, d.one
		if mm-i >= d.rows {
			rows, product = d.rows, d.some
		}
		product(k, elem(a, i*ars), ars, bp, &sums[0])
		for j := range n {
			b := float32(0)
			if bias != nil {
				b = *elem(bias, j)
			}
			for r := range rows {
				*elem(c, (i+r)*ldc+j) = sums[j*rows+r] + b
			}
		}
		i += rows
	}
}

// mulTurned is [Matrix.Mul] for an A whose columns lie together and a B of few columns, as in the
// gradient of a last layer: as the product of B turned and A turned it fills vectors.
func (m *Matrix) mulTurned(mm, n, k int, a *float32, acs int, b *float32, brs int, c *float32, ldc int, mode int,
	bias *float32, work *Work) {
	turned := grow(&work.x, n*mm)
	o := operands{b, 1, brs, a, m.panel, acs, turned, mm, nil}
	m.mul(n, mm, k, &o, modeStore, work)
	for j := range n {
		start := float32(0)
		if mode == modeBias {
			start = *elem(bias, j)
		}
		for i, s := range slice(elem(turned, j*mm), mm) {
			at := elem(c, i*ldc+j)
			if mode == modeAdd {
				start = *at
			}
			*at = s + start
		}
	}
}
