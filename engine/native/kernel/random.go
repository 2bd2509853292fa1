package kernel

import (
	"math"
	"math/bits"
)

// Random numbers come from Philox4x32-10 (Salmon, Moraes, Dror and Shaw, Parallel
// random numbers: as easy as 1, 2, 3, 2011), which encrypts a counter. Element i
// of a stream is a function of the key, the stream and i alone.
//
// Sixteen counters in a row make a block of 64 words: the first words of all,
// then the second words of all, and so on.

const (
	randomBlock    = 64
	randomCounters = 16
)

// PhiloxUint32 fills dst with the words from number offset on of a stream.
// Levels agree in all bits.
func (v *Vector) PhiloxUint32(dst []uint32, key, stream, offset uint64) {
	fillBlocks(dst, offset, func(d []uint32, block uint64) {
		v.prim.philox(len(d)/randomBlock, &d[0], key, stream, block*randomCounters)
	})
}

// Uniform fills dst with numbers in [0, 1), multiples of 2^-24. Levels agree in
// all bits.
func (v *Vector) Uniform(dst []float32, key, stream, offset uint64) {
	fillBlocks(dst, offset, func(d []float32, block uint64) {
		w := as[uint32](&d[0])
		v.prim.philox(len(d)/randomBlock, w, key, stream, block*randomCounters)
		v.prim.uniform(len(d), &d[0], w)
	})
}

// Normal fills dst with numbers of mean 0 and variance 1, by the method of Box
// and Muller. None is larger than 6.66. Levels differ in the last bits.
func (v *Vector) Normal(dst []float32, key, stream, offset uint64) {
	fillBlocks(dst, offset, func(d []float32, block uint64) {
		v.prim.philox(len(d)/randomBlock, as[uint32](&d[0]), key, stream, block*randomCounters)
		for ; len(d) > 0; d = d[randomBlock:] {
			v.prim.boxMuller(randomBlock/2, &d[0], &d[randomBlock/2])
		}
	})
}

// randomStrip is how many elements are made in one go, few enough to stay in the
// first cache between two passes.
const randomStrip = 32 * randomBlock

// fillBlocks calls make for whole blocks, in dst itself where they lie within it
// and aside where an end of dst cuts one.
func fillBlocks[T uint32 | float32](dst []T, offset uint64, fill func(d []T, block uint64)) {
	for len(dst) > 0 {
		block, skip := offset/randomBlock, int(offset%randomBlock)
		n := min(len(dst)&^(randomBlock-1), randomStrip)
		if skip > 0 || n == 0 {
			var aside [randomBlock]T
			fill(aside[:], block)
			n = copy(dst, aside[skip:])
		} else {
			fill(dst[:n], block)
		}
		dst = dst[n:]
		offset += uint64(n)
	}
}

// philox4x32 encrypts a counter with ten rounds.
func philox4x32(c [4]uint32, k0, k1 uint32) [4]uint32 {
	for range 10 {
		h0, l0 := bits.Mul32(0xd2511f53, c[0])
		h1, l1 := bits.Mul32(0xcd9e8d57, c[2])
		c = [4]uint32{h1 ^ c[1] ^ k0, l1, h0 ^ c[3] ^ k1, l0}
		k0 += 0x9e3779b9
		k1 += 0xbb67ae85
	}
	return c
}

func philoxGo(blocks int, dst *uint32, key, stream, counter uint64) {
	d := slice(dst, blocks*randomBlock)
	for ; len(d) > 0; d = d[randomBlock:] {
		for lane := range randomCounters {
			w := philox4x32([4]uint32{uint32(counter), uint32(counter >> 32), uint32(stream), uint32(stream >> 32)},
				uint32(key), uint32(key>>32))
			for j, x := range w {
				d[j*randomCounters+lane] = x
			}
			counter++
		}
	}
}

func uniformGo(n int, dst *float32, x *uint32) {
	d, s := slice(dst, n), slice(x, n)
	for i := range d {
		d[i] = float32(s[i]>>8) * (1.0 / (1 << 24))
	}
}

// boxMullerGo makes pairs of normal numbers of pairs of words: the first gives
// the radius, with 31 bits, the second the angle, with 24.
func boxMullerGo(n int, a, b *float32) {
	x, y := slice(a, n), slice(b, n)
	for i := range x {
		u := (float64(math.Float32bits(x[i])>>1) + 0.5) / (1 << 31)
		r := math.Sqrt(-2 * math.Log(u))
		s, c := math.Sincos(2 * math.Pi / (1 << 24) * float64(math.Float32bits(y[i])>>8))
		x[i], y[i] = float32(r*c), float32(r*s)
	}
}
