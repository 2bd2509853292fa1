package calibration

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"flowmatch/flow"
)

// A parameter of N(0, 1) is observed with noise of N(0, 1) in two numbers: given x its posterior is
// N(s/3, 1/3) with s = x1 + x2, and a prediction of x1 is of N(s/3, 4/3).
func TestPredictionsOfARightPosteriorAreThoseOfItsLaw(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	const l = 4000
	observed := flow.Batch{N: 3, D: 2, X: []float64{0.5, -0.2, 1.5, 1.7, 4, -4}}
	predicted := flow.NewBatch(3*l, 2)
	for i := range 3 {
		s := observed.Row(i)[0] + observed.Row(i)[1]
		for j := range l {
			theta := s/3 + math.Sqrt(1./3)*rng.NormFloat64()
			predicted.Row(i*l + j)[0] = theta + rng.NormFloat64()
			predicted.Row(i*l + j)[1] = theta + rng.NormFloat64()
		}
	}
	p, err := Predict(observed, predicted)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		s := observed.Row(i)[0] + observed.Row(i)[1]
		for k, v := range observed.Row(i) {
			want := math.Erfc(math.Abs(v-s/3) / math.Sqrt(4./3) / math.Sqrt2) // both tails
			if got := p.P.Row(i)[k]; math.Abs(got-want) > 4*math.Sqrt(want/l)+2./l {
				t.Errorf("observation %d, number %d: %.4f, want %.4f", i+1, k+1, got, want)
			}
		}
	}
	// What the posterior cannot explain, x1 and x2 far apart, is deep in the tail; the others are not.
	if p.Depth[0] < 0.5 || p.Depth[1] < 0.05 || p.Depth[2] > 0.002 {
		t.Errorf("depths %v", p.Depth)
	}
	if p.Distance[2] < 4 || p.Distance[0] > 3 {
		t.Errorf("median distances %v", p.Distance)
	}
	// A posterior that is off by two deviations is found out.
	for j := range predicted.X {
		predicted.X[j] += 6
	}
	off, err := Predict(observed, predicted)
	if err != nil || off.Depth[0] > 0.001 || off.P.Row(0)[0] > 0.001 {
		t.Errorf("depth %v and P %v of predictions that are off (%v)", off.Depth[0], off.P.Row(0), err)
	}
}

func TestPredictionsThatCannotBeCompared(t *testing.T) {
	nan := flow.Batch{N: 1, D: 1, X: []float64{math.NaN()}}
	for want, b := range map[string][2]flow.Batch{
		"sizes do not fit":                    {flow.NewBatch(2, 1), flow.NewBatch(3, 1)},
		"of the truths is NaN":                {nan, flow.NewBatch(3, 1)},
		"point 0 of the samples is NaN; it m": {flow.NewBatch(1, 1), nan},
	} {
		if _, err := Predict(b[0], b[1]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := Predict(flow.NewBatch(2, 1), flow.NewBatch(4, 2)); !errors.Is(err, ErrSize) {
		t.Errorf("other dimensions: %v", err)
	}
	// Where all predictions are alike, an observation that is one of them is not far out.
	alike := flow.Batch{N: 6, D: 1, X: []float64{2, 2, 2, 2, 2, 2}}
	same, err := Predict(flow.Batch{N: 2, D: 1, X: []float64{2, 3}}, alike)
	if err != nil || same.Depth[0] != 1 || same.Depth[1] != 0.25 || same.P.X[0] != 1 || same.P.X[1] != 0.5 ||
		same.Distance[1] != 1 {
		t.Errorf("predictions that are alike: %+v (%v)", same, err)
	}
}
