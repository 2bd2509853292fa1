package calibration

import (
	"fmt"
	"math"
	"math/rand/v2"

	"flowmatch/flow"
)

// Coverage is how often the truth lies in regions that are said to hold it with a
// probability, the level: as often as that, if the posteriors are right.
type Coverage struct {
	// U [N] is the least level at which the region holds the truth, one for each.
	U []float64 `json:"-"`
	// Uniformity is that of U. Its Bias is −Area.
	Uniformity Uniformity `json:"uniformity"`
	// Area is ∫ (coverage(α) − α) dα over the levels α in [0, 1], and AreaErr its standard error
	// for posteriors that are right. Below 0 the truth is covered less often than is said: the
	// posteriors are too narrow, or off. Above 0 they are too wide.
	Area    float64 `json:"area"`
	AreaErr float64 `json:"area_err"`
	// ATC is the same over the levels above 1/2 alone, and ATCErr its standard error: the
	// figure for [TARP], whose curve may cross the diagonal at 1/2. sbi's check_tarp sums
	// the same over a grid of levels.
	ATC    float64 `json:"atc"`
	ATCErr float64 `json:"atc_err"`
}

// newCoverage measures levels u.
func newCoverage(u []float64) (Coverage, error) {
	test, err := Uniform(u, 0)
	if err != nil {
		return Coverage{}, err
	}
	n := float64(len(u))
	// The empirical distribution of u is the coverage: ∫_a^1 F_N is the mean of 1 − max(u, a).
	c := Coverage{U: u, Uniformity: test, Area: -test.Bias, AreaErr: test.BiasErr, ATC: -3.0 / 8,
		ATCErr: math.Sqrt(5.0 / 192 / n)}
	for _, v := range u {
		c.ATC += (1 - max(v, 0.5)) / n
	}
	return c, nil
}

// At returns the share of truths in the regions of a level in [0, 1], to be drawn over the
// level, and the standard error of that share for posteriors that are right.
func (c Coverage) At(level float64) (share, stdErr float64) {
	n := float64(len(c.U))
	for _, u := range c.U {
		if u <= level {
			share += 1 / n
		}
	}
	return share, math.Sqrt(max(0, level*(1-level)/n))
}

// HPD is the expected coverage of regions of highest posterior density (Miller et al. 2021;
// Hermans et al. 2022, arXiv 2110.06581): truth [N] is log p(θ_i|x_i) of each truth, and samples
// [N·L] the log-densities of L samples of p(θ|x_i) under the same, in the order of the truths.
// The share of samples that are denser than the truth is the level of the region that just
// holds it. A log-density may be −Inf, where there is none.
//
// The reader should look at Area: posteriors with one below 0 by some standard errors claim too
// much. An Area of 0 does not make them useful: the prior has it, too.
func HPD(truth, samples []float64, rng *rand.Rand) (Coverage, error) {
	n := len(truth)
	if n == 0 || len(samples) == 0 || len(samples)%n != 0 {
		return Coverage{}, fmt.Errorf("calibration: HPD of %d log-densities of truths and %d of samples: %w: "+
			"there must be equally many samples for each truth", n, len(samples), ErrSize)
	}
	for _, s := range []struct {
		which string
		logp  []float64
	}{{"truth", truth}, {"sample", samples}} {
		for i, v := range s.logp {
			if math.IsNaN(v) {
				return Coverage{}, fmt.Errorf("calibration: HPD: the log-density of %s %d is no number", s.which, i)
			}
		}
	}
	l, u, lower := len(samples)/n, make([]float64, n), make([]float64, len(samples)/n)
	for i, v := range truth {
		for j, s := range samples[i*l : (i+1)*l] {
			lower[j] = -s // denser is lower
		}
		_, u[i] = place(-v, lower, rng)
	}
	return newCoverage(u)
}

// TARP is the test of accuracy with random points (Lemos et al. 2023, arXiv 2302.03026) of
// truths [N, D] and samples [N·L, D], L for each in their order: the level is the share of
// samples nearer to a reference point [N, D] than the truth is, in coordinates that are
// divided by the range of the truths. It needs no density. References may depend on the
// observations, never on the truths beside these; [References] draws some that depend on
// neither. Only with references that depend on the observation is TARP that passes for all of
// them enough for posteriors to be right; without, the prior passes, too.
//
// The reader should look at ATC, below 0 for posteriors that are too narrow, above 0 for those
// that are too wide, and at the p-values of the Uniformity, which is of the levels themselves.
// A bias shows in these if at all, and less than in [SBC]: as many references lie on one side
// of it as on the other. Those of one corner of the box see it.
func TARP(truth, samples, references flow.Batch, rng *rand.Rand) (Coverage, error) {
	l, err := perTruth("TARP", truth, samples)
	if err != nil {
		return Coverage{}, err
	}
	if per, err := perTruth("TARP with references as samples", truth, references); err != nil {
		return Coverage{}, err
	} else if per != 1 {
		return Coverage{}, fmt.Errorf("calibration: TARP of %d truths with %d references: %w: it needs one for each",
			truth.N, references.N, ErrSize)
	}
	low, high := bounds(truth)
	apart := func(a, b []float64) (square float64) {
		for k := range a {
			if width := high[k] - low[k]; width > 0 {
				square += (a[k] - b[k]) / width * (a[k] - b[k]) / width
			}
		}
		return square
	}
	u, of := make([]float64, truth.N), make([]float64, l)
	for i := range u {
		for j := range of {
			of[j] = apart(samples.Row(i*l+j), references.Row(i))
		}
		_, u[i] = place(apart(truth.Row(i), references.Row(i)), of, rng)
	}
	return newCoverage(u)
}

// References draws a reference point for each of the truths [N, D], uniform in the box that
// they fill.
func References(truth flow.Batch, rng *rand.Rand) flow.Batch {
	low, high := bounds(truth)
	r := flow.NewBatch(truth.N, truth.D)
	for i := range r.N {
		for k := range r.D {
			r.Row(i)[k] = low[k] + (high[k]-low[k])*rng.Float64()
		}
	}
	return r
}

// bounds are the least and the largest value of each coordinate.
func bounds(x flow.Batch) (low, high []float64) {
	low, high = make([]float64, x.D), make([]float64, x.D)
	for i := range x.N {
		for k, v := range x.Row(i) {
			if i == 0 {
				low[k], high[k] = v, v
			}
			low[k], high[k] = min(low[k], v), max(high[k], v)
		}
	}
	return low, high
}
