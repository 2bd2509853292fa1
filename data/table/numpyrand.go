package table

import (
	"math/bits"

	"gonum.org/v1/gonum/mathext/prng"

	"flowmatch/flow"
)

// numpyRand draws what numpy.random.RandomState(seed) draws, bit for bit. POWER
// is defined by its draws for seed 42: here they are part of the data, not
// randomness of a run, and so do not come from internal/seed.
type numpyRand struct{ mt *prng.MT19937 }

func newNumpyRand(seed uint32) numpyRand {
	mt := prng.NewMT19937()
	mt.Seed(uint64(seed))
	return numpyRand{mt}
}

// uniform is rand(): 53 bits of two draws, in [0, 1).
func (r numpyRand) uniform() float64 {
	high := r.mt.Uint32() >> 5
	low := r.mt.Uint32() >> 6
	return (float64(high)*(1<<26) + float64(low)) / (1 << 53)
}

// upTo returns a whole number from 0 to most, both included: draws are masked
// to the bits of most, and those above it rejected.
func (r numpyRand) upTo(most uint32) uint32 {
	mask := uint32(1)<<bits.Len32(most) - 1
	for {
		if v := r.mt.Uint32() & mask; v <= most {
			return v
		}
	}
}

// shuffle is shuffle() of the rows of x, in place: Fisher-Yates from the end.
func (r numpyRand) shuffle(x flow.Batch) {
	kept := make([]float64, x.D)
	for i := x.N - 1; i > 0; i-- {
		a, b := x.Row(i), x.Row(int(r.upTo(uint32(i))))
		copy(kept, a)
		copy(a, b)
		copy(b, kept)
	}
}
