package calibration

import (
	"fmt"
	"math"
	"math/rand/v2"

	"flowmatch/flow"
)

// Ranks are those of N truths among L posterior samples each, coordinate by coordinate.
type Ranks struct {
	N, D, L int
	// Rank [N, D] is the number of samples below the truth, in 0..L, row by row.
	Rank []int
	// U [N, D] is (Rank + v)/(L + 1) with v drawn from U(0, 1): uniform in [0, 1] if the
	// posteriors are right.
	U flow.Batch
}

// SBC is simulation-based calibration (Talts et al. 2018, arXiv 1804.06788): the ranks of
// truths [N, D], drawn from the prior, among samples [N·L, D] of their posteriors, L for each
// in the order of the truths. If the posteriors are right every rank is as probable as any
// other. A coordinate need not be a parameter: any function of the parameters (and of the
// observation) can be ranked, such as a log-likelihood (Modrak et al. 2023), which sees a
// posterior that ignores the data.
//
// The reader should look at [Ranks.Uniformity] of each coordinate, and at [Ranks.Histogram]: a
// U says that posteriors are too narrow, a hump too wide, a slope that they are off, upwards
// where ranks are low (Bias below 0), downwards where they are high.
func SBC(truth, samples flow.Batch, rng *rand.Rand) (Ranks, error) {
	l, err := perTruth("SBC", truth, samples)
	if err != nil {
		return Ranks{}, err
	}
	r := Ranks{N: truth.N, D: truth.D, L: l, Rank: make([]int, truth.N*truth.D), U: flow.NewBatch(truth.N, truth.D)}
	of := make([]float64, l)
	for i := range truth.N {
		for k, v := range truth.Row(i) {
			for j := range of {
				of[j] = samples.Row(i*l + j)[k]
			}
			at := i*truth.D + k
			r.Rank[at], r.U.X[at] = place(v, of, rng)
		}
	}
	return r, nil
}

// Uniformity tests that the ranks of coordinate k, in 0..D-1, are uniform; bins as in [Uniform].
func (r Ranks) Uniformity(k, bins int) (Uniformity, error) {
	if err := r.has(k); err != nil {
		return Uniformity{}, err
	}
	return Uniform(r.column(k), bins)
}

// Histogram counts the ranks of coordinate k in so many intervals. Some 20 truths for each
// interval show a shape (Talts et al.).
func (r Ranks) Histogram(k, bins int) (Histogram, error) {
	if err := r.has(k); err != nil {
		return Histogram{}, err
	}
	if bins < 1 || bins > r.N {
		return Histogram{}, fmt.Errorf("calibration: %d intervals of %d ranks: %w: there may be 1 to as many", bins,
			r.N, ErrSize)
	}
	return histogram(r.column(k), bins), nil
}

// has reports a coordinate that is not there.
func (r Ranks) has(k int) error {
	if k < 0 || k >= r.D {
		return fmt.Errorf("calibration: coordinate %d of ranks of dimension %d; it must be in 0..%d", k, r.D, r.D-1)
	}
	return nil
}

func (r Ranks) column(k int) []float64 {
	u := make([]float64, r.N)
	for i := range u {
		u[i] = r.U.Row(i)[k]
	}
	return u
}

// place returns the rank of v among others, drawn where some are equal to it, and its
// place in [0, 1].
func place(v float64, others []float64, rng *rand.Rand) (rank int, u float64) {
	equal := 0
	for _, o := range others {
		switch {
		case o < v:
			rank++
		case o == v:
			equal++
		}
	}
	rank += rng.IntN(equal + 1)
	return rank, (float64(rank) + rng.Float64()) / float64(len(others)+1)
}

// perTruth returns how many samples there are for each truth, or what is wrong with them.
func perTruth(what string, truth, samples flow.Batch) (int, error) {
	for _, b := range []struct {
		which string
		of    flow.Batch
	}{{"truths", truth}, {"samples", samples}} {
		if b.of.N < 1 || b.of.D < 1 || len(b.of.X) != b.of.N*b.of.D {
			return 0, fmt.Errorf("calibration: %s of %s [%d, %d] with %d numbers: %w: it needs at least one", what,
				b.which, b.of.N, b.of.D, len(b.of.X), ErrSize)
		}
		for k, v := range b.of.X {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return 0, fmt.Errorf("calibration: %s: coordinate %d of point %d of the %s is %g; it must be finite",
					what, k%b.of.D, k/b.of.D, b.which, v)
			}
		}
	}
	if samples.D != truth.D || samples.N%truth.N != 0 {
		return 0, fmt.Errorf("calibration: %s of truths [%d, %d] and samples [%d, %d]: %w: there must be equally many "+
			"samples for each truth, of its dimension", what, truth.N, truth.D, samples.N, samples.D, ErrSize)
	}
	return samples.N / truth.N, nil
}
