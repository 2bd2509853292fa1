package kernel

import (
	"math"
	"math/bits"
	"time"
	"unsafe"
)

//go:generate go run ./gen/gemm -out gemm_amd64.s -stubs gemm_stub_amd64.go -pkg kernel
//go:generate go run ./gen/neon -out neon_arm64.s -stubs neon_stub_arm64.go

// What a product does with C, besides adding up.
const (
	modeStore = 0 // C = AB
	modeAdd   = 1 // C += AB
	modeBias  = 2 // C = AB + bias
)

// productFunc multiplies a few rows of A with the columns of one panel of B.
// Strides are in elements; bit j of mask says that column j is there.
type productFunc func(k int, a *float32, ars, acs int, b *float32, brs int,
	c *float32, ldc int, mask uint32, mode int, bias *float32)

// copyFunc copies k rows of a fixed width, with zeros where mask has no column.
type copyFunc func(k int, src *float32, ss int, dst *float32, ds int, mask uint32)

// transposeFunc transposes up to lanes x lanes floats; it writes cols rows of
// lanes floats, zeros where there are no rows.
type transposeFunc func(src *float32, ss int, dst *float32, ds int, rows, cols int)

// Matrix is the table of matrix products and convolutions of a level. It has no
// state: goroutines may share it, each with a [Work] of its own.
type Matrix struct {
	blocks       Blocks
	panel, lanes int           // columns of a panel, and of a vector
	wide         []productFunc // by rows: products of panel columns
	slim         []productFunc // by rows: products of lanes columns
	copyWide     copyFunc      // of panel columns
	copySlim     copyFunc      // of lanes columns
	transpose    transposeFunc
	dots         []dots      // by columns: products with few of them; nil: there are none
	peak         func(n int) // does n times peakWork operations
	peakWork     int
	// pairs multiplies pairs of bfloat16 as others do floats; nil: this CPU cannot.
	pairs *pairMatrix
	tiled *tileTable                   // of a table of pairs: products of tiles; nil: this CPU has none
	round func(n int, dst, x *float32) // to bfloat16
	widen func(n int, dst *float32, x *uint16)
}

// Work is the scratch memory of one worker. The zero value is ready; it grows
// as needed and is kept from call to call.
type Work struct {
	a, b   []float32 // packed operands
	x, y   []float32 // images and pixels of a convolution
	h, g   []float32 // operands in bfloat16, and what is gathered for them
	at     []int     // where chunks of operands are
	config tileConfig
}

// grow returns n elements of *s, which keeps them for the next time.
func grow(s *[]float32, n int) *float32 {
	if cap(*s) < n {
		*s = make([]float32, n)
	}
	*s = (*s)[:cap(*s)]
	return unsafe.SliceData(*s)
}

// elem is the address of element i after p.
func elem(p *float32, i int) *float32 {
	return (*float32)(unsafe.Add(unsafe.Pointer(p), i*4))
}

// MatrixAt returns the matrix kernels of a level, which must be one of [Levels], with [DefaultBlocks].
func MatrixAt(l Level) *Matrix { return MatrixWith(l, DefaultBlocks) }

// MatrixWith is [MatrixAt] with blocks of other sizes, which must be positive.
func MatrixWith(l Level, blocks Blocks) *Matrix {
	m := portableMatrix()
	if l != Portable {
		m = assemblyMatrix(l)
	}
	v := VectorAt(l)
	m.round, m.widen, m.blocks = v.Unary[RoundBF16], v.FromBF16, blocks
	if m.pairs != nil {
		m.pairs.blocks = blocks
	}
	return m
}

// Panel is the number of columns in a packed panel.
func (m *Matrix) Panel() int { return m.panel }

// panels is the number of panels of n columns.
func (m *Matrix) panels(n int) int { return (n + m.panel - 1) / m.panel }

// maskOf has the lowest n bits set.
func maskOf(n int) uint32 { return uint32(1)<<n - 1 }

// PackedLen is the length of the packed form of a k x n matrix.
func (m *Matrix) PackedLen(k, n int) int { return m.panels(n) * m.panel * k }

// Pack packs panels p0 to p1 (of PackedLen/(k*Panel)) of the k x n matrix B
// with element (i,j) at b[i*rs+j*cs]. A panel has the rows of Panel columns one
// after the other; columns past n are zeros. It is fast when rs or cs is 1.
func (m *Matrix) Pack(dst *float32, k, n int, b *float32, rs, cs int, p0, p1 int) {
	for p := p0; p < p1 && k > 0; p++ {
		j := p * m.panel
		m.packPanel(elem(dst, j*k), k, min(m.panel, n-j), elem(b, j*cs), rs, cs)
	}
}

func (m *Matrix) packPanel(dst *float32, k, w int, b *float32, rs, cs int) {
	switch {
	case cs == 1:
		m.copyWide(k, b, rs, dst, m.panel, maskOf(w))
	case rs == 1:
		for x := 0; x < m.panel; x += m.lanes {
			if x >= w {
				m.copySlim(k, b, 0, elem(dst, x), m.panel, 0)
				continue
			}
			for l := 0; l < k; l += m.lanes {
				m.transpose(elem(b, x*cs+l), cs, elem(dst, l*m.panel+x), m.panel, min(m.lanes, w-x), min(m.lanes, k-l))
			}
		}
	default:
		for l := 0; l < k; l++ {
			row := unsafe.Slice(elem(dst, l*m.panel), m.panel)
			for x := range w {
				row[x] = *elem(b, l*rs+x*cs)
			}
			clear(row[w:])
		}
	}
}

// packA packs the m x k matrix A in tiles of rows: each tile has its columns
// one after the other. dst has room for 16 floats more.
func (m *Matrix) packA(dst *float32, t tiling, k int, a *float32, ars, acs int) {
	for x := range t.count {
		i, w := t.at(x)
		d, s := elem(dst, i*k), elem(a, i*ars)
		switch {
		case ars == 1:
			m.copySlim(k, s, acs, d, w, maskOf(w))
		case acs == 1:
			// What a row of lanes writes past w is overwritten by the next.
			for l := 0; l < k; l += m.lanes {
				m.transpose(elem(s, l), ars, elem(d, l*w), w, w, min(m.lanes, k-l))
			}
		default:
			for l := range k {
				for r := range w {
					*elem(d, l*w+r) = *elem(s, r*ars+l*acs)
				}
			}
		}
	}
}

// tiling cuts rows into tiles of nearly equal height: a short last tile would
// leave multiply-add units waiting.
type tiling struct{ rows, count int }

func tilesOf(rows, most int) tiling { return tiling{rows, (rows + most - 1) / most} }

// at is the first row and the number of rows of tile x.
func (t tiling) at(x int) (first, rows int) {
	q, r := t.rows/t.count, t.rows%t.count
	if x < r {
		return x * (q + 1), q + 1
	}
	return x*q + r, q
}

// MultiplyAdds does about so many floating-point operations: nothing but multiply-adds.
func (m *Matrix) MultiplyAdds(flop float64) { m.peak(1 + int(flop/float64(m.peakWork))) }

// PeakFLOPS measures for about the given time how many floating-point operations
// a second one core does at best, in a loop of nothing but multiply-adds.
func (m *Matrix) PeakFLOPS(seconds float64) float64 {
	n, best := 1000, 0.0
	for begin := time.Now(); time.Since(begin).Seconds() < seconds; {
		t := time.Now()
		m.peak(n)
		d := time.Since(t).Seconds()
		best = math.Max(best, float64(n)*float64(m.peakWork)/d)
		if d < 1e-3 && bits.Len(uint(n)) < 40 {
			n *= 2
		}
	}
	return best
}
