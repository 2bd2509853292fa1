package synth

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distmv"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// tabularDims are the dimensions of POWER, GAS, HEPMASS, MINIBOONE and BSDS300.
var tabularDims = []int{6, 8, 21, 43, 63}

func TestMarginalsAreLaws(t *testing.T) {
	for k, m := range marginals() {
		density := func(x float64) float64 { return math.Exp(m.logProb(x)) }
		// Pieces of one unit, so that no feature hides between the nodes.
		total, entropy := 0.0, 0.0
		for lo := -60.0; lo < 200; lo++ {
			total += quad.Fixed(density, lo, lo+1, 60, quad.Legendre{}, 0)
			entropy += quad.Fixed(func(x float64) float64 {
				p := density(x)
				if p == 0 {
					return 0
				}
				return -p * m.logProb(x)
			}, lo, lo+1, 60, quad.Legendre{}, 0)
		}
		// Student's tails beyond 60 deviations hold 2e-7 of the mass.
		if math.Abs(total-1) > 1e-6 || math.Abs(entropy-m.entropy()) > 1e-5 {
			t.Errorf("marginal %d: mass %.12g and entropy %.12g, want 1 and %.12g", k, total, entropy, m.entropy())
		}
		for _, z := range []float64{-7, -4, -1.3, -0.01, 0, 0.2, 2, 5, 7} {
			x := m.fromNormal(z)
			if back := m.toNormal(x); math.Abs(back-z) > 1e-7*(1+math.Abs(z)) {
				t.Errorf("marginal %d: %g goes to %g and comes back as %g", k, z, x, back)
			}
			const h = 1e-5
			if slope := (math.Exp(m.logCDF(x+h)) - math.Exp(m.logCDF(x-h))) / (2 * h); z > -6 && z < 6 &&
				math.Abs(slope-density(x)) > 1e-5*(density(x)+1e-4) {
				t.Errorf("marginal %d at %g: density %g, slope of the distribution function %g", k, x,
					density(x), slope)
			}
			if sum := math.Exp(m.logCDF(x)) + math.Exp(m.logSurvival(x)); math.Abs(sum-1) > 1e-12 {
				t.Errorf("marginal %d at %g: F + (1−F) is %g", k, x, sum)
			}
		}
	}
}

// Where a tail underflows, its logarithm must go on: a flow that strays, or starts
// from a copula, asks for densities there.
func TestTailsOfMarginalsGoOnWhereProbabilitiesEnd(t *testing.T) {
	for k, m := range marginals() {
		for _, x := range []float64{-1e20, -1e3, -60, -40, -20, -6, 1e-200, 1e-12, 6, 20, 40, 60, 1e3, 1e20} {
			if math.IsInf(m.logProb(x), -1) {
				continue // off the support, or too near its edge for float64
			}
			z := m.toNormal(x)
			tail := m.logCDF(x)
			if z > 0 {
				tail = m.logSurvival(x)
			}
			if back := normalLogCDF(-math.Abs(z)); math.IsInf(z, 0) || math.Abs(back-tail) > 1e-9*math.Abs(tail) {
				t.Errorf("marginal %d at %g: the tail is e^%.12g, that of z = %g is e^%.12g", k, x, tail, z, back)
			}
		}
		// Student's tail must not jump where its formula changes.
		const h, far = 1e-4, studentFar
		if a, b := m.logCDF(-far*(1-h)), m.logCDF(-far*(1+h)); k == 3 && math.Abs(a-b-2*h*studentNu) > 1e-6 {
			t.Errorf("marginal %d: log F falls by %g at -%g, want %g", k, a-b, far, 2*h*studentNu)
		}
		// log F and log(1−F) have the slopes f/F and −f/(1−F), also far out.
		for _, x := range []float64{-12, -6, -2, 0.3, 2, 12, 45} {
			const h = 1e-5
			lower, upper := (m.logCDF(x+h)-m.logCDF(x-h))/(2*h), (m.logSurvival(x-h)-m.logSurvival(x+h))/(2*h)
			if want := math.Exp(m.logProb(x) - m.logCDF(x)); m.logCDF(x) < -math.Ln2 && m.logProb(x) > math.Inf(-1) &&
				math.Abs(lower-want) > 1e-4*want {
				t.Errorf("marginal %d at %g: slope of log F %g, want %g", k, x, lower, want)
			}
			if want := math.Exp(m.logProb(x) - m.logSurvival(x)); m.logSurvival(x) < -math.Ln2 &&
				math.Abs(upper-want) > 1e-4*want {
				t.Errorf("marginal %d at %g: slope of log(1−F) %g, want %g", k, x, upper, want)
			}
		}
	}
}

func TestNormalLogCDFJoinsItsSeries(t *testing.T) {
	// The values are those of erfc with 40 digits.
	for z, want := range map[float64]float64{-29.999: -454.29121119612386549, -30.001: -454.35127771545875721,
		-37: -689.0305855768905936, -40: -804.60844201375378817, -1000: -500007.82669481218431} {
		if got := normalLogCDF(z); math.Abs(got-want) > 1e-12*math.Abs(want) {
			t.Errorf("log Φ(%g): got %.16g, want %.16g", z, got, want)
		}
		if back := normalQuantileOfLog(want); math.Abs(back-z) > 1e-9*math.Abs(z) {
			t.Errorf("quantile of e^%g: got %.15g, want %g", want, back, z)
		}
	}
}

func TestACopulaHasADensityFarOut(t *testing.T) {
	d := mustSet(t, "copula", Params{Dim: new(6)}).(data.LogProber)
	for j := range 6 {
		last := math.Inf(1)
		for _, v := range []float64{10, 20, 40, 400} {
			for _, sign := range []float64{1, -1} {
				x := []float64{0, 1, 0, 0, 0, 0}
				x[j] = sign * v
				var logp [1]float64
				d.LogProb(logp[:], flow.Batch{N: 1, D: 6, X: x})
				if off := j == 1 && sign < 0; math.IsNaN(logp[0]) || math.IsInf(logp[0], -1) != off {
					t.Errorf("coordinate %d at %g: log p %g", j, x[j], logp[0])
				}
				if sign > 0 && logp[0] >= last {
					t.Errorf("coordinate %d at %g: log p %g does not fall", j, x[j], logp[0])
				} else if sign > 0 {
					last = logp[0]
				}
			}
		}
	}
}

func TestEntropyOfACopulaIsTheMeanOfItsLogDensity(t *testing.T) {
	const n = 4000
	for _, dim := range tabularDims {
		d := mustSet(t, "copula", Params{Dim: new(dim), LayoutSeed: 3})
		x, logp := flow.NewBatch(n, dim), make([]float64, n)
		d.Sample(x, seed.Rand(4, "test", 0))
		d.(data.LogProber).LogProb(logp, x)
		mean, square := 0.0, 0.0
		for _, l := range logp {
			mean -= l / n
			square += l * l / n
		}
		h, se := d.(data.Entropier).Entropy(), math.Sqrt((square-mean*mean)/n)
		if math.Abs(mean-h) > 5*se {
			t.Errorf("dimension %d: mean −log p is %g ± %g, entropy %g", dim, mean, se, h)
		}
	}
}

func TestDensitiesInThePlaneIntegrateToOne(t *testing.T) {
	for name, p := range map[string]Params{"copula": {Dim: new(2), LayoutSeed: 1},
		"gmm": {Dim: new(2), LayoutSeed: 1}} {
		d := mustSet(t, name, p)
		const n = 300
		lo, hi := [2]float64{-9, -9}, [2]float64{9, 9}
		if name == "copula" { // a normal and a lognormal coordinate
			lo, hi = [2]float64{-8, 1e-6}, [2]float64{8, 40}
		}
		x, logp := flow.NewBatch(n*n, 2), make([]float64, n*n)
		for i := range n {
			for j := range n {
				copy(x.Row(i*n+j),
					[]float64{lo[0] + (hi[0]-lo[0])*(float64(i)+0.5)/n, lo[1] + (hi[1]-lo[1])*(float64(j)+0.5)/n})
			}
		}
		d.(data.LogProber).LogProb(logp, x)
		sum := 0.0
		for _, l := range logp {
			sum += math.Exp(l) * (hi[0] - lo[0]) * (hi[1] - lo[1]) / (n * n)
		}
		if math.Abs(sum-1) > 1e-4 {
			t.Errorf("%s: mass %g, want 1", name, sum)
		}
	}
}

func TestGMMIsTheMixtureOfItsNormals(t *testing.T) {
	for _, dim := range tabularDims {
		g := mustSet(t, "gmm", Params{Dim: new(dim), LayoutSeed: 2}).(*gmm)
		x, logp := flow.NewBatch(50, dim), make([]float64, 50)
		g.Sample(x, seed.Rand(5, "test", 0))
		g.LogProb(logp, x)
		term := make([]float64, g.mean.N)
		for i := range x.N {
			for k := range term {
				var cov mat.SymDense
				g.factor[k].ToSym(&cov)
				normal, ok := distmv.NewNormal(g.mean.Row(k), &cov, nil)
				if !ok {
					t.Fatal("a covariance is not positive definite")
				}
				term[k] = math.Log(g.weight[k]) + normal.LogProb(x.Row(i))
			}
			if want := logSumExp(term); math.Abs(logp[i]-want) > 1e-8*(1+math.Abs(want)) {
				t.Errorf("dimension %d, point %d: log p %g, want %g", dim, i, logp[i], want)
			}
		}
	}
}

func TestTheEstimateOfAGMMsEntropyIsTheMeanOfItsLogDensity(t *testing.T) {
	const n = 2000
	for _, dim := range append([]int{1, 2}, tabularDims...) {
		g := mustSet(t, "gmm", Params{Dim: new(dim), LayoutSeed: 2}).(*gmm)
		got, se := g.EstimateEntropy(n, 1)
		x, logp := flow.NewBatch(n, dim), make([]float64, n)
		g.Sample(x, seed.Rand(4, "test", 0))
		g.LogProb(logp, x)
		mean, std := stat.MeanStdDev(logp, nil)
		plain := std / math.Sqrt(n)
		t.Logf("dimension %d: %.5f ± %.2g, and ± %.2g by the mean of −log p", dim, got, se, plain)
		if math.Abs(got+mean) > 5*math.Hypot(se, plain) || se > 0.5*plain {
			t.Errorf("dimension %d: entropy %g ± %g, mean −log p is %g ± %g", dim, got, se, -mean, plain)
		}
		if again, _ := g.EstimateEntropy(n, 1); again != got {
			t.Errorf("dimension %d: the same seed gives %g and %g", dim, got, again)
		}
	}
	// Few draws of components that hardly overlap: the error covers what they miss.
	near := mustSet(t, "gmm", Params{Dim: new(8), LayoutSeed: 2}).(*gmm)
	truth, fine := near.EstimateEntropy(50_000, 9)
	for s := range uint64(20) {
		if got, se := near.EstimateEntropy(50, s); math.Abs(got-truth) > 5*math.Hypot(se, fine) {
			t.Errorf("seed %d: %g ± %g from few draws, %g ± %g from many", s, got, se, truth, fine)
		}
	}
	// One normal: exact, −log w_1 = 0 and no doubt.
	g := mustSet(t, "gmm", Params{Dim: new(3), Components: new(1)}).(*gmm)
	want := 1.5*math.Log(2*math.Pi*math.E) + 0.5*g.factor[0].LogDet()
	if got, se := g.EstimateEntropy(10, 1); math.Abs(got-want) > 1e-12 || se != 0 {
		t.Errorf("one normal: %g ± %g, want %g", got, se, want)
	}
}

func TestLayoutSeedPicksTheSet(t *testing.T) {
	for _, name := range []string{"gmm", "copula"} {
		draw := func(layout uint64) []float64 {
			x := flow.NewBatch(3, 6)
			mustSet(t, name, Params{Dim: new(6), LayoutSeed: layout}).Sample(x, seed.Rand(1, "test", 0))
			return x.X
		}
		a, b, c := draw(1), draw(1), draw(2)
		for i := range a {
			if a[i] != b[i] {
				t.Fatalf("%s: the same layout_seed gives %g and %g", name, a[i], b[i])
			}
		}
		// The first coordinate of a copula is that of its normal marginal alone.
		if a[len(a)-1] == c[len(c)-1] {
			t.Errorf("%s: two layout_seeds give the same point", name)
		}
	}
}
