// Package seed splits one seed into independent streams of random numbers.
//
// A stream is named by its purpose and an index (a step, an epoch, a probe), so
// it can be recreated at any point without replaying what came before: that is
// what makes a resumed run equal, bit for bit, to one that never stopped.
package seed

import (
	"hash/fnv"
	"math/rand/v2"
)

// Rand returns the generator for the index-th use of seed for purpose.
func Rand(seed uint64, purpose string, index uint64) *rand.Rand {
	return rand.New(rand.NewPCG(Key(seed, purpose), mix(index+0x9e3779b97f4a7c15)))
}

// Key returns the key of a counter-based generator for a purpose; the index is
// then its stream.
func Key(seed uint64, purpose string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(purpose)) // never fails
	return mix(seed ^ mix(h.Sum64()))
}

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood 2014): neighbouring
// inputs give unrelated outputs.
func mix(z uint64) uint64 {
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}
