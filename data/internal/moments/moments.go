// Package moments takes the mean and the deviation of columns of numbers.
package moments

import "math"

// Of returns mean and standard deviation (divisor n) of n numbers of x, stride apart,
// in two passes, and whether all of them are equal. Where the sum has lost digits that the
// deviation needs, as of numbers far from 0 that hardly differ, it mends the mean and passes again.
func Of(x []float64, stride, n int) (mean, std float64, constant bool) {
	lo, hi := x[0], x[0]
	for i := range n {
		v := x[i*stride]
		mean += v / float64(n) // divided first: a sum of large values may overflow
		lo, hi = min(lo, v), max(hi, v)
	}
	if lo == hi {
		return lo, 0, true
	}
	off, std := about(mean, x, stride, n)
	if math.Abs(off) > lost*std { // not of what overflows
		mean += off
		_, std = about(mean, x, stride, n)
	}
	return mean, std, false
}

// lost is how many deviations the mean may be off: far more than rounding of usual numbers is.
const lost = 1e-6

// about returns mean and root mean square of the numbers less mean.
func about(mean float64, x []float64, stride, n int) (off, rms float64) {
	for i := range n {
		d := x[i*stride] - mean
		off += d / float64(n)
		rms += d * d
	}
	return off, math.Sqrt(rms / float64(n))
}
