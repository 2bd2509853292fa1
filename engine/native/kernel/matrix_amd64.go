package kernel

import (
	"golang.org/x/sys/cpu"

	"flowmatch/engine/native/machine"
)

// assemblyMatrix is the table of a level in assembly.
func assemblyMatrix(l Level) *Matrix {
	if l == AVX2 {
		return &Matrix{
			panel: 16, lanes: 8,
			wide: []productFunc{
				1: mul1x16AVX256, mul2x16AVX256, mul3x16AVX256, mul4x16AVX256, mul5x16AVX256, mul6x16AVX256,
			},
			slim: []productFunc{
				1: mul1x8AVX256, mul2x8AVX256, mul3x8AVX256, mul4x8AVX256, mul5x8AVX256, mul6x8AVX256,
				mul7x8AVX256, mul8x8AVX256, mul9x8AVX256, mul10x8AVX256, mul11x8AVX256, mul12x8AVX256,
			},
			copyWide: copyRows16AVX256, copySlim: copyRows8AVX256, transpose: transposeAVX256,
			peak: peakAVX256, peakWork: 12 * 8 * 2,
			dots: []dots{
				1: {4, dots4x1AVX256, dots1x1AVX256}, {4, dots4x2AVX256, dots1x2AVX256},
				{2, dots2x3AVX256, dots1x3AVX256}, {2, dots2x4AVX256, dots1x4AVX256},
			},
		}
	}
	m := &Matrix{
		panel: 32, lanes: 16,
		wide: []productFunc{
			1: mul1x32AVX512, mul2x32AVX512, mul3x32AVX512, mul4x32AVX512, mul5x32AVX512, mul6x32AVX512,
			mul7x32AVX512, mul8x32AVX512, mul9x32AVX512, mul10x32AVX512, mul11x32AVX512, mul12x32AVX512,
			mul13x32AVX512, mul14x32AVX512,
		},
		slim: []productFunc{
			1: mul1x16AVX512, mul2x16AVX512, mul3x16AVX512, mul4x16AVX512, mul5x16AVX512, mul6x16AVX512,
			mul7x16AVX512, mul8x16AVX512, mul9x16AVX512, mul10x16AVX512, mul11x16AVX512, mul12x16AVX512,
			mul13x16AVX512, mul14x16AVX512, mul15x16AVX512, mul16x16AVX512,
		},
		copyWide: copyRows32AVX512, copySlim: copyRows16AVX512, transpose: transposeAVX512,
		peak: peakAVX512, peakWork: 12 * 16 * 2,
		dots: []dots{
			1: {4, dots4x1AVX512, dots1x1AVX512}, {4, dots4x2AVX512, dots1x2AVX512},
			{4, dots4x3AVX512, dots1x3AVX512}, {4, dots4x4AVX512, dots1x4AVX512},
		},
	}
	if cpu.X86.HasAVX512BF16 && (l == AMX || machine.FastPairs()) {
		m.pairs = pairsAVX512(m)
	}
	if l == AMX {
		m.pairs.tiled = &tileTable{
			product: [3][3]tileFunc{1: {1: tiles1x1AMX, tiles1x2AMX}, 2: {1: tiles2x1AMX, tiles2x2AMX}},
			rows:    pairTilesAMX, panel: pairPanelAMX, turned: pairTurnedAMX,
		}
		m.pairs.peak, m.pairs.peakWork = peakTiles, 4*2*tileRows*tileRows*2*tilePairs
	}
	return m
}

// pairsAVX512 is the table of products of pairs, which has the sizes of m.
func pairsAVX512(m *Matrix) *pairMatrix {
	p := &pairMatrix{
		Matrix: Matrix{
			panel: m.panel, lanes: m.lanes,
			wide: []productFunc{
				1: mul1x32AVX512BF16, mul2x32AVX512BF16, mul3x32AVX512BF16, mul4x32AVX512BF16, mul5x32AVX512BF16,
				mul6x32AVX512BF16, mul7x32AVX512BF16, mul8x32AVX512BF16, mul9x32AVX512BF16, mul10x32AVX512BF16,
				mul11x32AVX512BF16, mul12x32AVX512BF16, mul13x32AVX512BF16, mul14x32AVX512BF16,
			},
			slim: []productFunc{
				1: mul1x16AVX512BF16, mul2x16AVX512BF16, mul3x16AVX512BF16, mul4x16AVX512BF16, mul5x16AVX512BF16,
				mul6x16AVX512BF16, mul7x16AVX512BF16, mul8x16AVX512BF16, mul9x16AVX512BF16, mul10x16AVX512BF16,
				mul11x16AVX512BF16, mul12x16AVX512BF16, mul13x16AVX512BF16, mul14x16AVX512BF16, mul15x16AVX512BF16,
				mul16x16AVX512BF16,
			},
			copyWide: m.copyWide, copySlim: m.copySlim, transpose: m.transpose,
			peak: peakAVX512BF16, peakWork: 12 * 16 * 4,
		},
		neighbours: pairNeighboursAVX512BF16, rows: pairRowsAVX512BF16, halves: pairHalvesAVX512BF16,
	}
	return p
}

// peakTiles does n times four products of whole tiles.
func peakTiles(n int) {
	config := configured(2*tileRows, 2*tileRows, tilePairs)
	peakAMX(&config.palette, n)
}
