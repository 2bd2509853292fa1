package assign

import (
	"cmp"
	"math"
	"slices"
)

// leafPoints is the size down to which treeOrder splits: no finer than the groups
// of the coarse problem.
const leafPoints = 4

// A keyed is a point, by its number, with the coordinate it is ordered by.
type keyed struct {
	key float64
	at  int
}

// treeOrder returns the points of x in the order of a balanced k-d tree: the q-th
// node of level l holds the points q·n>>l to (q+1)·n>>l, and the halves of a node
// lie on two sides of a plane across its longest extent. So runs of the order are
// neighbourhoods, all of the same size on a level: what an [index] is made of, and
// groups of equal weight for the coarse problem.
func treeOrder(x []float64, d int) []int {
	n := len(x) / d
	list := make([]keyed, n)
	for i := range list {
		list[i].at = i
	}
	depth := 0
	for (n-1)>>depth+1 > leafPoints {
		depth++
	}
	for level := range depth {
		for q := range 1 << level {
			lo, mid, hi := q*n>>level, (2*q+1)*n>>(level+1), (q+1)*n>>level
			part := list[lo:hi]
			axis := longest(part, x, d)
			for k, e := range part {
				part[k].key = x[e.at*d+axis]
			}
			split(part, mid-lo)
		}
	}
	order := make([]int, n)
	for k, e := range list {
		order[k] = e.at
	}
	return order
}

// longest returns the coordinate in which the points of part extend farthest.
func longest(part []keyed, x []float64, d int) int {
	axis, widest := 0, -1.0
	for c := range d {
		low, high := math.Inf(1), math.Inf(-1)
		for _, e := range part {
			y := x[e.at*d+c]
			if y < low {
				low = y
			}
			if y > high {
				high = y
			}
		}
		if high-low > widest {
			axis, widest = c, high-low
		}
	}
	return axis
}

// split rearranges list such that no key of list[:k] is above a key of list[k:]
// (Hoare's selection).
func split(list []keyed, k int) {
	// Halving is what to expect; a list that defeats the choice of pivots is sorted.
	for tries := 2 * 64; tries > 0 && len(list) > 12; tries-- {
		a, b, c := list[0].key, list[len(list)/2].key, list[len(list)-1].key
		pivot := max(min(a, b), min(max(a, b), c))
		i, j := 0, len(list)-1
		for i <= j {
			for list[i].key < pivot {
				i++
			}
			for list[j].key > pivot {
				j--
			}
			if i <= j {
				list[i], list[j] = list[j], list[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			list = list[:j+1]
		case k >= i:
			list, k = list[i:], k-i
		default:
			return
		}
	}
	slices.SortFunc(list, func(a, b keyed) int { return cmp.Compare(a.key, b.key) })
}
