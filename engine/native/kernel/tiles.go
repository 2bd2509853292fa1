package kernel

import "unsafe"

// Products of tiles of bfloat16 (AMX). A tile of A has up to 16 rows of up to 16 pairs along k, one of B so many rows
// of pairs for 16 columns, one of C 16 x 16 floats. An instruction multiplies them: to each sum it adds the
// sum of the even products and the sum of the odd ones of its chunk of k. So the chunks, which are counted from the
// begin of k, decide where sums are rounded, and nothing else does: neither blocks nor the rows beside one.

// The sizes of tiles.
const (
	tileRows  = 16
	tilePairs = 16 // of a chunk: 32 numbers along k
	tileSize  = tileRows * 2 * tilePairs
)

// tileDepth is the most numbers along k that are packed together.
const tileDepth = 1024

// tileFunc multiplies blocks of tiles; see tiles2x2AMX.
type tileFunc func(config *uint8, blocks int, at *int, chunks int, a *uint16, ars, next, ablock int,
	b *float32, ahead int, c *float32, ldc, cblock, mode int, bias *float32)

// tileTable is the functions of a table of products of pairs that has tiles.
type tileTable struct {
	product [3][3]tileFunc // by tiles of rows and of columns
	// rows, panel and turned bring floats into tiles; see pairTilesAMX and those after it.
	rows   func(rows, k int, x *float32, xs int, dst *uint16)
	panel  func(k int, x *float32, xs int, dst *float32, mask uint32)
	turned func(k int, x *float32, xs int, dst *uint16, ds, chunk int, mask uint32)
}

// tileConfig is what LDTILECFG reads: the bytes of a row, and the rows, of each tile register.
type tileConfig struct {
	palette uint8
	_       [15]byte
	bytes   [16]uint16
	rows    [16]uint8
}

// configured are the tiles of rows of A and columns of B, both at most 32, in chunks of so many pairs.
func configured(rows, cols, pairs int) (t tileConfig) {
	t.palette = 1
	set := func(tile, rows, columns int) {
		if rows > 0 && columns > 0 {
			t.rows[tile], t.bytes[tile] = uint8(rows), uint16(4*columns)
		}
	}
	r := [2]int{min(rows, tileRows), max(0, rows-tileRows)}
	c := [2]int{min(cols, tileRows), max(0, cols-tileRows)}
	for i := range 2 {
		for j := range 2 {
			set(2*i+j, r[i], c[j])
		}
		set(4+i, r[i], pairs)
		set(6+i, pairs, c[i])
	}
	return t
}

// tilesOfK is the number of rows of pairs that k numbers take in whole chunks.
func tilesOfK(k int) int { return (k + 2*tilePairs - 1) / (2 * tilePairs) * tilePairs }

// tiledRows are rows of A as tiles find them, in elements of bfloat16.
type tiledRows struct {
	a       *uint16
	ars     int   // from row to row
	next    int   // from 16 rows to the next
	at      []int // of each chunk: where it is in A, and in a panel of B in floats
	pairs   int   // of a chunk
	packing []int // the memory of at
	ahead   int   // from a panel of B to the one that is read next
	config  *tileConfig
}

// multiply multiplies rows of A with the columns of a panel of B from b on, at most 32, row i of C being at c[i*ldc].
func (t *tileTable) multiply(rows, cols int, o *tiledRows, b, c *float32, ldc, mode int, bias *float32) {
	if full := rows / (2 * tileRows); full > 0 {
		t.blocks(full, 2*tileRows, cols, o, o.a, 2*o.next, b, c, ldc, 2*tileRows*ldc, mode, bias)
	}
	if i := rows &^ (2*tileRows - 1); i < rows {
		t.blocks(1, rows-i, cols, o, at(o.a, i/tileRows*o.next), 0, b, elem(c, i*ldc), ldc, 0, mode, bias)
	}
}

// blocks multiplies blocks of at most 32 rows, which begin ablock apart in A and cblock apart in C.
func (t *tileTable) blocks(n, rows, cols int, o *tiledRows, a *uint16, ablock int, b, c *float32, ldc, cblock, mode int,
	bias *float32) {
	*o.config = configured(rows, cols, o.pairs)
	product := t.product[(rows+tileRows-1)/tileRows][(cols+tileRows-1)/tileRows]
	product(&o.config.palette, n, unsafe.SliceData(o.at), len(o.at)/2, a, o.ars, o.next, ablock, b, o.ahead, c, ldc,
		cblock, mode, bias)
}

// chunksOf lists the chunks of a packed A of k numbers: 16 rows have their chunks one after the other.
func (o *tiledRows) chunksOf(k int) {
	o.at, o.pairs = o.packing[:0], tilePairs
	for l := range tilesOfK(k) / tilePairs {
		o.at = append(o.at, l*tileSize, l*tilePairs*2*tileRows)
	}
	o.packing = o.at
}

// packTiles packs rows x k numbers as rows of tiles.
func (m *Matrix) packTiles(dst *uint16, rows, k int, x BF16, rs, cs int, work *Work) {
	t := m.pairs.tiled
	step := 2 * tilesOfK(k) * tileRows // of 16 rows
	if x.Half == nil && cs == 1 {
		for i := 0; i < rows; i += tileRows {
			t.rows(min(tileRows, rows-i), k, elem(x.Float, i*rs), rs, at(dst, i/tileRows*step))
		}
		return
	}
	if x.Half != nil && rs == 1 {
		wide := grow(&work.g, rows*k)
		for l := range k {
			m.widen(rows, elem(wide, l*rows), at(x.Half, l*cs))
		}
		x, cs = BF16{Float: wide}, rows
	}
	if rs == 1 {
		for i := 0; i < rows; i += tileRows {
			t.turned(k, elem(x.Float, i), cs, at(dst, i/tileRows*step), 2*tilePairs, tileSize,
				maskOf(min(tileRows, rows-i)))
		}
		return
	}
	for i := range rows {
		row := m.floats(k, x.at(i*rs), cs, work)
		t.rows(1, k, row, k, at(dst, i/tileRows*step+i%tileRows*2*tilePairs))
	}
}

// floats are k numbers that are stride apart, side by side.
func (m *Matrix) floats(k int, x BF16, stride int, work *Work) *float32 {
	if x.Half == nil {
		return gather(k, x, stride, work).Float
	}
	wide := grow(&work.g, 2*k) // the last half of it for what is gathered
	half := as[uint16](elem(wide, k))
	for l := range k {
		*at(half, l) = *at(x.Half, l*stride)
	}
	m.widen(k, wide, half)
	return wide
}

// packTilePanel packs the k x w matrix B, a panel or less, in whole chunks.
func (m *Matrix) packTilePanel(dst *float32, k, w int, b BF16, rs, cs int, work *Work) {
	p := m.pairs
	if cs == 1 && b.Half == nil {
		p.tiled.panel(k, b.Float, rs, dst, maskOf(w))
		return
	}
	k2 := (k + 1) / 2
	temp := grow(&work.h, w*k2)
	crs, crk := m.convert(temp, w, k, b, cs, rs, work)
	p.packPanel(dst, k2, w, temp, crk, crs)
	clear(slice(elem(dst, k2*p.panel), (tilesOfK(k)-k2)*p.panel))
}

// mulTiles is [Matrix.MulPackedBF16] by tiles.
func (m *Matrix) mulTiles(mm, n, k int, a BF16, ars, acs int, bp *float32, c *float32, ldc, mode int, bias *float32,
	work *Work) {
	p := m.pairs
	depth := tilesOfK(k)
	for l := 0; l < k; l += tileDepth {
		kc := min(tileDepth, k-l)
		// So many rows that they stay in the second cache.
		most := max(1, m.blocks.Rows*blockK/(tilesOfK(kc)*2*tileRows)) * 2 * tileRows
		for i := 0; i < mm; i += most {
			h := min(most, mm-i)
			o := tiledRows{a: as[uint16](grow(&work.a, (h+tileRows-1)&^(tileRows-1)*tilesOfK(kc))), ars: 2 * tilePairs,
				next: 2 * tilesOfK(kc) * tileRows, packing: work.at,
				ahead: depth * p.panel, config: &work.config}
			o.chunksOf(kc)
			work.at = o.packing
			m.packTiles(o.a, h, kc, a.at(i*ars+l*acs), ars, acs, work)
			for j := 0; j < n; j += p.panel {
				from := bias
				if mode == modeBias {
					from = elem(bias, j)
				}
				then := mode
				if l > 0 {
					then = modeAdd
				}
				p.tiled.multiply(h, min(p.panel, n-j), &o, elem(bp, j*depth+l/2*p.panel), elem(c, i*ldc+j), ldc, then,
					from)
			}
		}
	}
}
