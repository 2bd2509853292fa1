package train

import (
	"math"
	"testing"

	"flowmatch/data"
	"flowmatch/data/synth"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
)

// The conditional mean of the target of a noisy path is the field of its marginal.
// With x_0 ~ N(0, 1) and x_1 ~ N(m, s²) that marginal is N(t m, V), V = t² s² +
// (1−t)² + γ², and its field m + V̇/(2V) (x − t m): the difference between a target
// and this field is orthogonal to every function of t and x.
func TestTheTargetOfANoisyPathHasTheMarginalFieldForItsMean(t *testing.T) {
	const n, m, s = 200_000, 3.0, 0.5
	std := s
	set, err := synth.ByName("gaussian", synth.Params{Scale: new(m), Noise: &std, Dim: new(1)})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []path.Bridge{{Sigma: 0.4}, {Sigma: 1, Brownian: true}} {
		model := newModel(t, model.Spec{Scheduler: b}, nn.Config{Dim: 1})
		ex := examples(t, model, CFM{Data: data.Draw(set, nil, 1), Seed: 5}, n, 0)
		var mean, square [3]float64
		spread := 0.0
		for i, at := range ex.T {
			x := ex.Alpha[i]*ex.X1.X[i] + ex.Sigma[i]*ex.X0.X[i]
			target := ex.G1[i]*ex.X1.X[i] + ex.G0[i]*ex.X0.X[i]
			gamma, dgamma := b.Noise(at)
			v := at*at*s*s + (1-at)*(1-at) + gamma*gamma
			dv := 2*at*s*s - 2*(1-at) + 2*gamma*dgamma
			z := (x - at*m) / math.Sqrt(v)
			spread += z * z / n
			diff := target - (m + dv/(2*v)*(x-at*m))
			for k, phi := range [3]float64{1, z, z * at} {
				mean[k] += diff * phi / n
				square[k] += diff * diff * phi * phi / n
			}
		}
		if math.Abs(spread-1) > 5*math.Sqrt(2.0/n) {
			t.Errorf("%+v: x_t has %g times the variance of the path", b, spread)
		}
		for k := range mean {
			if se := math.Sqrt(square[k] / n); math.Abs(mean[k]) > 5*se {
				t.Errorf("%+v, function %d: mean difference %g, standard error %g", b, k, mean[k], se)
			}
		}
	}
}
