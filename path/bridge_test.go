package path_test

import (
	"math"
	"testing"

	"flowmatch/path"
)

func TestTheNoiseOfABridge(t *testing.T) {
	for _, b := range []path.Bridge{{Sigma: 0.1}, {Sigma: 1, Brownian: true}, {Sigma: 0.3, Brownian: true}} {
		for _, at := range []float64{0.01, 0.25, 0.5, 0.9} {
			gamma, dgamma := b.Noise(at)
			want := b.Sigma
			if b.Brownian {
				want = b.Sigma * math.Sqrt(at*(1-at))
			}
			if math.Abs(gamma-want) > 1e-15 {
				t.Errorf("%+v at %g: γ = %g, want %g", b, at, gamma, want)
			}
			const h = 1e-5
			hi, _ := b.Noise(at + h)
			lo, _ := b.Noise(at - h)
			if slope := (hi - lo) / (2 * h); math.Abs(dgamma-slope) > 1e-4*(1+math.Abs(slope)) {
				t.Errorf("%+v at %g: γ̇ = %g, numerically %g", b, at, dgamma, slope)
			}
		}
		for _, end := range []float64{0, 1} {
			if _, dgamma := b.Noise(end); math.IsNaN(dgamma) || math.IsInf(dgamma, 0) {
				t.Errorf("%+v at %g: γ̇ is %g", b, end, dgamma)
			}
		}
	}
}
