package kernel

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
		}
	}
	return &Matrix{
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
	}
}
