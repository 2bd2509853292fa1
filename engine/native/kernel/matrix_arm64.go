package kernel

// assemblyMatrix is the table of the level in assembly.
func assemblyMatrix(Level) *Matrix {
	m := &Matrix{
		panel: 16, lanes: 8,
		wide: []productFunc{
			1: mul1x16NEON, mul2x16NEON, mul3x16NEON, mul4x16NEON, mul5x16NEON, mul6x16NEON,
		},
		slim: []productFunc{
			1: mul1x8NEON, mul2x8NEON, mul3x8NEON, mul4x8NEON, mul5x8NEON, mul6x8NEON,
			mul7x8NEON, mul8x8NEON, mul9x8NEON, mul10x8NEON, mul11x8NEON, mul12x8NEON,
		},
		copyWide: copyPanel16NEON, copySlim: copyPanel8NEON, transpose: transposePanelNEON,
		peak: peakNEON, peakWork: 24 * 4 * 2,
	}
	if haveBF16() {
		m.pairs = pairsNEON(m)
	}
	return m
}

// pairsNEON is the table of products of pairs, which has the sizes of m.
func pairsNEON(m *Matrix) *pairMatrix {
	return &pairMatrix{
		Matrix: Matrix{
			panel: m.panel, lanes: m.lanes,
			wide: []productFunc{
				1: mul1x16BF16NEON, mul2x16BF16NEON, mul3x16BF16NEON, mul4x16BF16NEON, mul5x16BF16NEON,
				mul6x16BF16NEON,
			},
			slim: []productFunc{
				1: mul1x8BF16NEON, mul2x8BF16NEON, mul3x8BF16NEON, mul4x8BF16NEON, mul5x8BF16NEON,
				mul6x8BF16NEON, mul7x8BF16NEON, mul8x8BF16NEON, mul9x8BF16NEON, mul10x8BF16NEON,
				mul11x8BF16NEON, mul12x8BF16NEON,
			},
			copyWide: m.copyWide, copySlim: m.copySlim, transpose: m.transpose,
			peak: peakBF16NEON, peakWork: 24 * 4 * 4,
		},
		neighbours: pairNeighboursNEON, rows: pairRowsNEON, halves: pairHalvesNEON,
	}
}
