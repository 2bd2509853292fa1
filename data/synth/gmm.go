package synth

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// gmm is a mixture of Gaussians with full covariances, p(x) = Σ_k w_k N(x; m_k, L_k L_kᵀ),
// in any dimension.
type gmm struct {
	weight  []float64
	mean    flow.Batch     // [K, D]
	factor  []mat.Cholesky // of the covariances
	lower   []mat.TriDense // L
	logNorm []float64      // log w_k − log det L_k − D/2 log 2π
}

// Ranges of the random mixture: of the eigenvalues of a covariance, as a standard
// deviation relative to noise, and of the weights before they are normalised.
const (
	gmmThin, gmmWide   = 0.2, 1.0
	gmmLight, gmmHeavy = 0.5, 1.5
	gmmComponents      = 5
)

// newGMM draws a mixture from (layout_seed, "gmm"): means from N(0, scale² I);
// covariances with a random orthogonal basis and deviations between 0.2 and 1 times
// noise, uniform in their logarithms; weights uniform in [1/2, 3/2], normalised.
func newGMM(p Params) (data.Distribution, error) {
	k, d, scale, noise := or(p.Components, gmmComponents), or(p.Dim, 6), or(p.Scale, 1.5), or(p.Noise, 1)
	switch {
	case k < 1 || d < 1:
		return nil, fmt.Errorf("components = %d, dim = %d; want at least 1", k, d)
	case !(noise > 0) || math.IsInf(noise, 0):
		return nil, fmt.Errorf("noise = %g; want a positive number", noise)
	case !(scale >= 0) || math.IsInf(scale, 0):
		return nil, fmt.Errorf("scale = %g; want 0 or more", scale)
	}
	rng := seed.Rand(p.LayoutSeed, "gmm", 0)
	g := &gmm{
		weight: make([]float64, k), mean: flow.NewBatch(k, d),
		factor: make([]mat.Cholesky, k), lower: make([]mat.TriDense, k), logNorm: make([]float64, k),
	}
	sum := 0.0
	for i := range k {
		g.weight[i] = gmmLight + (gmmHeavy-gmmLight)*rng.Float64()
		sum += g.weight[i]
	}
	for i := range k {
		g.weight[i] /= sum
		for j := range d {
			g.mean.Row(i)[j] = scale * rng.NormFloat64()
		}
		if !g.factor[i].Factorize(randomCovariance(d, noise, rng)) {
			return nil, fmt.Errorf(
				"the covariance of component %d is not positive definite in floating point; choose a noise nearer 1", i)
		}
		g.factor[i].LTo(&g.lower[i])
		g.logNorm[i] = math.Log(g.weight[i]) - 0.5*g.factor[i].LogDet() - 0.5*float64(d)*math.Log(2*math.Pi)
	}
	return g, nil
}

// randomCovariance is Q Λ Qᵀ with Q from the QR factors of a Gaussian matrix.
func randomCovariance(d int, noise float64, rng *rand.Rand) *mat.SymDense {
	a := mat.NewDense(d, d, nil)
	for i := range d {
		for j := range d {
			a.Set(i, j, rng.NormFloat64())
		}
	}
	var qr mat.QR
	qr.Factorize(a)
	var q, scaled mat.Dense
	qr.QTo(&q)
	scaled.CloneFrom(&q)
	for j := range d {
		std := noise * gmmThin * math.Pow(gmmWide/gmmThin, rng.Float64())
		for i := range d {
			scaled.Set(i, j, q.At(i, j)*std)
		}
	}
	cov := mat.NewSymDense(d, nil)
	cov.SymOuterK(1, &scaled)
	return cov
}

// Dim returns D.
func (g *gmm) Dim() int { return g.mean.D }

// Classes returns the number of components, 0 when it is 1.
func (g *gmm) Classes() int {
	if g.mean.N == 1 {
		return 0
	}
	return g.mean.N
}

// Sample fills x with independent draws.
func (g *gmm) Sample(x flow.Batch, rng *rand.Rand) { g.SampleLabelled(x, nil, rng) }

// SampleLabelled is Sample with the component of each point in label.
func (g *gmm) SampleLabelled(x flow.Batch, label []int32, rng *rand.Rand) {
	checkSample(g.Dim(), x, label)
	z := mat.NewVecDense(x.D, nil)
	for i := range x.N {
		k := pick(g.weight, rng)
		for j := range x.D {
			z.SetVec(j, rng.NormFloat64())
		}
		row := mat.NewVecDense(x.D, x.Row(i))
		row.MulVec(&g.lower[k], z)
		row.AddVec(row, mat.NewVecDense(x.D, g.mean.Row(k)))
		if label != nil {
			label[i] = int32(k)
		}
	}
}

// LogProb writes log p(x) in nats: a log-sum-exp over the components.
func (g *gmm) LogProb(logp []float64, x flow.Batch) {
	checkLogProb(g.Dim(), logp, x)
	term, work := make([]float64, g.mean.N), mat.NewVecDense(x.D, nil)
	for i := range x.N {
		g.terms(term, x.Row(i), work)
		logp[i] = logSumExp(term)
	}
}

// mahalanobis returns xᵀ Σ⁻¹ x of the Cholesky factor of Σ = UᵀU, as |U⁻ᵀ x|². x is overwritten.
func mahalanobis(factor *mat.Cholesky, x *mat.VecDense) float64 {
	blas64.Trsv(blas.Trans, factor.RawU().(mat.RawTriangular).RawTriangular(), x.RawVector())
	return mat.Dot(x, x)
}

// terms writes log w_k p_k(x) of each component k.
func (g *gmm) terms(term, x []float64, diff *mat.VecDense) {
	for k := range term {
		diff.SubVec(mat.NewVecDense(len(x), x), mat.NewVecDense(len(x), g.mean.Row(k)))
		term[k] = g.logNorm[k] - 0.5*mahalanobis(&g.factor[k], diff)
	}
}

// EstimateEntropy returns the entropy in nats, by H(x) = H(k, x) − H(k|x): the joint
// entropy of component and point is Σ_k w_k (D/2 − logNorm_k) exactly, so only the
// doubt about the component of a point, from 0 to log K, is a mean over draws. Of
// components far apart all draws may miss the rare points in doubt, and their spread
// then says too little, so the standard error is at least what one such point adds
// to the mean, log(K)/n.
func (g *gmm) EstimateEntropy(n int, seedValue uint64) (nats, stdErr float64) {
	if n < 2 {
		panic(fmt.Sprintf("data: EstimateEntropy of %d draws; want at least 2", n))
	}
	joint := 0.5 * float64(g.Dim())
	for k, w := range g.weight {
		joint -= w * g.logNorm[k]
	}
	x := flow.NewBatch(n, g.Dim())
	g.Sample(x, seed.Rand(seedValue, "entropy", 0))
	term, work, doubt := make([]float64, g.mean.N), mat.NewVecDense(x.D, nil), make([]float64, n)
	for i := range n {
		g.terms(term, x.Row(i), work)
		total := logSumExp(term)
		for _, t := range term {
			if r := math.Exp(t - total); r > 0 {
				doubt[i] -= r * (t - total)
			}
		}
	}
	mean, std := stat.MeanStdDev(doubt, nil)
	return joint - mean, max(std/math.Sqrt(float64(n)), math.Log(float64(len(term)))/float64(n))
}
