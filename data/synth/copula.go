package synth

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// copula is a Gaussian copula: x_d = F_d⁻¹(Φ(z_d)) with z ~ N(0, R), R a correlation
// matrix, so the marginal of x_d is F_d whatever R is. Its density and entropy are
//
//	log p(x) = Σ_d log f_d(x_d) − ½ log det R − ½ zᵀ(R⁻¹ − I) z,    z_d = Φ⁻¹(F_d(x_d))
//	H = Σ_d H(f_d) + ½ log det R
type copula struct {
	marginals []marginal // one a dimension
	factor    mat.Cholesky
	lower     mat.TriDense
}

// newCopula draws the correlations from (layout_seed, "copula"): those of D/3 common
// factors with N(0, 1) loadings, and of noise of half their variance. The marginals
// take turns: normal, lognormal, logistic, Student t, Gumbel, two normals.
func newCopula(p Params) (data.Distribution, error) {
	d := or(p.Dim, 6)
	if d < 1 {
		return nil, fmt.Errorf("dim = %d; want at least 1", d)
	}
	c := &copula{}
	kinds := marginals()
	for j := range d {
		c.marginals = append(c.marginals, kinds[j%len(kinds)])
	}
	if !c.factor.Factorize(randomCorrelation(d, seed.Rand(p.LayoutSeed, "copula", 0))) {
		return nil, fmt.Errorf(
			"the correlations of layout_seed %d are not positive definite in floating point; choose another",
			p.LayoutSeed)
	}
	c.factor.LTo(&c.lower)
	return c, nil
}

// randomCorrelation is B Bᵀ + (k/2) I with B [d, k] of normal loadings, scaled to a
// diagonal of ones.
func randomCorrelation(d int, rng *rand.Rand) *mat.SymDense {
	k := max(1, d/3)
	b := mat.NewDense(d, k, nil)
	for i := range d {
		for j := range k {
			b.Set(i, j, rng.NormFloat64())
		}
	}
	r := mat.NewSymDense(d, nil)
	r.SymOuterK(1, b)
	for i := range d {
		r.SetSym(i, i, r.At(i, i)+float64(k)/2)
	}
	std := make([]float64, d)
	for i := range std {
		std[i] = math.Sqrt(r.At(i, i))
	}
	for i := range d {
		for j := range i + 1 {
			r.SetSym(i, j, r.At(i, j)/(std[i]*std[j]))
		}
	}
	return r
}

// Dim returns D.
func (c *copula) Dim() int { return len(c.marginals) }

// Classes returns 0: there is one part.
func (c *copula) Classes() int { return 0 }

// Sample fills x with independent draws.
func (c *copula) Sample(x flow.Batch, rng *rand.Rand) { c.SampleLabelled(x, nil, rng) }

// SampleLabelled is Sample; every label is 0.
func (c *copula) SampleLabelled(x flow.Batch, label []int32, rng *rand.Rand) {
	checkSample(c.Dim(), x, label)
	z, corr := mat.NewVecDense(x.D, nil), mat.NewVecDense(x.D, nil)
	for i := range x.N {
		for j := range x.D {
			z.SetVec(j, rng.NormFloat64())
		}
		corr.MulVec(&c.lower, z)
		row := x.Row(i)
		for j, m := range c.marginals {
			row[j] = m.fromNormal(corr.AtVec(j))
		}
	}
	clear(label)
}

// LogProb writes log p(x) in nats; −Inf outside of the support of a marginal.
func (c *copula) LogProb(logp []float64, x flow.Batch) {
	checkLogProb(c.Dim(), logp, x)
	z := mat.NewVecDense(x.D, nil)
	half := 0.5 * c.factor.LogDet()
	for i := range x.N {
		sum := -half
		for j, m := range c.marginals {
			v := x.Row(i)[j]
			sum += m.logProb(v)
			z.SetVec(j, m.toNormal(v))
		}
		if math.IsInf(sum, -1) {
			logp[i] = sum
			continue
		}
		own := mat.Dot(z, z)
		logp[i] = sum - 0.5*(mahalanobis(&c.factor, z)-own)
	}
}

// Entropy returns −E log p in nats, exactly.
func (c *copula) Entropy() float64 {
	h := 0.5 * c.factor.LogDet()
	for _, m := range c.marginals {
		h += m.entropy()
	}
	return h
}

// marginal is a law on the line with a strictly increasing distribution function.
type marginal struct {
	logProb func(x float64) float64
	// lower is the quantile of p, upper that of 1−q: both keep the digits of a tail.
	lower, upper func(p float64) float64
	// logCDF and logSurvival are log F and log(1−F): a tail has a logarithm long
	// after it has no probability that a float64 could hold.
	logCDF, logSurvival func(x float64) float64
	entropy             func() float64
}

// fromNormal returns F⁻¹(Φ(z)), by way of the nearer tail.
func (m marginal) fromNormal(z float64) float64 {
	if z < 0 {
		return m.lower(unitNormal.CDF(z))
	}
	return m.upper(unitNormal.CDF(-z))
}

// toNormal returns Φ⁻¹(F(x)), by way of the nearer tail.
func (m marginal) toNormal(x float64) float64 {
	if l := m.logCDF(x); l < -math.Ln2 {
		return normalQuantileOfLog(l)
	}
	return -normalQuantileOfLog(m.logSurvival(x))
}
