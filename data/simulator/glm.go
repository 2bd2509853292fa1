package simulator

import (
	"math"
	"math/rand/v2"
	"sync"

	"gonum.org/v1/gonum/mat"

	"flowmatch/data/internal/numpyrand"
)

const (
	bins    = 100 // of time, of the generalised linear model of a neuron
	weights = 10  // θ: an offset, and a filter over the last nine bins of the stimulus
	taps    = weights - 1
)

// design returns V, [bins][weights], made of the stimulus that sbibm draws of NumPy's
// generator: V·θ is the offset and the stimulus convolved with the filter.
var design = sync.OnceValue(func() [][]float64 {
	rng := numpyrand.New(42)
	v := make([][]float64, bins)
	for i := range v {
		v[i] = make([]float64, weights)
	}
	for i := range v {
		v[i][0] = 1
		stimulus := float64(float32(rng.Normal())) // which is how sbibm has it
		for j := 0; j < taps && i+j < bins; j++ {
			v[i+j][1+j] = stimulus
		}
	}
	return v
})

// bernoulliGLMRaw is a spike or none in each of 100 bins, with probability 1/(1+exp(−V·θ)).
func bernoulliGLMRaw() *Simulator {
	v := design()
	return &Simulator{
		Params: numbered("theta", weights), Data: numbered("x", bins), Prior: glmPrior(),
		One: func(x, theta []float64, rng *rand.Rand) error {
			for i, row := range v {
				x[i] = spike(row, theta, rng)
			}
			return nil
		},
	}
}

// bernoulliGLM is what the spikes y of bernoulliGLMRaw say of θ: Vᵀ·y, which is their number
// and, for each of nine lags, the sum of the stimulus that long before them.
func bernoulliGLM() *Simulator {
	s, v := bernoulliGLMRaw(), design()
	s.Data = numbered("x", weights)
	s.One = func(x, theta []float64, rng *rand.Rand) error {
		clear(x)
		for _, row := range v {
			if spike(row, theta, rng) == 1 {
				for j, w := range row {
					x[j] += w
				}
			}
		}
		return nil
	}
	return s
}

// spike is 1 with probability 1/(1+exp(−row·θ)), else 0.
func spike(row, theta []float64, rng *rand.Rand) float64 {
	psi := 0.0
	for j, w := range row {
		psi += float64(w * theta[j])
	}
	if rng.Float64() < 1/(1+math.Exp(-psi)) {
		return 1
	}
	return 0
}

// glmPrior is normal: variance 2 for the offset, and smooth filters, whose precision FᵀF
// punishes second differences, and later bins more: F = D² + diag(√(j/9)), D the
// differences.
func glmPrior() Prior {
	f := mat.NewDense(taps, taps, nil)
	for j := range taps {
		for k, w := range []float64{1, -2, 1} { // D², where D is 1 on the diagonal and −1 below it
			if j >= k {
				f.Set(j, j-k, w)
			}
		}
		f.Set(j, j, 1+math.Sqrt(float64(j)/taps))
	}
	var smooth mat.SymDense
	smooth.SymOuterK(1, f.T())
	precision := mat.NewSymDense(weights, nil)
	precision.SetSym(0, 0, 0.5)
	for j := range taps {
		for k := j; k < taps; k++ {
			precision.SetSym(1+j, 1+k, smooth.At(j, k))
		}
	}
	return NewNormal(precision)
}
