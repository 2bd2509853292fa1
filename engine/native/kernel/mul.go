package kernel

// Sizes of blocks, in elements.
const (
	blockK = 256 // columns of A: a panel of B of so many rows stays in the first cache
	blockM = 168 // rows of A: blockM x blockK stay in the second cache
	blockN = 512 // columns of B that Mul packs at a time
)

// operands are the matrices of a product.
type operands struct {
	a        *float32
	ars, acs int
	b        *float32
	bps, brs int // distance of two panels, and of two rows in a panel
	c        *float32
	ldc      int
	bias     *float32
}

// MulPacked computes C = AB, or C += AB, for a packed B: C[m,n], A[m,k] with
// element (i,l) at a[i*ars+l*acs]. C has rows of ldc elements. bias, if not nil
// and not adding, is a vector of n to which the product of every row is added.
func (m *Matrix) MulPacked(mm, n, k int, a *float32, ars, acs int, bp *float32,
	c *float32, ldc int, bias *float32, acc bool, work *Work) {
	o := operands{a, ars, acs, bp, m.panel * k, m.panel, c, ldc, bias}
	m.mul(mm, n, k, &o, modeOf(acc, bias), work)
}

// Mul is [Matrix.MulPacked] for a B that is not packed: element (l,j) is at
// b[l*brs+j]. Small products read B where it is; large ones pack it by blocks.
func (m *Matrix) Mul(mm, n, k int, a *float32, ars, acs int, b *float32, brs int,
	c *float32, ldc int, bias *float32, acc bool, work *Work) {
	mode := modeOf(acc, bias)
	if mm <= 2*(len(m.wide)-1) || k*n <= 2048 || n <= m.lanes {
		o := operands{a, ars, acs, b, m.panel, brs, c, ldc, bias}
		m.mul(mm, n, k, &o, mode, work)
		return
	}
	for j := 0; j < n; j += blockN {
		w := min(blockN, n-j)
		for l, step := 0, even(k, blockK); l < k; l += step {
			kc := min(step, k-l)
			bp := grow(&work.b, m.PackedLen(kc, w))
			m.Pack(bp, kc, w, elem(b, l*brs+j), brs, 1, 0, m.panels(w))
			o := operands{elem(a, l*acs), ars, acs, bp, m.panel * kc, m.panel, elem(c, j), ldc, bias}
			if l > 0 {
				m.mul(mm, w, kc, &o, modeAdd, work)
				continue
			}
			if bias != nil {
				o.bias = elem(bias, j)
			}
			m.mul(mm, w, kc, &o, mode, work)
		}
	}
}

func modeOf(acc bool, bias *float32) int {
	switch {
	case acc:
		return modeAdd
	case bias != nil:
		return modeBias
	}
	return modeStore
}

// even is the size of nearly equal parts of n, each at most most.
func even(n, most int) int {
	parts := max(1, (n+most-1)/most)
	return max(1, (n+parts-1)/parts)
}

// mul does a product block by block.
func (m *Matrix) mul(mm, n, k int, o *operands, mode int, work *Work) {
	if mm <= 0 || n <= 0 {
		return
	}
	if k <= 0 {
		if mode != modeAdd {
			m.tiles(tilesOf(mm, len(m.wide)-1), n, 0, o, false, mode)
		}
		return
	}
	most := len(m.wide) - 1
	if n <= m.lanes {
		most = len(m.slim) - 1
	}
	rows, step := even(mm, blockM), even(k, blockK)
	for i := 0; i < mm; i += rows {
		t := tilesOf(min(rows, mm-i), most)
		for l := 0; l < k; l += step {
			kc := min(step, k-l)
			q := *o
			q.a, q.c, q.b = elem(o.a, i*o.ars+l*o.acs), elem(o.c, i*o.ldc), elem(o.b, l*o.brs)
			packed := m.worthPacking(n, o)
			if packed {
				q.a = grow(&work.a, t.rows*kc+16)
				m.packA(q.a, t, kc, elem(o.a, i*o.ars+l*o.acs), o.ars, o.acs)
			}
			then := mode
			if l > 0 {
				then = modeAdd
			}
			m.tiles(t, n, kc, &q, packed, then)
		}
	}
}

// worthPacking says whether tiles of A are read by so many panels of B that
// copying them first pays: strided columns need it sooner than rows do.
func (m *Matrix) worthPacking(n int, o *operands) bool {
	if o.acs != 1 {
		return n > 2*m.panel
	}
	return n > 4*m.panel
}

// tiles multiplies the tiles of a block with every panel. A packed A has its
// tiles one after the other.
func (m *Matrix) tiles(t tiling, n, k int, o *operands, packed bool, mode int) {
	for j := 0; j < n; j += m.panel {
		w := min(m.panel, n-j)
		product := m.wide
		if w <= m.lanes {
			product = m.slim
		}
		b, bias, mask := elem(o.b, j/m.panel*o.bps), o.bias, maskOf(w)
		if mode == modeBias {
			bias = elem(bias, j)
		}
		for x := range t.count {
			i, h := t.at(x)
			c := elem(o.c, i*o.ldc+j)
			if packed {
				product[h](k, elem(o.a, i*k), 1, h, b, o.brs, c, o.ldc, mask, mode, bias)
			} else {
				product[h](k, elem(o.a, i*o.ars), o.ars, o.acs, b, o.brs, c, o.ldc, mask, mode, bias)
			}
		}
	}
}
