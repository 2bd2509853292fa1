package discrete

import "math/rand/v2"

// Path is how a token comes from noise to its level at t = 1: p_t(x | x_1), and rates of jumps that have these
// probabilities. Paths are values: their methods are safe for concurrent use.
type Path interface {
	// Levels is the number K of levels of data, States that of all states on the way: K, or K+1 with a mask.
	Levels() int
	States() int

	// Prob writes p_t(· | x1) into p, which has an entry for each state. At t = 0 it is the source, whatever x1.
	Prob(p []float64, t float64, x1 int32)

	// Rates writes the rates of jumps from z to each state at t < 1, given x1, into u; that of z itself is 0. With
	// them p_t(· | x1) satisfies the continuity equation d/dt p(y) = Σ_z p(z) u(y, z) - p(y) Σ_z u(z, y).
	Rates(u []float64, t float64, z, x1 int32)

	// Mean writes the mean of Rates over x1 with the probabilities q (of K levels): the marginal rates.
	Mean(u []float64, t float64, z int32, q []float64)

	// Settled says whether a token in state z is at its level of data for sure, whatever the time.
	Settled(z int32) bool

	// Pace is how fast a corrector of strength 1 jumps at t: at Pace · p_t(y | x1) to each state y, which leaves
	// p_t as it is. It is 0 where t is too early for one.
	Pace(t float64) float64

	// Quantile returns the time of a u in (0, 1), at most End, and the reciprocal of the density of times so drawn:
	// times at which the integrand of an [ELBO] has a finite variance.
	Quantile(u float64) (t, weight float64)

	// End is the time up to which an [ELBO] follows jumps. From there the posterior draws x_1. It is below 1 where
	// rates grow so fast that the least that a posterior gives to a wrong level would count without bound.
	End() float64
}

// Kernel is a path whose jumps over a whole step have a closed form.
type Kernel interface {
	Path

	// Jump draws the state at s of a token that is z at t < s, given x1.
	Jump(rng *rand.Rand, t, s float64, z, x1 int32) int32

	// Integral is ∫ of the rate to x1 from t to s < 1, the same for every z that is not x1.
	Integral(t, s float64) float64
}

// Noise puts noise on sequences of data x_1, each at its own time: x becomes a draw of p_t(x | x_1). Tokens that are
// shown stay.
func Noise(p Path, rng *rand.Rand, x Tokens, t []float64) {
	prob := make([]float64, p.States())
	for k, x1 := range x.X {
		if !x.shown(k) {
			p.Prob(prob, t[k/x.L], x1)
			x.X[k] = draw(rng, prob, 1)
		}
	}
}

// draw returns a state with the probabilities p, which sum to total.
func draw(rng *rand.Rand, p []float64, total float64) int32 {
	u := rng.Float64() * total
	last := 0
	for k, v := range p {
		if v <= 0 {
			continue
		}
		last = k
		if u -= v; u < 0 {
			break
		}
	}
	return int32(last) // the last that is possible, where rounding left something of u
}
