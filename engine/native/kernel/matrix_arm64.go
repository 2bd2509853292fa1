package kernel

// assemblyMatrix is the table of the level in assembly.
func assemblyMatrix(Level) *Matrix {
	return &Matrix{
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
}
