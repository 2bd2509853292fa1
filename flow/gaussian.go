package flow

import (
	"math"
	"math/rand/v2"
)

// Gaussian is the isotropic normal source N(0, Std² I). Std 0 means 1.
type Gaussian struct{ Std float64 }

func (g Gaussian) std() float64 {
	if g.Std == 0 {
		return 1
	}
	return g.Std
}

// Sample fills x with independent draws of N(0, Std² I).
func (g Gaussian) Sample(x Batch, rng *rand.Rand) {
	s := g.std()
	for i := range x.X {
		x.X[i] = s * rng.NormFloat64()
	}
}

// LogProb writes log N(x; 0, Std² I) in nats, point by point.
func (g Gaussian) LogProb(logp []float64, x Batch) {
	s := g.std()
	norm := -float64(x.D) * (math.Log(s) + 0.5*math.Log(2*math.Pi))
	for i := range x.N {
		sum := 0.0
		for _, v := range x.Row(i) {
			sum += v * v
		}
		logp[i] = norm - 0.5*sum/(s*s)
	}
}
