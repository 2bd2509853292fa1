// Package stat has the few statistics of a list of numbers that many rooms report.
package stat

import "math"

// Mean returns the arithmetic mean of v; 0 if v is empty.
func Mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(max(1, len(v)))
}

// MeanStdErr returns the mean of v and its standard error s/√N, where s² is the
// unbiased variance of the sample (divided by N−1). Both are 0 if v is empty, and the
// error is 0 for a single number. Each number is divided by N before it is added, so
// that large numbers do not overflow; the last bits may differ from those of [Mean].
func MeanStdErr(v []float64) (mean, stdErr float64) {
	if len(v) == 0 {
		return 0, 0
	}
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		stdErr += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(stdErr/float64(max(1, len(v)-1))) / math.Sqrt(float64(len(v)))
}
