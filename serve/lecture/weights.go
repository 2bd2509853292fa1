package lecture

import (
	"math"

	"flowmatch/flow"
	"flowmatch/path"
)

// weights returns the share that each of the data points x1 has in what is at x, which is the same in all
// rows of at: N(x; α x_1, σ² I) over their sum.
func weights(c path.Coef, at, x1 flow.Batch) numbers {
	off := at.Clone()
	for k := range off.X {
		off.X[k] -= c.Alpha * x1.X[k]
	}
	logp := make([]float64, off.N)
	flow.Gaussian{Std: c.Sigma}.LogProb(logp, off)
	most, sum := math.Inf(-1), 0.0
	for _, l := range logp {
		most = max(most, l)
	}
	w := make(numbers, len(logp))
	for i, l := range logp {
		w[i] = math.Exp(l - most)
		sum += w[i]
	}
	for i := range w {
		w[i] /= sum
	}
	return w
}
