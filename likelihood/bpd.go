package likelihood

import "math"

// BitsPerDim converts log p(x), in nats, of a point of R^d whose coordinates are
// discrete values dequantized over bins of width binWidth, into bits per dimension:
//
//	BPD = −(log p(x)/d + log binWidth) / log 2.
//
// p(x)·binWidth^d approximates (after averaging over the dequantization, bounds) the
// probability of the discrete value. binWidth is measured in the units of x: 256
// levels spread over [−1, 1] have bins of 2/256, and BPD = −log p/(d log 2) + 7, the
// paper's formula; over [0, 1], 1/256 and + 8. Where the scale differs between
// coordinates, take the geometric mean of the widths, exp(Σ_j log binWidth_j / d).
func BitsPerDim(logp float64, d int, binWidth float64) float64 {
	return -(logp/float64(d) + math.Log(binWidth)) / math.Ln2
}
