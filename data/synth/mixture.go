package synth

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// Mixture is p(x) = sum_k Weight[k] N(x; Mean_k, Std[k]^2 I), in any dimension.
// Mean is [K, D]; the weights are positive and sum to 1.
type Mixture struct {
	Weight []float64
	Mean   flow.Batch
	Std    []float64
}

// NewMixture checks a mixture and normalises its weights. Nil weights are equal
// ones. It fails on lengths that differ, on weights or deviations that are not
// positive and finite, and on means that are not finite.
func NewMixture(weight []float64, mean flow.Batch, std []float64) (*Mixture, error) {
	if mean.N == 0 || mean.D == 0 {
		return nil, errors.New("a mixture needs at least one mean of at least one coordinate")
	}
	w := make([]float64, mean.N)
	if weight == nil {
		for k := range w {
			w[k] = 1
		}
	} else if copy(w, weight); len(weight) != mean.N {
		return nil, fmt.Errorf("%d weights for %d means; want as many", len(weight), mean.N)
	}
	if len(std) != mean.N {
		return nil, fmt.Errorf("%d stds for %d means; want as many", len(std), mean.N)
	}
	sum := 0.0
	for k := range w {
		if !(w[k] > 0) || math.IsInf(w[k], 0) {
			return nil, fmt.Errorf("weight %d is %g; want a positive number", k, w[k])
		}
		if !(std[k] > 0) || math.IsInf(std[k], 0) {
			return nil, fmt.Errorf("std %d is %g; want a positive number", k, std[k])
		}
		sum += w[k]
	}
	for i, v := range mean.X {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("coordinate %d of mean %d is %g; want a finite number", i%mean.D, i/mean.D, v)
		}
	}
	for k := range w {
		w[k] /= sum
	}
	return &Mixture{Weight: w, Mean: mean.Clone(), Std: append([]float64(nil), std...)}, nil
}

// Dim returns D.
func (m *Mixture) Dim() int { return m.Mean.D }

// Classes returns the number of components K, 0 when it is 1.
func (m *Mixture) Classes() int {
	if m.Mean.N == 1 {
		return 0
	}
	return m.Mean.N
}

// Sample fills x with independent draws.
func (m *Mixture) Sample(x flow.Batch, rng *rand.Rand) { m.SampleLabelled(x, nil, rng) }

// SampleLabelled is Sample with the component of each point in label.
func (m *Mixture) SampleLabelled(x flow.Batch, label []int32, rng *rand.Rand) {
	checkSample(m.Dim(), x, label)
	for i := range x.N {
		k := pick(m.Weight, rng)
		row, mean := x.Row(i), m.Mean.Row(k)
		for d := range row {
			row[d] = mean[d] + m.Std[k]*rng.NormFloat64()
		}
		if label != nil {
			label[i] = int32(k)
		}
	}
}

// pick draws an index with the given probabilities.
func pick(weight []float64, rng *rand.Rand) int {
	u := rng.Float64()
	for k, w := range weight {
		if u -= w; u < 0 {
			return k
		}
	}
	return len(weight) - 1 // the weights sum to 1 only up to rounding
}

// LogProb writes log p(x) in nats: a log-sum-exp over the components.
func (m *Mixture) LogProb(logp []float64, x flow.Batch) {
	checkLogProb(m.Dim(), logp, x)
	d := float64(m.Dim())
	norm := make([]float64, m.Mean.N)
	for k := range norm {
		norm[k] = math.Log(m.Weight[k]) - d*(math.Log(m.Std[k])+0.5*math.Log(2*math.Pi))
	}
	term := make([]float64, m.Mean.N)
	for i := range x.N {
		for k := range term {
			term[k] = norm[k] - 0.5*dist2(x.Row(i), m.Mean.Row(k))/(m.Std[k]*m.Std[k])
		}
		logp[i] = logSumExp(term)
	}
}

func dist2(a, b []float64) float64 {
	sum := 0.0
	for d, v := range a {
		sum += (v - b[d]) * (v - b[d])
	}
	return sum
}

func logSumExp(term []float64) float64 {
	top := math.Inf(-1)
	for _, v := range term {
		top = max(top, v)
	}
	if math.IsInf(top, -1) {
		return top
	}
	sum := 0.0
	for _, v := range term {
		sum += math.Exp(v - top)
	}
	return top + math.Log(sum)
}

// equalMixture is the mixture of equal weights and widths over rows of mean.
func equalMixture(mean flow.Batch, std float64) (data.Distribution, error) {
	stds := make([]float64, mean.N)
	for k := range stds {
		stds[k] = std
	}
	m, err := NewMixture(nil, mean, stds)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// newRing is K Gaussians on a circle. The defaults, radius 5 and variance 0.1,
// are those of the tutorials of arXiv 2302.00482 (torchcfm).
func newRing(p Params) (data.Distribution, error) {
	k, radius := or(p.Components, 8), or(p.Scale, 5.0)
	if k < 1 {
		return nil, fmt.Errorf("components = %d; want at least 1", k)
	}
	mean := flow.NewBatch(k, 2)
	for i := range k {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(k))
		mean.X[2*i], mean.X[2*i+1] = radius*cos, radius*sin
	}
	return equalMixture(mean, or(p.Noise, math.Sqrt(0.1)))
}

// newGrid is 25 Gaussians at spacing*(i, j), i and j from -2 to 2.
func newGrid(p Params) (data.Distribution, error) {
	spacing := or(p.Scale, 2.0)
	mean := flow.NewBatch(25, 2)
	for i := range 25 {
		mean.X[2*i], mean.X[2*i+1] = spacing*float64(i%5-2), spacing*float64(i/5-2)
	}
	return equalMixture(mean, or(p.Noise, 0.1))
}

// newMixture1D is three Gaussians on the line with weights 0.3, 0.5 and 0.2.
func newMixture1D(p Params) (data.Distribution, error) {
	scale, std := or(p.Scale, 1.0), or(p.Noise, 0.4)
	mean := flow.Batch{N: 3, D: 1, X: []float64{-2 * scale, 0.5 * scale, 2.5 * scale}}
	m, err := NewMixture([]float64{0.3, 0.5, 0.2}, mean, []float64{std, std, std})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// single is one Gaussian: a mixture of one, whose entropy is known.
type single struct{ *Mixture }

// Entropy returns D/2 log(2 pi e Std^2) nats.
func (s single) Entropy() float64 {
	return float64(s.Dim()) * (0.5*math.Log(2*math.Pi*math.E) + math.Log(s.Std[0]))
}

func newGaussian(p Params) (data.Distribution, error) {
	mean := flow.NewBatch(1, max(0, or(p.Dim, 2)))
	for d := range mean.X {
		mean.X[d] = or(p.Scale, 0)
	}
	m, err := NewMixture(nil, mean, []float64{or(p.Noise, 1)})
	if err != nil {
		return nil, err
	}
	return single{m}, nil
}

// newMixtureSet is the mixture that means, stds and weights spell out, or a
// random one: means from N(0, scale^2 I), widths uniform between half of noise
// and one and a half times noise, weights uniform in [1/2, 3/2] before they are
// normalised; all of it from (layout_seed, "mixture").
func newMixtureSet(p Params) (data.Distribution, error) {
	mean, err := givenMeans(p)
	if err != nil {
		return nil, err
	}
	if p.Stds != nil && p.Noise != nil {
		return nil, errors.New("stds and noise both give the widths; leave one out")
	}
	std, weight := p.Stds, p.Weights
	rng := seed.Rand(p.LayoutSeed, "mixture", 0)
	random := p.Means == nil
	if random {
		for i := range mean.X {
			mean.X[i] = or(p.Scale, 2.0) * rng.NormFloat64()
		}
	}
	if std == nil {
		std = make([]float64, mean.N)
		for k := range std {
			std[k] = or(p.Noise, 0.3)
			if random {
				std[k] *= 0.5 + rng.Float64()
			}
		}
	}
	if weight == nil && random {
		weight = make([]float64, mean.N)
		for k := range weight {
			weight[k] = 0.5 + rng.Float64()
		}
	}
	m, err := NewMixture(weight, mean, std)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// givenMeans copies the means, or makes room for random ones.
func givenMeans(p Params) (flow.Batch, error) {
	if p.Means == nil {
		k, d := or(p.Components, 8), or(p.Dim, 2)
		if k < 1 || d < 1 {
			return flow.Batch{}, fmt.Errorf("components = %d, dim = %d; want at least 1", k, d)
		}
		return flow.NewBatch(k, d), nil
	}
	if p.Components != nil || p.Dim != nil || p.Scale != nil || p.LayoutSeed != 0 {
		return flow.Batch{}, errors.New(
			"means are given, so components, dim, scale and layout_seed say nothing; leave them out")
	}
	if len(p.Means) == 0 {
		return flow.Batch{}, errors.New("means is empty; want one row a component")
	}
	mean := flow.NewBatch(len(p.Means), len(p.Means[0]))
	for k, row := range p.Means {
		if len(row) != mean.D {
			return flow.Batch{}, fmt.Errorf("mean %d has %d coordinates, mean 0 has %d; want as many", k,
				len(row), mean.D)
		}
		copy(mean.Row(k), row)
	}
	return mean, nil
}
