package metrics

import (
	"math"
	"slices"
)

// sortNumbers sorts numbers in place, none of them NaN. By their bytes, the least first, many take a third of the
// time that comparing them does, whose outcomes no processor can guess.
func sortNumbers(x []float64) {
	if len(x) < 2048 { // counting the bytes costs more
		slices.Sort(x)
		return
	}
	var counts [8][256]int
	from, to := make([]uint64, len(x)), make([]uint64, len(x))
	for i, v := range x {
		key := keyOf(v)
		from[i] = key
		for b := range counts {
			counts[b][uint8(key)]++
			key >>= 8
		}
	}
	for b := range counts {
		place, at := &counts[b], 0
		for k, n := range place {
			place[k], at = at, at+n
		}
		shift := 8 * b & 63
		for _, key := range from {
			k := uint8(key >> shift)
			to[place[k]] = key
			place[k]++
		}
		from, to = to, from
	}
	for i, key := range from {
		x[i] = ofKey(key)
	}
}

// keyOf returns the bits of a number such that larger numbers have larger keys.
func keyOf(v float64) uint64 {
	bits := math.Float64bits(v)
	if bits>>63 != 0 {
		return ^bits
	}
	return bits | 1<<63
}

// ofKey is keyOf backward.
func ofKey(key uint64) float64 {
	if key>>63 != 0 {
		return math.Float64frombits(key &^ (1 << 63))
	}
	return math.Float64frombits(^key)
}
