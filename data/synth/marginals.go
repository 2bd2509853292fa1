package synth

import (
	"math"

	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// The marginals of a copula, of variance near 1: none has an edge or a pole, which no
// flow could follow.
const (
	lognormalSigma = 0.6
	logisticScale  = 0.5
	studentNu      = 5.0
	studentFar     = 1e10 // beyond it F(x) = f(x)|x|/ν to rounding
	gumbelScale    = 0.8
	twinMean       = 1.0 // two normals at ±1
	twinStd        = 0.4
)

// marginals returns the kinds in their turn.
func marginals() []marginal {
	return []marginal{
		normalMarginal(), lognormalMarginal(), logisticMarginal(),
		studentMarginal(), gumbelMarginal(), twinMarginal(),
	}
}

func normalMarginal() marginal {
	n := unitNormal
	return marginal{
		logProb: n.LogProb, logCDF: normalLogCDF, logSurvival: func(x float64) float64 { return normalLogCDF(-x) },
		lower: n.Quantile, upper: func(q float64) float64 { return -n.Quantile(q) },
		entropy: func() float64 { return 0.5 * math.Log(2*math.Pi*math.E) },
	}
}

func lognormalMarginal() marginal {
	n := unitNormal
	z := func(x float64) float64 { return math.Log(x) / lognormalSigma }
	return marginal{
		logProb: func(x float64) float64 {
			if x <= 0 {
				return math.Inf(-1)
			}
			return n.LogProb(z(x)) - math.Log(x*lognormalSigma)
		},
		logCDF: func(x float64) float64 {
			if x <= 0 {
				return math.Inf(-1)
			}
			return normalLogCDF(z(x))
		},
		logSurvival: func(x float64) float64 {
			if x <= 0 {
				return 0
			}
			return normalLogCDF(-z(x))
		},
		lower:   func(p float64) float64 { return math.Exp(lognormalSigma * n.Quantile(p)) },
		upper:   func(q float64) float64 { return math.Exp(-lognormalSigma * n.Quantile(q)) },
		entropy: func() float64 { return 0.5*math.Log(2*math.Pi*math.E) + math.Log(lognormalSigma) },
	}
}

func logisticMarginal() marginal {
	const s = logisticScale
	logSigmoid := func(y float64) float64 { return min(y, 0) - math.Log1p(math.Exp(-math.Abs(y))) }
	return marginal{
		logProb: func(x float64) float64 {
			y := math.Abs(x / s)
			return -y - 2*math.Log1p(math.Exp(-y)) - math.Log(s)
		},
		logCDF:      func(x float64) float64 { return logSigmoid(x / s) },
		logSurvival: func(x float64) float64 { return logSigmoid(-x / s) },

		lower:   func(p float64) float64 { return s * (math.Log(p) - math.Log1p(-p)) },
		upper:   func(q float64) float64 { return -s * (math.Log(q) - math.Log1p(-q)) },
		entropy: func() float64 { return 2 + math.Log(s) },
	}
}

func studentMarginal() marginal {
	t := distuv.StudentsT{Mu: 0, Sigma: math.Sqrt((studentNu - 2) / studentNu), Nu: studentNu}
	logCDF := func(x float64) float64 {
		if x < -studentFar {
			return t.LogProb(x) + math.Log(-x/studentNu)
		}
		return math.Log(t.CDF(x))
	}
	return marginal{
		logProb: t.LogProb, logCDF: logCDF, logSurvival: func(x float64) float64 { return logCDF(-x) },
		lower: t.Quantile, upper: func(q float64) float64 { return -t.Quantile(q) },
		entropy: func() float64 {
			half := (studentNu + 1) / 2
			return half*(mathext.Digamma(half)-mathext.Digamma(studentNu/2)) +
				0.5*math.Log(studentNu) + mathext.Lbeta(studentNu/2, 0.5) + math.Log(t.Sigma)
		},
	}
}

func gumbelMarginal() marginal {
	const s, gamma = gumbelScale, 0.57721566490153286
	return marginal{
		logProb: func(x float64) float64 { return -x/s - math.Exp(-x/s) - math.Log(s) },
		logCDF:  func(x float64) float64 { return -math.Exp(-x / s) },
		logSurvival: func(x float64) float64 {
			if x > 50*s {
				return -x / s // 1 − exp(−e^{−y}) = e^{−y} to rounding
			}
			return math.Log(-math.Expm1(-math.Exp(-x / s)))
		},
		lower:   func(p float64) float64 { return -s * math.Log(-math.Log(p)) },
		upper:   func(q float64) float64 { return -s * math.Log(-math.Log1p(-q)) },
		entropy: func() float64 { return math.Log(s) + gamma + 1 },
	}
}

// twinMarginal is two normals at ±twinMean. Its quantiles are found by bisection and
// its entropy by quadrature, both to rounding.
func twinMarginal() marginal {
	n := unitNormal
	at := func(x float64) (a, b float64) { return (x - twinMean) / twinStd, (x + twinMean) / twinStd }
	logProb := func(x float64) float64 {
		a, b := at(x)
		return logSumExp([]float64{-a * a / 2, -b * b / 2}) - math.Log(2*twinStd*math.Sqrt(2*math.Pi))
	}
	cdf := func(x float64) float64 {
		a, b := at(x)
		return (n.CDF(a) + n.CDF(b)) / 2
	}
	lower := func(p float64) float64 {
		if p >= 0.5 {
			return 0 // the law is symmetric, and larger p are asked of the other tail
		}
		lo, hi := -twinMean-40*twinStd, 0.0
		for {
			mid := 0.5 * (lo + hi)
			if mid <= lo || mid >= hi {
				return mid
			}
			if cdf(mid) < p {
				lo = mid
			} else {
				hi = mid
			}
		}
	}
	logCDF := func(x float64) float64 {
		a, b := at(x)
		return logSumExp([]float64{normalLogCDF(a), normalLogCDF(b)}) - math.Ln2
	}
	return marginal{
		logProb: logProb, logCDF: logCDF, logSurvival: func(x float64) float64 { return logCDF(-x) },
		lower: lower, upper: func(q float64) float64 { return -lower(q) },
		entropy: func() float64 {
			reach := twinMean + 12*twinStd
			minusPLogP := func(x float64) float64 { l := logProb(x); return -l * math.Exp(l) }
			return 2 * quad.Fixed(minusPLogP, 0, reach, 400, quad.Legendre{}, 0)
		},
	}
}
