package metrics

import (
	"context"
	"math"
	"slices"

	"flowmatch/internal/assign"
	"flowmatch/internal/stat"
)

// Closest returns the distance of each row of x to the row of a reference that is closest, by Gower (1971):
// the mean over the columns of |a - b| over the range of the column in the reference, at most 1, for numbers,
// and of 0 or 1 for equal or different levels. Two missing values are equal, and one is as far as can be
// from any other. It is 0 for a copy, and 1 for a row that has nothing in common with any.
//
// It takes time that grows as N M C. When ctx ends, its error is returned.
func Closest(ctx context.Context, reference, x Table) ([]float64, error) {
	if err := fitTables("Closest", reference, x); err != nil {
		return nil, err
	}
	unit := make([]float64, reference.X.D) // 1 over the range; 0: one of levels, or of one value
	for k := range unit {
		if v := reference.present(k); reference.Levels[k] == 0 && len(v) > 0 {
			if span := slices.Max(v) - slices.Min(v); span > 0 {
				unit[k] = 1 / span
			}
		}
	}
	out := make([]float64, x.X.N)
	assign.Parallel(x.X.N, 1, func(lo, hi int) {
		for i := lo; i < hi && ctx.Err() == nil; i++ {
			least := math.Inf(1)
			for j := range reference.X.N {
				least = min(least, apart(x.X.Row(i), reference.X.Row(j), unit, least))
			}
			out[i] = least / float64(x.X.D)
		}
	})
	return out, ctx.Err()
}

// apart returns the sum of the distances of two rows over their columns, or what it came to when that
// was enough.
func apart(a, b, unit []float64, enough float64) float64 {
	sum := 0.0
	for k, v := range a {
		switch w := b[k]; {
		case v == w || v != v && w != w:
		case unit[k] == 0 || v != v || w != w:
			sum++
		default:
			sum += min(1, math.Abs(v-w)*unit[k])
		}
		if sum >= enough {
			break
		}
	}
	return sum
}

// Nearer returns the probability that one of distances a is less than one of b, where equal ones count as
// half, and its standard error (DeLong 1988): 0.5 for distances of one law.
func Nearer(a, b []float64) (share, stdErr float64) {
	less := func(of, than []float64) []float64 {
		than = slices.Sorted(slices.Values(than))
		p := make([]float64, len(of))
		for i, v := range of {
			lo, found := slices.BinarySearch(than, v)
			hi := lo
			for found && hi < len(than) && than[hi] == v {
				hi++
			}
			p[i] = 1 - float64(lo+hi)/2/float64(len(than))
		}
		return p
	}
	share, ofA := stat.MeanStdErr(less(a, b))
	_, ofB := stat.MeanStdErr(less(b, a))
	return share, math.Hypot(ofA, ofB)
}
