package data

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distmv"

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
			if slope := (m.cdf(x+h) - m.cdf(x-h)) / (2 * h); z > -6 && z < 6 && math.Abs(slope-density(x)) > 1e-5*(density(x)+1e-4) {
				t.Errorf("marginal %d at %g: density %g, slope of the distribution function %g", k, x, density(x), slope)
			}
			if sum := m.cdf(x) + m.survival(x); math.Abs(sum-1) > 1e-12 {
				t.Errorf("marginal %d at %g: F + (1−F) is %g", k, x, sum)
			}
		}
	}
}

func TestEntropyOfACopulaIsTheMeanOfItsLogDensity(t *testing.T) {
	const n = 20000
	for _, dim := range tabularDims {
		d := mustSet(t, "copula", Params{Dim: dim, LayoutSeed: 3})
		x, logp := flow.NewBatch(n, dim), make([]float64, n)
		d.Sample(x, seed.Rand(4, "test", 0))
		d.(LogProber).LogProb(logp, x)
		mean, square := 0.0, 0.0
		for _, l := range logp {
			mean -= l / n
			square += l * l / n
		}
		h, se := d.(Entropier).Entropy(), math.Sqrt((square-mean*mean)/n)
		if math.Abs(mean-h) > 5*se {
			t.Errorf("dimension %d: mean −log p is %g ± %g, entropy %g", dim, mean, se, h)
		}
	}
}

func TestDensitiesInThePlaneIntegrateToOne(t *testing.T) {
	for name, p := range map[string]Params{"copula": {Dim: 2, LayoutSeed: 1}, "gmm": {Dim: 2, LayoutSeed: 1}} {
		d := mustSet(t, name, p)
		const n = 300
		lo, hi := [2]float64{-9, -9}, [2]float64{9, 9}
		if name == "copula" { // a normal and a lognormal coordinate
			lo, hi = [2]float64{-8, 1e-6}, [2]float64{8, 40}
		}
		x, logp := flow.NewBatch(n*n, 2), make([]float64, n*n)
		for i := range n {
			for j := range n {
				copy(x.Row(i*n+j), []float64{lo[0] + (hi[0]-lo[0])*(float64(i)+0.5)/n, lo[1] + (hi[1]-lo[1])*(float64(j)+0.5)/n})
			}
		}
		d.(LogProber).LogProb(logp, x)
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
		g := mustSet(t, "gmm", Params{Dim: dim, LayoutSeed: 2}).(*gmm)
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

func TestLayoutSeedPicksTheSet(t *testing.T) {
	for _, name := range []string{"gmm", "copula"} {
		draw := func(layout uint64) []float64 {
			x := flow.NewBatch(3, 6)
			mustSet(t, name, Params{Dim: 6, LayoutSeed: layout}).Sample(x, seed.Rand(1, "test", 0))
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
