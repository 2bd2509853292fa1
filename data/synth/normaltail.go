package synth

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// unitNormal has Φ and its inverse.
var unitNormal = distuv.Normal{Mu: 0, Sigma: 1}

// normalTail is where log Φ goes over to its asymptotic series, whose first term
// left out is below 1e-11 there. Φ itself is 0 in float64 below −38.
const normalTail = -30

// normalLogCDF returns log Φ(z), also where Φ(z) is too small for a float64.
func normalLogCDF(z float64) float64 {
	if z > normalTail {
		return math.Log(unitNormal.CDF(z))
	}
	w := 1 / (z * z) // Φ(z) = φ(z)/|z| · (1 − w + 3w² − 15w³ + …)
	return unitNormal.LogProb(z) - math.Log(-z) + math.Log1p(w*(-1+w*(3-15*w)))
}

// normalQuantileOfLog returns z with log Φ(z) = l, for l <= −log 2. Far out it is
// Newton's method on log Φ, which is close to a parabola there.
func normalQuantileOfLog(l float64) float64 {
	if l > -450 { // z above −30
		return unitNormal.Quantile(math.Exp(l))
	}
	z := -math.Sqrt(-2 * l)
	if math.IsInf(z, -1) {
		return z
	}
	for range 4 {
		at := normalLogCDF(z)
		z -= (at - l) / math.Exp(unitNormal.LogProb(z)-at)
	}
	return z
}
