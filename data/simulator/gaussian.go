package simulator

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// noise is the variance of the Gaussian tasks, of their prior as of their noise.
const noise = 0.1

// gaussianLinear is x ~ N(θ, 0.1·I) with θ ~ N(0, 0.1·I), in ten dimensions.
func gaussianLinear() *Simulator {
	s := gaussianLinearUniform()
	s.Prior = NewNormal(mat.NewDiagDense(len(s.Params), repeat(len(s.Params), 1/noise)))
	return s
}

// gaussianLinearUniform is x ~ N(θ, 0.1·I) with θ uniform on [-1, 1]^10.
func gaussianLinearUniform() *Simulator {
	const d = 10
	return &Simulator{
		Params: numbered("theta", d), Data: numbered("x", d), Prior: cube(d, 1),
		One: func(x, theta []float64, rng *rand.Rand) error {
			around(x, theta, math.Sqrt(noise), rng)
			return nil
		},
	}
}

// around draws x ~ N(mean, std²·I).
func around(x, mean []float64, std float64, rng *rand.Rand) {
	for i, m := range mean {
		x[i] = m + float64(std*rng.NormFloat64())
	}
}

// gaussianMixture is x ~ N(θ, I) or, as often, N(θ, 0.01·I), with θ uniform on [-10, 10]^2.
func gaussianMixture() *Simulator {
	const d = 2
	return &Simulator{
		Params: numbered("theta", d), Data: numbered("x", d), Prior: cube(d, 10),
		One: func(x, theta []float64, rng *rand.Rand) error {
			std := 1.0
			if rng.Float64() < 0.5 {
				std = 0.1
			}
			around(x, theta, std, rng)
			return nil
		},
	}
}

// twoMoons draws a point of a half circle of radius r ~ N(0.1, 0.01²), moved by θ turned by
// 45° with one coordinate's sign lost, so that two crescents of θ explain an x:
//
//	x = (r·cos a + 0.25 − |θ1 + θ2|/√2, r·sin a + (θ2 − θ1)/√2),   a uniform on [−π/2, π/2]
func twoMoons() *Simulator {
	const d = 2
	return &Simulator{
		Params: numbered("theta", d), Data: numbered("x", d), Prior: cube(d, 1),
		One: func(x, theta []float64, rng *rand.Rand) error {
			sin, cos := math.Sincos(math.Pi * (rng.Float64() - 0.5))
			r := 0.1 + float64(0.01*rng.NormFloat64())
			x[0] = float64(r*cos) + 0.25 - math.Abs(theta[0]+theta[1])/math.Sqrt2
			x[1] = float64(r*sin) + (theta[1]-theta[0])/math.Sqrt2
			return nil
		},
	}
}
