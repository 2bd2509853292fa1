package manifold

import (
	"math"
	"math/rand/v2"

	"flowmatch/flow"
)

// Law is a distribution on a manifold.
type Law interface {
	// Manifold returns what it is on.
	Manifold() Manifold
	// Draw writes a point into x.
	Draw(x []float64, rng *rand.Rand)
	// LogDensity returns log p of a point, in nats, with respect to the Riemannian volume.
	LogDensity(x []float64) float64
}

// Uniform is the uniform distribution on all of M.
type Uniform struct{ M Compact }

// Manifold implements [Law].
func (l Uniform) Manifold() Manifold { return l.M }

// Draw implements [Law].
func (l Uniform) Draw(x []float64, rng *rand.Rand) { l.M.Uniform(x, rng) }

// LogDensity is -log of the volume.
func (l Uniform) LogDensity([]float64) float64 { return -l.M.LogTotal() }

// Normal is the wrapped normal distribution: Exp_mean(v) of a normal tangent vector v of
// standard deviation std in every direction, drawn again until it is within the cut locus, so
// that each point has one v and the density is exact. It is made by [NewNormal].
type Normal struct {
	m     Manifold
	mean  []float64
	std   float64
	frame []float64 // at mean, [d, D]
	norm  float64   // log of the constant
}

// NewNormal returns the wrapped normal distribution about a point, which is kept.
func NewNormal(m Manifold, mean []float64, std float64) Normal {
	l := Normal{m: m, mean: mean, std: std, frame: make([]float64, m.Dim()*m.Ambient())}
	MetricFrame(m, l.frame, mean)
	l.norm = -float64(m.Dim())*(math.Log(std)+0.5*math.Log(2*math.Pi)) - math.Log(m.Inside(std))
	return l
}

// Manifold implements [Law].
func (l Normal) Manifold() Manifold { return l.m }

// Draw implements [Law].
func (l Normal) Draw(x []float64, rng *rand.Rand) {
	dim := l.m.Ambient()
	v, back := make([]float64, dim), make([]float64, dim)
	inside := l.m.Inside(l.std) == 1
	for {
		clear(v)
		for k := range l.m.Dim() {
			add(v, l.std*rng.NormFloat64(), l.frame[k*dim:(k+1)*dim])
		}
		Exp(l.m, x, l.mean, v)
		if inside {
			return
		}
		if l.m.Log(back, l.mean, x) != nil {
			continue
		}
		if add(back, -1, v); Norm(l.m, l.mean, back) < 1e-3 {
			return
		}
	}
}

// LogDensity implements [Law]; -Inf on the cut locus.
func (l Normal) LogDensity(x []float64) float64 {
	v := make([]float64, l.m.Ambient())
	if l.m.Log(v, l.mean, x) != nil {
		return math.Inf(-1)
	}
	return l.norm - l.m.Inner(l.mean, v, v)/(2*l.std*l.std) - l.m.LogJacobian(l.mean, v)
}

// Mixture is one of Parts, each with the share of its weight.
type Mixture struct {
	Parts   []Law
	Weights []float64 // positive; nil: all are equal
}

// Manifold implements [Law].
func (l Mixture) Manifold() Manifold { return l.Parts[0].Manifold() }

// weight is the share of part k.
func (l Mixture) weight(k int) float64 {
	if l.Weights == nil {
		return 1 / float64(len(l.Parts))
	}
	sum := 0.0
	for _, w := range l.Weights {
		sum += w
	}
	return l.Weights[k] / sum
}

// Draw implements [Law].
func (l Mixture) Draw(x []float64, rng *rand.Rand) {
	u, k := rng.Float64(), 0
	for k < len(l.Parts)-1 {
		if u -= l.weight(k); u < 0 {
			break
		}
		k++
	}
	l.Parts[k].Draw(x, rng)
}

// LogDensity implements [Law].
func (l Mixture) LogDensity(x []float64) float64 {
	most, all := math.Inf(-1), make([]float64, len(l.Parts))
	for k, p := range l.Parts {
		all[k] = math.Log(l.weight(k)) + p.LogDensity(x)
		most = math.Max(most, all[k])
	}
	if math.IsInf(most, -1) {
		return most
	}
	sum := 0.0
	for _, v := range all {
		sum += math.Exp(v - most)
	}
	return most + math.Log(sum)
}

// Factors is one law for each factor of a [Product], independent of one another.
type Factors []Law

// Manifold implements [Law].
func (l Factors) Manifold() Manifold {
	m := make(Product, len(l))
	for i, f := range l {
		m[i] = f.Manifold()
	}
	return m
}

// each calls fn with each law and where its numbers are.
func (l Factors) each(fn func(f Law, lo, hi int)) {
	lo := 0
	for _, f := range l {
		hi := lo + f.Manifold().Ambient()
		fn(f, lo, hi)
		lo = hi
	}
}

// Draw implements [Law].
func (l Factors) Draw(x []float64, rng *rand.Rand) {
	l.each(func(f Law, lo, hi int) { f.Draw(x[lo:hi], rng) })
}

// LogDensity implements [Law].
func (l Factors) LogDensity(x []float64) (sum float64) {
	l.each(func(f Law, lo, hi int) { sum += f.LogDensity(x[lo:hi]) })
	return sum
}

// Source is a law as a solver's source: its density is by the volume that the space around
// gives the manifold, which is what the divergence of a [Field] changes. It is a
// [flow.Source].
type Source struct{ Law Law }

// Sample implements [flow.Source].
func (s Source) Sample(x flow.Batch, rng *rand.Rand) {
	for i := range x.N {
		s.Law.Draw(x.Row(i), rng)
	}
}

// LogProb implements [flow.Source].
func (s Source) LogProb(logp []float64, x flow.Batch) {
	m := s.Law.Manifold()
	for i := range x.N {
		logp[i] = s.Law.LogDensity(x.Row(i)) + m.LogVolume(x.Row(i))
	}
}
