package metrics

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"flowmatch/flow"
	"flowmatch/internal/assign"
	"flowmatch/internal/stat"
)

// ErrSize is returned for batches whose sizes a metric cannot take.
var ErrSize = errors.New("sizes do not fit")

// W2 returns the exact 2-Wasserstein distance between a, [N, D], and b, [M, D],
//
//	W_2 = ( min_π 1/N Σ_i |a_i − b_π(i)|² )^½
//
// over all permutations π, in units of the points. Where M is not N, π is a plan that carries
// 1/N from each a_i and 1/M to each b_j; that takes longer, and up to 268 million pairs of
// points. More are [ErrSize]. Exact is up to the rounding of float64: the mean cost may exceed
// the least by a billionth of the square of a usual distance between points, and of unequal sizes
// by a trillionth of itself. Where points beside outliers, of unequal sizes or more than 16384,
// leave less to be known, that is an error.
func W2(a, b flow.Batch) (float64, error) {
	cost, err := transport("W2", a, b, assign.Squared)
	return math.Sqrt(cost), err
}

// W1 returns the exact 1-Wasserstein distance between a, [N, D], and b, [M, D],
//
//	W_1 = min_π 1/N Σ_i |a_i − b_π(i)|
//
// over all permutations π, in units of the points; of unequal sizes as in [W2].
func W1(a, b flow.Batch) (float64, error) {
	return transport("W1", a, b, assign.Distance)
}

func transport(name string, a, b flow.Batch, p assign.Power) (float64, error) {
	if err := fit(name, a, b, 1); err != nil {
		return 0, err
	}
	if a.D == 1 {
		along := []float64{1}
		return lineCost(project(a, along), project(b, along), p), nil
	}
	var cost float64
	var err error
	switch {
	case a.N == b.N:
		cost, err = new(assign.Workspace).SolvePoints(make([]int, a.N), a.X, b.X, a.D, p)
		cost /= float64(a.N)
	case a.N > assign.TransportMax/b.N:
		return 0, fmt.Errorf("metrics: %s of %d and %d points: %w: of unequal sizes there may be %d pairs of points; "+
			"compare the first %d of both (Batch.Slice), or use SlicedW2, which takes any sizes",
			name, a.N, b.N, ErrSize, assign.TransportMax, min(a.N, b.N))
	default:
		cost, err = assign.Transport(a.X, b.X, a.D, p)
	}
	if err != nil {
		return 0, fmt.Errorf("metrics: %s: %w", name, err)
	}
	return cost, nil
}

// fit reports batches that name cannot compare.
func fit(name string, a, b flow.Batch, least int) error {
	if a.D != b.D || a.D < 1 {
		return fmt.Errorf("metrics: %s of points in dimension %d and %d: %w: the dimensions must be equal",
			name, a.D, b.D, ErrSize)
	}
	if a.N < least || b.N < least {
		return fmt.Errorf("metrics: %s of %d and %d points: %w: it wants at least %d of either",
			name, a.N, b.N, ErrSize, least)
	}
	if err := finite(name, "the first batch", a); err != nil {
		return err
	}
	return finite(name, "the second batch", b)
}

// whole reports a batch that does not hold as many values as its shape says.
func whole(name, which string, x flow.Batch) error {
	if len(x.X) != x.N*x.D {
		return fmt.Errorf("metrics: %s: %s of shape [%d, %d] has %d values: %w", name, which, x.N, x.D,
			len(x.X), ErrSize)
	}
	return nil
}

// finite is whole that also reports the first coordinate that is not a finite number.
func finite(name, which string, x flow.Batch) error {
	if err := whole(name, which, x); err != nil {
		return err
	}
	for k, v := range x.X {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("metrics: %s: coordinate %d of point %d of %s is %g", name, k%x.D, k/x.D, which, v)
		}
	}
	return nil
}

// SlicedW2 returns the sliced 2-Wasserstein distance (Bonneel et al. 2015)
//
//	SW_2 = ( E_θ W_2²(θᵀa, θᵀb) )^½,   θ uniform on the unit sphere,
//
// in units of the points, with the mean over so many random directions; each
// W_2² is one-dimensional and exact. a is [N, D], b is [M, D]: the sizes may
// differ. A direction sees on average 1/D of a displacement's square, so for many
// directions SW_2 ≤ W_2/√D, with equality for a translation. In one dimension all
// directions are one and the result is W_2.
func SlicedW2(a, b flow.Batch, directions int, rng *rand.Rand) (float64, error) {
	if err := fit("SlicedW2", a, b, 1); err != nil {
		return 0, err
	}
	if directions < 1 {
		return 0, fmt.Errorf("metrics: SlicedW2 along %d directions: it wants at least 1; 100 to 1000 are usual",
			directions)
	}
	theta := flow.NewBatch(directions, a.D)
	if a.D == 1 {
		theta = flow.Batch{N: 1, D: 1, X: []float64{1}}
	} else {
		for i := range theta.N {
			direction(theta.Row(i), rng)
		}
	}
	square := make([]float64, theta.N)
	assign.Parallel(theta.N, 1, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			square[i] = lineCost(project(a, theta.Row(i)), project(b, theta.Row(i)), assign.Squared)
		}
	})
	return math.Sqrt(stat.Mean(square)), nil
}

// direction draws from the unit sphere.
func direction(theta []float64, rng *rand.Rand) {
	norm := 0.0
	for norm == 0 {
		for k := range theta {
			theta[k] = rng.NormFloat64()
			norm += theta[k] * theta[k]
		}
	}
	for k := range theta {
		theta[k] /= math.Sqrt(norm)
	}
}

// project returns θᵀx of each point, sorted.
func project(x flow.Batch, theta []float64) []float64 {
	p := make([]float64, x.N)
	for i := range p {
		for k, v := range x.Row(i) {
			p[i] += theta[k] * v
		}
	}
	sortNumbers(p)
	return p
}

// lineCost is W_p^p on the line, ∫_0^1 |F_a⁻¹(q) − F_b⁻¹(q)|^p dq, of sorted
// points (exact, for the cost is convex): both quantile functions are steps, of
// widths 1/n and 1/m, so the integral is a sum over their merged steps. Widths are
// counted in units of 1/(n·m), in which they are whole numbers.
func lineCost(a, b []float64, p assign.Power) float64 {
	n, m := len(a), len(b)
	sum := 0.0
	for i, j, at := 0, 0, 0; i < n && j < m; {
		endA, endB := (i+1)*m, (j+1)*n
		end := min(endA, endB)
		gap := math.Abs(a[i] - b[j])
		if p == assign.Squared {
			gap *= gap
		}
		sum += float64(end-at) * gap
		at = end
		if end == endA {
			i++
		}
		if end == endB {
			j++
		}
	}
	return sum / (float64(n) * float64(m))
}
