// Package numpyrand draws what NumPy's old generator draws, for data that are defined by
// its draws for a seed. Such draws are part of the data, not randomness of a run, and so do
// not come from internal/seed.
package numpyrand

import (
	"math"
	"math/bits"

	"gonum.org/v1/gonum/mathext/prng"
)

// Rand is numpy.random.RandomState(seed). Uniform and Shuffle are its draws bit for bit;
// Normal is within the rounding of a logarithm.
type Rand struct {
	mt    *prng.MT19937
	spare float64 // the second of two normal numbers, if kept
	kept  bool
}

// New returns RandomState(seed).
func New(seed uint32) *Rand {
	mt := prng.NewMT19937()
	mt.Seed(uint64(seed))
	return &Rand{mt: mt}
}

// Uniform is rand(): 53 bits of two draws, in [0, 1).
func (r *Rand) Uniform() float64 {
	high := r.mt.Uint32() >> 5
	low := r.mt.Uint32() >> 6
	return (float64(high)*(1<<26) + float64(low)) / (1 << 53)
}

// Normal is randn(): the polar method, which makes two numbers at once and hands out the
// second one first.
func (r *Rand) Normal() float64 {
	if r.kept {
		r.kept = false
		return r.spare
	}
	for {
		a, b := 2*r.Uniform()-1, 2*r.Uniform()-1
		square := float64(a*a) + float64(b*b) // each rounded, on every machine
		if square >= 1 || square == 0 {
			continue
		}
		f := math.Sqrt(-2 * math.Log(square) / square)
		r.spare, r.kept = f*a, true
		return f * b
	}
}

// Shuffle is shuffle() of n things: Fisher-Yates from the end.
func (r *Rand) Shuffle(n int, swap func(i, j int)) {
	for i := n - 1; i > 0; i-- {
		swap(i, int(r.upTo(uint32(i))))
	}
}

// upTo returns a whole number from 0 to most, both included: draws are masked
// to the bits of most, and those above it rejected.
func (r *Rand) upTo(most uint32) uint32 {
	mask := uint32(1)<<bits.Len32(most) - 1
	for {
		if v := r.mt.Uint32() & mask; v <= most {
			return v
		}
	}
}
