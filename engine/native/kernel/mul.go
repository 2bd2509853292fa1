package kernel

// blockK is how many products are summed before the sum is added to C: a panel of B of so many rows
// stays in the first cache. Where sums are rounded does not depend on the machine.
const blockK = 256

// Blocks are the sizes by which products and convolutions go through their operands. No result
// depends on them. [DefaultBlocks] are those of a CPU that is not known.
type Blocks struct {
	Rows    int // of A, that are packed at a time: Rows x 256 floats stay in the second cache
	Columns int // of B that [Matrix.Mul] packs at a time
	Pixels  int // floats of rows of an image, with their sums, that stay in the second cache
}

// DefaultBlocks suit caches of 32 KiB and 1 MiB.
var DefaultBlocks = Blocks{Rows: 168, Columns: 512, Pixels: 1 << 16}

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
	if n <= thinMost && ars == 1 && acs != 1 && k > 0 {
		m.mulTurned(mm, n, k, a, acs, b, brs, c, ldc, mode, bias, work)
		return
	}
	if mm <= 2*(len(m.wide)-1) || k*n <= 2048 || n <= m.lanes {
		o := operands{a, ars, acs, b, m.panel, brs, c, ldc, bias}
		m.mul(mm, n, k, &o, mode, work)
		return
	}
	for j := 0; j < n; j += m.blocks.Columns {
		w := min(m.blocks.Columns, n-j)
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
	rows, step := even(mm, m.blocks.Rows), even(k, blockK)
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
// tiles one after the other. A small B stays in the first cache: then C is written row by row.
func (m *Matrix) tiles(t tiling, n, k int, o *operands, packed bool, mode int) {
	if k*n <= smallB {
		for x := range t.count {
			for j := 0; j < n; j += m.panel {
				m.tile(t, x, j, n, k, o, packed, mode)
			}
		}
		return
	}
	for j := 0; j < n; j += m.panel {
		for x := range t.count {
			m.tile(t, x, j, n, k, o, packed, mode)
		}
	}
}

// smallB is up to how many floats of B a product goes through all panels for each tile of rows.
const smallB = 4096

// tile multiplies tile x with the panel that begins at column j.
func (m *Matrix) tile(t tiling, x, j, n, k int, o *operands, packed bool, mode int) {
	w := min(m.panel, n-j)
	product := m.wide
	if w <= m.lanes {
		product = m.slim
	}
	bias := o.bias
	if mode == modeBias {
		bias = elem(bias, j)
	}
	i, h := t.at(x)
	b, c := elem(o.b, j/m.panel*o.bps), elem(o.c, i*o.ldc+j)
	if packed {
		product[h](k, elem(o.a, i*k), 1, h, b, o.brs, c, o.ldc, maskOf(w), mode, bias)
	} else {
		product[h](k, elem(o.a, i*o.ars), o.ars, o.acs, b, o.brs, c, o.ldc, maskOf(w), mode, bias)
	}
}
