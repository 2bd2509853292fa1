// Package moments takes the mean and the deviation of columns of numbers.
package moments

import "math"

// Of returns mean and standard deviation (divisor n) of n numbers of x, stride apart,
// in two passes, and whether all of them are equal.
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
	for i := range n {
		d := x[i*stride] - mean
		std += d * d
	}
	return mean, math.Sqrt(std / float64(n)), false
}
