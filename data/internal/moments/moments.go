// Package moments takes the mean and the deviation of columns of numbers.
package moments

import (
	"math"
	"slices"
)

// Column is what is known of the numbers of one.
type Column struct {
	Mean, Std float64 // divisor n
	Lo, Hi    float64
}

// Constant says whether all numbers are equal: then Mean is one of them, and Std 0.
func (c Column) Constant() bool { return c.Lo == c.Hi }

// Pass hands out rows of numbers in their order, some whole rows at a time, from the first on at every call.
type Pass func(use func(rows []float64)) error

// Of returns mean and standard deviation (divisor n) of n numbers of x, stride apart, and whether all of them
// are equal: see [Columns].
func Of(x []float64, stride, n int) (mean, std float64, constant bool) {
	c, _ := Columns(1, n, func(use func([]float64)) error {
		for i := range n {
			use(x[i*stride : i*stride+1])
		}
		return nil
	})
	return c[0].Mean, c[0].Std, c[0].Constant()
}

// Columns returns the moments of d columns of n rows, at least one, in two passes. Where a sum has lost digits
// that the deviation needs, as of numbers far from 0 that hardly differ, it mends the mean and passes again. What
// comes out does not depend on how many rows are handed out at a time. The error is that of a pass.
func Columns(d, n int, pass Pass) ([]Column, error) {
	all, began := make([]Column, d), false
	err := pass(func(rows []float64) {
		for len(rows) > 0 {
			for k, v := range rows[:d] {
				c := &all[k]
				if !began {
					c.Lo, c.Hi = v, v
				}
				c.Mean += v / float64(n) // divided first: a sum of large values may overflow
				c.Lo, c.Hi = min(c.Lo, v), max(c.Hi, v)
			}
			rows, began = rows[d:], true
		}
	})
	if err != nil {
		return nil, err
	}
	for k := range all {
		if all[k].Constant() {
			all[k].Mean = all[k].Lo
		}
	}
	off, err := about(all, n, pass)
	if err != nil {
		return nil, err
	}
	mended, again := slices.Clone(all), false
	for k, c := range all {
		if !c.Constant() && math.Abs(off[k]) > lost*c.Std { // not of what overflows
			mended[k].Mean += off[k]
			again = true
		}
	}
	if !again {
		return all, nil
	}
	if _, err := about(mended, n, pass); err != nil {
		return nil, err
	}
	for k := range all {
		if mended[k].Mean != all[k].Mean {
			all[k] = mended[k]
		}
	}
	return all, nil
}

// lost is how many deviations the mean may be off: far more than rounding of usual numbers is.
const lost = 1e-6

// about writes the root mean squares of the numbers less the means of their columns, and returns the means of
// these differences.
func about(all []Column, n int, pass Pass) (off []float64, err error) {
	off = make([]float64, len(all))
	squares := make([]float64, len(all))
	err = pass(func(rows []float64) {
		for len(rows) > 0 {
			for k, v := range rows[:len(all)] {
				d := v - all[k].Mean
				off[k] += d / float64(n)
				squares[k] += d * d
			}
			rows = rows[len(all):]
		}
	})
	for k := range all {
		if all[k].Std = math.Sqrt(squares[k] / float64(n)); all[k].Constant() {
			all[k].Std = 0
		}
	}
	return off, err
}
