package calibration

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// posterior is what a method takes for the posterior of θ ~ N(0, 1) given x = θ + N(0, 1/4),
// which is N(0.8 x, 0.2): the exact one where width is 1 and shift 0; else its standard
// deviation is multiplied by the width, and its mean moved by so many of the exact ones.
type posterior struct{ width, shift float64 }

var exact = posterior{width: 1}

const (
	gain = 0.8
	std  = 0.4472135954999579 // √0.2
)

// simulate draws n truths in d dimensions, and l samples of the posterior of each, with the
// log-densities of both under the posterior.
func (p posterior) simulate(n, l, d int, rng *rand.Rand) (truth, samples flow.Batch, ofTruth, ofSamples []float64) {
	truth, samples = flow.NewBatch(n, d), flow.NewBatch(n*l, d)
	ofTruth, ofSamples = make([]float64, n), make([]float64, n*l)
	logp := func(v, mean float64) float64 {
		z := (v - mean) / (std * p.width)
		return -z*z/2 - math.Log(std*p.width)
	}
	for i := range n {
		for k := range d {
			theta := rng.NormFloat64()
			x := theta + 0.5*rng.NormFloat64()
			mean := gain*x + p.shift*std
			truth.Row(i)[k] = theta
			ofTruth[i] += logp(theta, mean)
			for j := i * l; j < (i+1)*l; j++ {
				v := mean + std*p.width*rng.NormFloat64()
				samples.Row(j)[k] = v
				ofSamples[j] += logp(v, mean)
			}
		}
	}
	return truth, samples, ofTruth, ofSamples
}

// tests are those of posteriors, by name.
var tests = []struct {
	name string
	of   func(t *testing.T, p posterior, n, l int, rng *rand.Rand) Uniformity
}{
	{"SBC", func(t *testing.T, p posterior, n, l int, rng *rand.Rand) Uniformity {
		truth, samples, _, _ := p.simulate(n, l, 2, rng)
		r, err := SBC(truth, samples, rng)
		check(t, err)
		u, err := r.Uniformity(1, 0)
		check(t, err)
		return u
	}},
	{"HPD", func(t *testing.T, p posterior, n, l int, rng *rand.Rand) Uniformity {
		_, _, truth, samples := p.simulate(n, l, 2, rng)
		c, err := HPD(truth, samples, rng)
		check(t, err)
		return c.Uniformity
	}},
	{"TARP", func(t *testing.T, p posterior, n, l int, rng *rand.Rand) Uniformity {
		truth, samples, _, _ := p.simulate(n, l, 2, rng)
		c, err := TARP(truth, samples, References(truth, rng), rng)
		check(t, err)
		return c.Uniformity
	}},
}

// Of the exact posterior every p-value is uniform itself, with as few samples as 9, too.
func TestTheExactPosteriorPasses(t *testing.T) {
	const repetitions = 200
	for _, test := range tests {
		var ks, chi2 []float64
		for i := range repetitions {
			u := test.of(t, exact, 100, 9, seed.Rand(1, "calibration/exact/"+test.name, uint64(i)))
			ks, chi2 = append(ks, u.KSP), append(chi2, u.Chi2P)
		}
		for which, p := range map[string][]float64{"KS": ks, "χ²": chi2} {
			of, err := Uniform(p, 0)
			check(t, err)
			// χ² of 100 counts is a whole number in disguise, so that its p-values have steps.
			if of.KSP < 0.005 {
				t.Errorf("%s: %d p-values of %s are not uniform: distance %.3f, p = %.2g", test.name, repetitions,
					which, of.KS, of.KSP)
			}
		}
	}
}

// Wrong posteriors are found out, and in the right direction.
func TestWrongPosteriorsAreDetected(t *testing.T) {
	narrow, wide, high := posterior{0.7, 0}, posterior{1.4, 0}, posterior{1, 1}
	const n, l = 1000, 50
	for _, test := range tests {
		for name, p := range map[string]posterior{"narrow": narrow, "wide": wide, "high": high} {
			u := test.of(t, p, n, l, seed.Rand(2, "calibration/"+test.name+name, 0))
			if min(u.KSP, u.Chi2P) > 1e-3 {
				t.Errorf("%s does not see that posteriors are too %s: p = %.2g and %.2g", test.name, name, u.KSP,
					u.Chi2P)
			}
		}
	}
	rng := seed.Rand(3, "calibration/direction", 0)
	figures := func(p posterior) (Uniformity, Coverage, Coverage) {
		truth, samples, ofTruth, ofSamples := p.simulate(n, l, 2, rng)
		r, err := SBC(truth, samples, rng)
		check(t, err)
		sbc, err := r.Uniformity(0, 0)
		check(t, err)
		hpd, err := HPD(ofTruth, ofSamples, rng)
		check(t, err)
		tarp, err := TARP(truth, samples, References(truth, rng), rng)
		check(t, err)
		return sbc, hpd, tarp
	}
	for _, c := range []struct {
		name                    string
		p                       posterior
		spread, bias, area, atc float64 // signs of Spread − 1, Bias, Area and ATC; 0: any
	}{
		{"too narrow", narrow, 1, 0, -1, -1}, {"too wide", wide, -1, 0, 1, 1}, {"too high", high, 0, -1, -1, 0},
		{"too low", posterior{1, -1}, 0, 1, -1, 0},
	} {
		sbc, hpd, tarp := figures(c.p)
		for _, f := range []struct {
			what                string
			value, stdErr, sign float64
		}{
			{"Spread of SBC", sbc.Spread - 1, sbc.SpreadErr, c.spread}, {"Bias of SBC", sbc.Bias, sbc.BiasErr, c.bias},
			{"Area of HPD", hpd.Area, hpd.AreaErr, c.area}, {"ATC of TARP", tarp.ATC, tarp.ATCErr, c.atc},
		} {
			if f.sign != 0 && f.value*f.sign < 4*f.stdErr {
				t.Errorf("%s: %s is %.3g ± %.2g; want the sign %g", c.name, f.what, f.value, f.stdErr, f.sign)
			}
		}
	}
}

// The curve of regions of highest density is known for Gaussians: a region of level α is a
// disc of radius r = √(−2 log(1−α)) widths, and the truth is in it with probability
// 1 − exp(−(r·width)²/2).
func TestCoverageIsThatOfTheFormula(t *testing.T) {
	rng := seed.Rand(4, "calibration/formula", 0)
	for _, width := range []float64{0.7, 1, 1.4} {
		_, _, truth, samples := posterior{width: width}.simulate(4000, 200, 2, rng)
		c, err := HPD(truth, samples, rng)
		check(t, err)
		for _, level := range []float64{0.1, 0.5, 0.9} {
			want := 1 - math.Pow(1-level, width*width)
			got, _ := c.At(level)
			if tolerance := 4*math.Sqrt(want*(1-want)/4000) + 0.005; math.Abs(got-want) > tolerance {
				t.Errorf("width %g: coverage %.4f of level %g, want %.4f within %.4f", width, got, level, want,
					tolerance)
			}
		}
		// ∫ (1 − (1−α)^w² − α) dα = 1/2 − 1/(w² + 1).
		if want := 0.5 - 1/(width*width+1); math.Abs(c.Area-want) > 4*c.AreaErr {
			t.Errorf("width %g: area %.4f, want %.4f within %.4f", width, c.Area, want, 4*c.AreaErr)
		}
	}
}

// ATC is the integral of the curve that At draws.
func TestATCIsTheAreaOfTheCurve(t *testing.T) {
	rng := seed.Rand(5, "calibration/area", 0)
	truth, samples, _, _ := posterior{width: 0.7}.simulate(200, 20, 1, rng)
	c, err := TARP(truth, samples, References(truth, rng), rng)
	check(t, err)
	var area, atc float64
	const grid = 20000
	for i := range grid {
		level := (float64(i) + 0.5) / grid
		share, _ := c.At(level)
		area += (share - level) / grid
		if level > 0.5 {
			atc += (share - level) / grid
		}
	}
	if math.Abs(area-c.Area) > 1e-4 || math.Abs(atc-c.ATC) > 1e-4 {
		t.Errorf("area %.6f and ATC %.6f, the curve has %.6f and %.6f", c.Area, c.ATC, area, atc)
	}
}

// The figures are those of scipy 1.17.1: kstest, whose p-value is exact, and chisquare.
func TestUniformIsSciPys(t *testing.T) {
	for _, c := range []struct {
		d, p, tolerance float64
		n               int
	}{
		{0.3, 0.27053557479999946, 3e-3, 10}, {0.12, 0.1033037490181987, 3e-4, 100},
		{0.05, 0.013012074781090332, 3e-5, 1000},
	} {
		if got := kolmogorov(c.d, c.n); math.Abs(got-c.p) > c.tolerance {
			t.Errorf("distance %g of %d numbers: p = %.6f, want %.6f", c.d, c.n, got, c.p)
		}
	}
	if kolmogorov(0.001, 10) != 1 || kolmogorov(1, 1000) > 1e-300 {
		t.Error("the ends of the law of the distance")
	}
	u := []float64{0.05, 0.15, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.95}
	got, err := Uniform(u, 5)
	check(t, err)
	// Counts 3, 2, 2, 2, 1: χ² = (1 + 0 + 0 + 0 + 1)/2 = 1 with 4 degrees of freedom, whose
	// survival is exp(−1/2)(1 + 1/2). The distance is 5 of 10 below 0.35: 0.15.
	if want := math.Exp(-0.5) * 1.5; math.Abs(got.Chi2-1) > 1e-12 || math.Abs(got.Chi2P-want) > 1e-12 {
		t.Errorf("χ² = %g, p = %g, want 1 and %g", got.Chi2, got.Chi2P, want)
	}
	if math.Abs(got.KS-0.15) > 1e-12 || math.Abs(got.Bias+0.07) > 1e-12 {
		t.Errorf("distance %g and bias %g, want 0.15 and -0.07", got.KS, got.Bias)
	}
}

// Uniform numbers are called wrong at 5 % in no more than 5 of 100 cases; by the smaller of two p-values they
// would be in 8.
func TestBothTestsTogetherKeepTheirLevel(t *testing.T) {
	const repetitions, level = 4000, 0.05
	rng := seed.Rand(6, "calibration/level", 0)
	together, smaller := 0, 0
	u := make([]float64, 500)
	for range repetitions {
		for i := range u {
			u[i] = rng.Float64()
		}
		of, err := Uniform(u, 0)
		check(t, err)
		if of.P() < level {
			together++
		}
		if min(of.KSP, of.Chi2P) < level {
			smaller++
		}
	}
	most := repetitions*level + 4*math.Sqrt(repetitions*level*(1-level))
	if float64(together) > most || together < repetitions*level/2 || float64(smaller) < most {
		t.Errorf("%d of %d cases are below %g, and by the smaller p-value %d", together, repetitions, level, smaller)
	}
	if p := (Uniformity{KSP: 0.7, Chi2P: 0.9}).P(); p != 1 {
		t.Errorf("p-values of 0.7 and 0.9 make %g, want 1", p)
	}
}

func TestRanksCountSamplesBelow(t *testing.T) {
	truth := flow.Batch{N: 2, D: 2, X: []float64{0, 5, 1, -5}}
	samples := flow.Batch{N: 6, D: 2, X: []float64{-1, 1, 1, 2, 2, 3, 0, 0, 0.5, 0, 1, 0}}
	r, err := SBC(truth, samples, seed.Rand(1, "calibration/ranks", 0))
	check(t, err)
	if r.L != 3 || r.Rank[0] != 1 || r.Rank[1] != 3 || r.Rank[2] < 2 || r.Rank[3] != 0 {
		t.Errorf("ranks %v of %d samples, want 1, 3, 2 or 3 (a tie), 0 of 3", r.Rank, r.L)
	}
	for i, u := range r.U.X {
		if lo := float64(r.Rank[i]) / 4; u < lo || u >= lo+0.25 {
			t.Errorf("rank %d lies at %g", r.Rank[i], u)
		}
	}
	h, err := r.Histogram(1, 2)
	check(t, err)
	if !slices.Equal(h.Count, []int{1, 1}) || h.Expected != 1 || h.Low != 0 || h.High != 2 {
		t.Errorf("histogram %+v", h)
	}
}

// 20 numbers in 10 intervals: 2 each, and with 99 % probability no more than 6 (scipy's
// binom.ppf of 0.995).
func TestTheBandOfAHistogramIsBinomial(t *testing.T) {
	u := make([]float64, 20)
	if h := histogram(u, 10); h.Count[0] != 20 || h.Low != 0 || h.High != 6 {
		t.Errorf("band %d..%d of %v", h.Low, h.High, h.Count)
	}
}

func TestWhatDoesNotFitIsAnError(t *testing.T) {
	rng := seed.Rand(1, "calibration/errors", 0)
	truth, samples := flow.NewBatch(20, 2), flow.NewBatch(60, 2)
	nan := samples.Clone()
	nan.X[7] = math.NaN()
	for name, err := range map[string]error{
		"no truths":      errorOf(SBC(flow.Batch{}, samples, rng)),
		"a remainder":    errorOf(SBC(truth, samples.Slice(0, 59), rng)),
		"two dimensions": errorOf(SBC(truth, flow.NewBatch(60, 3), rng)),
		"no samples":     errorOf(HPD([]float64{1}, nil, rng)),
		"few truths":     errorOf(HPD(make([]float64, 9), make([]float64, 9), rng)),
		"two references": errorOf(TARP(truth, samples, flow.NewBatch(40, 2), rng)),
		"two intervals":  errorOf(Uniform(make([]float64, 20), 21)),
	} {
		if !errors.Is(err, ErrSize) {
			t.Errorf("%s: got %v, want ErrSize", name, err)
		}
	}
	for name, err := range map[string]error{
		"NaN in samples":     errorOf(SBC(truth, nan, rng)),
		"NaN in a density":   errorOf(HPD([]float64{math.NaN()}, []float64{1}, rng)),
		"NaN in numbers":     errorOf(Uniform([]float64{0, 0, 0, 0, 0, math.NaN(), 0, 0, 0, 0}, 0)),
		"beyond 1":           errorOf(Uniform([]float64{0, 0, 0, 0, 0, 1.1, 0, 0, 0, 0}, 0)),
		"no such coordinate": errorOf(Ranks{N: 10, D: 2}.Uniformity(2, 0)),
	} {
		if err == nil {
			t.Errorf("%s is no error", name)
		}
	}
}

func errorOf[T any](_ T, err error) error { return err }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
