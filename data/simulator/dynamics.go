package simulator

import (
	"context"
	"math"
	"math/rand/v2"

	"flowmatch/ode"
)

// solver is for the logarithms of populations.
func solver() ode.Solver {
	return ode.Solver{Method: ode.Tsit5, Control: ode.Adaptive{RTol: 1e-8, ATol: 1e-8}, MaxNFE: 1 << 20}
}

// every returns n times, a step apart, from 0 on.
func every(step float64, n int) []float64 {
	times := make([]float64, n)
	for i := range times {
		times[i] = step * float64(i)
	}
	return times
}

// sir is an epidemic in a population of a million that begins with one infected: with
// shares S and I of susceptible and infected, β the rate of contacts and γ of recovery,
//
//	S' = −β·S·I,   I' = β·S·I − γ·I,
//
// and on days 0, 17, ..., 153 a thousand are tested: x ~ Binomial(1000, I).
func sir() *Simulator {
	const population, tested = 1e6, 1000
	days := every(17, 10)
	return &Simulator{
		Params: []string{"beta", "gamma"}, Data: numbered("x", len(days)),
		Prior: LogNormal{Mean: []float64{math.Log(0.4), math.Log(0.125)}, Std: []float64{0.5, 0.2}},
		One: func(x, theta []float64, rng *rand.Rand) error {
			beta, gamma := theta[0], theta[1]
			rates := func(du []float64, _ float64, u []float64) error {
				du[0] = -beta * math.Exp(u[1])
				du[1] = float64(beta*math.Exp(u[0])) - gamma
				return nil
			}
			start := []float64{math.Log1p(-1 / population), -math.Log(population)}
			_, err := solver().SolveAt(context.Background(), rates, start, days, func(i int, u []float64) error {
				x[i] = binomial(tested, min(math.Exp(u[1]), 1), rng)
				return nil
			})
			return err
		},
	}
}

// lotkaVolterra is a population of prey X, 30 at first, and one of predators Y, 1 at first:
//
//	X' = α·X − β·X·Y,   Y' = −γ·Y + δ·X·Y,
//
// seen at times 0, 2.1, ..., 18.9 with an error of a tenth: log x ~ N(log X, 0.1²), first all
// prey, then all predators.
func lotkaVolterra() *Simulator {
	times := every(2.1, 10)
	low, high := math.Log(1e-10), math.Log(1e4) // of the populations that are told apart
	return &Simulator{
		Params: []string{"alpha", "beta", "gamma", "delta"}, Data: numbered("x", 2*len(times)),
		Prior: LogNormal{Mean: []float64{-0.125, -3, -0.125, -3}, Std: repeat(4, 0.5)},
		One: func(x, theta []float64, rng *rand.Rand) error {
			alpha, beta, gamma, delta := theta[0], theta[1], theta[2], theta[3]
			rates := func(du []float64, _ float64, u []float64) error {
				du[0] = alpha - float64(beta*math.Exp(u[1]))
				du[1] = float64(delta*math.Exp(u[0])) - gamma
				return nil
			}
			start := []float64{math.Log(30), 0}
			_, err := solver().SolveAt(context.Background(), rates, start, times, func(i int, u []float64) error {
				for k, v := range u {
					x[k*len(times)+i] = math.Exp(min(max(v, low), high) + float64(0.1*rng.NormFloat64()))
				}
				return nil
			})
			return err
		},
	}
}

// binomial draws how many of n <= 1000 things with probability p happen, by inversion.
func binomial(n int, p float64, rng *rand.Rand) float64 {
	if p > 0.5 {
		return float64(n) - binomial(n, 1-p, rng)
	}
	odds := p / (1 - p)
	mass := math.Pow(1-p, float64(n)) // of k = 0; at least 2^-1000, which is a number of float64
	u := rng.Float64()
	k := 0
	for ; u >= mass && k < n; k++ {
		u -= mass
		mass *= odds * float64(n-k) / float64(k+1)
	}
	return float64(k)
}
