package simulator

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distmv"
	"gonum.org/v1/gonum/stat/distuv"

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// logProb is the log density of one point.
func logProb(p Prior, x ...float64) float64 {
	var logp [1]float64
	p.LogProb(logp[:], flow.Batch{N: 1, D: len(x), X: x})
	return logp[0]
}

func TestDensitiesOfPriorsIntegrateToOne(t *testing.T) {
	area := func(p Prior, lo, hi [2]float64, change func(u float64) (x, slope float64)) float64 {
		return quad.Fixed(func(u float64) float64 {
			return quad.Fixed(func(v float64) float64 {
				x, dx := change(u)
				y, dy := change(v)
				return math.Exp(logProb(p, x, y)) * dx * dy
			}, lo[1], hi[1], 200, nil, 0)
		}, lo[0], hi[0], 200, nil, 0)
	}
	same := func(u float64) (float64, float64) { return u, 1 }
	exp := func(u float64) (float64, float64) { return math.Exp(u), math.Exp(u) }
	for _, c := range []struct {
		name   string
		p      Prior
		lo, hi [2]float64
		change func(float64) (float64, float64)
	}{
		{"sir", byName(t, "sir").Prior, [2]float64{-6, -5}, [2]float64{4, 1}, exp},
		{"normal", NewNormal(mat.NewSymDense(2, []float64{2, 1, 1, 3})), [2]float64{-9, -9}, [2]float64{9, 9}, same},
		{"two_moons", byName(t, "two_moons").Prior, [2]float64{-1, -1}, [2]float64{1, 1}, same},
	} {
		if got := area(c.p, c.lo, c.hi, c.change); math.Abs(got-1) > 1e-9 {
			t.Errorf("%s: the density integrates to %.12g", c.name, got)
		}
	}
}

func TestLogDensitiesOfPriorsAreTheClosedForms(t *testing.T) {
	n := seed.Rand(1, "test", 0)
	glm := byName(t, "bernoulli_glm").Prior.(Normal)
	var precision, covariance mat.SymDense
	precision.SymOuterK(1, glm.root.T())
	var c mat.Cholesky
	if !c.Factorize(&precision) || c.InverseTo(&covariance) != nil {
		t.Fatal("no covariance")
	}
	law, ok := distmv.NewNormal(make([]float64, 10), &covariance, nil)
	if !ok {
		t.Fatal("no law")
	}
	theta := flow.NewBatch(20000, 10)
	glm.Sample(theta, n)
	for i := range 100 {
		at := theta.Row(i)
		if got, want := logProb(glm, at...), law.LogProb(at); math.Abs(got-want) > 1e-9 {
			t.Errorf("bernoulli_glm: log density %.12g at %v, want %.12g", got, at, want)
		}
	}
	for j := range 10 {
		for k := range j + 1 {
			got := 0.0
			for i := range theta.N {
				got += theta.Row(i)[j] * theta.Row(i)[k] / float64(theta.N)
			}
			want := covariance.At(j, k)
			sigma := math.Sqrt((covariance.At(j, j)*covariance.At(k, k) + want*want) / float64(theta.N))
			if math.Abs(got-want) > 5*sigma {
				t.Errorf("bernoulli_glm: covariance of %d and %d is %.4g, want %.4g ± %.2g", j, k, got, want, sigma)
			}
		}
	}
	lv := byName(t, "lotka_volterra").Prior.(LogNormal)
	for range 100 {
		at, want := make([]float64, 4), 0.0
		lv.Sample(flow.Batch{N: 1, D: 4, X: at}, n)
		for j, v := range at {
			want += distuv.LogNormal{Mu: lv.Mean[j], Sigma: lv.Std[j]}.LogProb(v)
		}
		if got := logProb(lv, at...); math.Abs(got-want) > 1e-12*math.Abs(want) {
			t.Errorf("lotka_volterra: log density %.15g at %v, want %.15g", got, at, want)
		}
	}
	if got, want := logProb(byName(t, "slcp").Prior, 0, 3, -3, 1, 2), -5*math.Log(6); math.Abs(got-want) > 1e-14 {
		t.Errorf("slcp: log density %g, want %g", got, want)
	}
	if got, want := logProb(byName(t, "gaussian_linear").Prior, make([]float64, 10)...),
		-5*math.Log(2*math.Pi*0.1); math.Abs(got-want) > 1e-12 {
		t.Errorf("gaussian_linear: log density at 0 is %g, want %g", got, want)
	}
}

func TestOutsideOfTheBoxThereIsNoDensity(t *testing.T) {
	for name, at := range map[string][]float64{
		"two_moons": {0, 1.0000001}, "gaussian_mixture": {-10.1, 0}, "sir": {0.5, 0}, "lotka_volterra": {1, 1, -1, 1},
	} {
		p := byName(t, name).Prior
		if got := logProb(p, at...); !math.IsInf(got, -1) {
			t.Errorf("%s: log density %g at %v, want -Inf", name, got, at)
		}
	}
	if box := byName(t, "gaussian_linear").Prior.Box(); box != nil {
		t.Errorf("gaussian_linear: a box %v, want none", box)
	}
	if (Box{[]float64{0}, []float64{1}}).Contains([]float64{math.NaN()}) {
		t.Error("a NaN is in the box")
	}
}
