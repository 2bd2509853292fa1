package data

import (
	"math/rand/v2"

	"flowmatch/flow"
)

// Distribution is a law to draw independent points from.
type Distribution interface {
	// Dim returns D, the dimension of the points.
	Dim() int
	// Sample fills x with independent draws. It panics when x.D != Dim().
	Sample(x flow.Batch, rng *rand.Rand)
}

// LogProber is the optional upgrade of a Distribution whose density is known.
type LogProber interface {
	// LogProb writes log p of each point of x, in nats, into logp (length x.N);
	// -Inf outside the support.
	LogProb(logp []float64, x flow.Batch)
}

// Entropier is the optional upgrade of a Distribution whose entropy is known.
type Entropier interface {
	// Entropy returns -E log p in nats: the NLL that no model can beat.
	Entropy() float64
}

// EntropyEstimator is the optional upgrade of a Distribution whose entropy has no
// closed form but a good estimate.
type EntropyEstimator interface {
	// EstimateEntropy returns −E log p in nats with its standard error, from n
	// draws; the same n and seed give the same bits. It panics when n < 2.
	EstimateEntropy(n int, seed uint64) (nats, stdErr float64)
}

// Labelled is the optional upgrade of a Distribution whose points come from
// distinct parts (components, arms, squares).
type Labelled interface {
	Distribution
	// Classes returns the number of parts; 0 when there is only one, which
	// makes a label worthless.
	Classes() int
	// SampleLabelled is Sample that also writes the part of each point into
	// label (length x.N, or nil). The points are those of Sample.
	SampleLabelled(x flow.Batch, label []int32, rng *rand.Rand)
}

// Info describes a set of data that is known by name.
type Info struct {
	Name   string
	Doc    string   // one line
	Params []string // the keys that it takes in the `data:` section of a run file
}

// Standardized returns the density of z = (x - Mean)/Std where p is that of x:
// log p_z(z) = log p_x(x) + LogDet. It is p itself where s is nil.
func Standardized(p LogProber, s *Standardizer) LogProber {
	if s == nil || p == nil {
		return p
	}
	return standardized{p, s}
}

type standardized struct {
	p   LogProber
	std *Standardizer
}

func (s standardized) LogProb(logp []float64, z flow.Batch) {
	x := z.Clone()
	s.std.Invert(x)
	s.p.LogProb(logp, x)
	det := s.std.LogDet(z.D)
	for i := range logp {
		logp[i] += det
	}
}
