package data

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// gmm is a mixture of Gaussians with full covariances, p(x) = Σ_k w_k N(x; m_k, L_k L_kᵀ),
// in any dimension.
type gmm struct {
	weight  []float64
	mean    flow.Batch     // [K, D]
	factor  []mat.Cholesky // of the covariances
	logNorm []float64      // log w_k − log det L_k − D/2 log 2π
}

// Ranges of the random mixture: of the eigenvalues of a covariance, as a standard
// deviation relative to noise, and of the weights before they are normalised.
const (
	gmmThin, gmmWide   = 0.2, 1.0
	gmmLight, gmmHeavy = 0.5, 1.5
)

// newGMM draws a mixture from (layout_seed, "gmm"): means from N(0, scale² I);
// covariances with a random orthogonal basis and deviations between 0.2 and 1 times
// noise, uniform in their logarithms; weights uniform in [1/2, 3/2], normalised.
func newGMM(p Params) (Distribution, error) {
	k, d, scale, noise := cmp.Or(p.Components, 5), cmp.Or(p.Dim, 6), cmp.Or(p.Scale, 1.5), p.noiseOr(1)
	switch {
	case k < 1 || d < 1:
		return nil, fmt.Errorf("components = %d, dim = %d; want at least 1", k, d)
	case !(noise > 0) || math.IsInf(noise, 0):
		return nil, fmt.Errorf("noise = %g; want a positive number", noise)
	case !(scale >= 0) || math.IsInf(scale, 0):
		return nil, fmt.Errorf("scale = %g; want 0 or more", scale)
	}
	rng := seed.Rand(p.LayoutSeed, "gmm", 0)
	g := &gmm{weight: make([]float64, k), mean: flow.NewBatch(k, d), factor: make([]mat.Cholesky, k), logNorm: make([]float64, k)}
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
			return nil, fmt.Errorf("the covariance of component %d is not positive definite in floating point; choose a noise nearer 1", i)
		}
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
	checkFill(g.Dim(), x, label)
	factors := make([]mat.TriDense, g.mean.N)
	for k := range factors {
		g.factor[k].LTo(&factors[k])
	}
	z := mat.NewVecDense(x.D, nil)
	for i := range x.N {
		k := pick(g.weight, rng)
		for j := range x.D {
			z.SetVec(j, rng.NormFloat64())
		}
		row := mat.NewVecDense(x.D, x.Row(i))
		row.MulVec(&factors[k], z)
		row.AddVec(row, mat.NewVecDense(x.D, g.mean.Row(k)))
		if label != nil {
			label[i] = int32(k)
		}
	}
}

// LogProb writes log p(x) in nats: a log-sum-exp over the components.
func (g *gmm) LogProb(logp []float64, x flow.Batch) {
	checkLogProb(g.Dim(), logp, x)
	term := make([]float64, g.mean.N)
	diff, solved := mat.NewVecDense(x.D, nil), mat.NewVecDense(x.D, nil)
	for i := range x.N {
		for k := range term {
			diff.SubVec(mat.NewVecDense(x.D, x.Row(i)), mat.NewVecDense(x.D, g.mean.Row(k)))
			if err := g.factor[k].SolveVecTo(solved, diff); err != nil {
				term[k] = math.NaN() // an ill-conditioned covariance; newGMM makes none
				continue
			}
			term[k] = g.logNorm[k] - 0.5*mat.Dot(diff, solved)
		}
		logp[i] = logSumExp(term)
	}
}
