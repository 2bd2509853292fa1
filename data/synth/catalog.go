package data

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"flowmatch/flow"
)

// Distribution is a synthetic set: something to draw independent points from.
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

// Params are the knobs of the synthetic sets. Zero (nil) means the set's own
// default; [Info.Params] says which a set takes, and the others are errors.
type Params struct {
	// Noise is the standard deviation of the Gaussian added to each point (the
	// width of each component, of the arms of a pinwheel), in the units of the
	// samples. 0 is allowed for curves only: their density then does not exist.
	Noise *float64 `json:"noise,omitempty" yaml:"noise,omitempty"`
	// Scale is the size of the figure without its noise; see each set.
	Scale float64 `json:"scale,omitempty" yaml:"scale,omitempty"`
	// Components is the number of Gaussians, or of arms of a pinwheel.
	Components int `json:"components,omitempty" yaml:"components,omitempty"`
	// Dim is the dimension of the points.
	Dim int `json:"dim,omitempty" yaml:"dim,omitempty"`
	// LayoutSeed picks the random mixture, apart from the run's own seed, so
	// that runs with other seeds train on the same distribution.
	LayoutSeed uint64 `json:"layout_seed,omitempty" yaml:"layout_seed,omitempty"`
	// Means, Stds and Weights give a mixture explicitly: one row, one number and
	// one number a component. Stds nil means Noise for all, Weights nil equal
	// weights; weights need not sum to 1.
	Means   [][]float64 `json:"means,omitempty" yaml:"means,omitempty"`
	Stds    []float64   `json:"stds,omitempty" yaml:"stds,omitempty"`
	Weights []float64   `json:"weights,omitempty" yaml:"weights,omitempty"`
}

// given returns the names of the knobs that are set.
func (p Params) given() []string {
	var names []string
	add := func(set bool, name string) {
		if set {
			names = append(names, name)
		}
	}
	add(p.Noise != nil, "noise")
	add(p.Scale != 0, "scale")
	add(p.Components != 0, "components")
	add(p.Dim != 0, "dim")
	add(p.LayoutSeed != 0, "layout_seed")
	add(p.Means != nil, "means")
	add(p.Stds != nil, "stds")
	add(p.Weights != nil, "weights")
	return names
}

// Info describes one synthetic set.
type Info struct {
	Name   string
	Doc    string   // one line
	Params []string // the knobs it takes, as they are written in a run file
}

// entry is one line of the name switch.
type entry struct {
	name, params, doc string
	build             func(Params) (Distribution, error)
}

// entries is the name switch: a new set is one file and one line here.
func entries() []entry {
	return []entry{
		{"checkerboard", "scale", "8 of the 16 squares of [-4,4]^2, uniform; entropy ln 32 = 3.4657 nats; scale = half side 4", newCheckerboard},
		{"8gaussians", "scale noise components", "8 Gaussians on a circle; scale = radius 5, noise = sqrt(0.1)", newRing},
		{"25gaussians", "scale noise", "5 x 5 grid of Gaussians; scale = spacing 2, noise = 0.1", newGrid},
		{"moons", "scale noise", "two interleaved half circles; scale = radius 2, noise = 0.2", newMoons},
		{"circles", "scale noise", "two concentric circles, the inner of half the radius; scale = radius 3, noise = 0.15", newCircles},
		{"spirals", "scale noise", "two spirals of one and a half turns; scale = radius at the end, pi; noise = 0.1", newSpirals},
		{"swissroll", "scale noise", "one spiral from 3/4 to 9/4 turns; scale = radius at the end, 4; noise = 0.15", newSwissRoll},
		{"scurve", "scale noise", "the letter S; scale = radius of its arcs, 1.5; noise = 0.15", newSCurve},
		{"pinwheel", "scale noise components", "5 Gaussian arms bent by a twist; scale = radius 2, noise = width of an arm, 0.2", newPinwheel},
		{"gaussian", "scale noise dim", "one Gaussian N(scale*1, noise^2 I); scale = 0, noise = 1, dim = 2", newGaussian},
		{"mixture", "scale noise components dim layout_seed means stds weights", "Gaussian mixture of any dimension, given by means or random; scale = 2 and noise = 0.3 set the random one, components = 8", newMixtureSet},
		{"gmm", "scale noise components dim layout_seed", "random Gaussian mixture with full covariances; scale = 1.5 of the means, noise = 1 = the largest deviation, components = 5, dim = 6", newGMM},
		{"copula", "dim layout_seed", "Gaussian copula with random correlations and six kinds of marginals; its entropy is known; dim = 6", newCopula},
		{"mixture1d", "scale noise", "three Gaussians on the line, at scale times -2, 0.5 and 2.5; scale = 1, noise = 0.4", newMixture1D},
	}
}

// Catalog describes every synthetic set, in the order they are best listed.
func Catalog() []Info {
	var infos []Info
	for _, e := range entries() {
		infos = append(infos, Info{Name: e.name, Doc: e.doc, Params: strings.Fields(e.params)})
	}
	return infos
}

// Names lists the synthetic sets that [ByName] knows.
func Names() []string {
	var names []string
	for _, e := range entries() {
		names = append(names, e.name)
	}
	return names
}

// ByName returns the synthetic set of that name. Unknown names, knobs that the
// set does not take and values out of range are errors.
func ByName(name string, p Params) (Distribution, error) {
	for _, e := range entries() {
		if e.name != name {
			continue
		}
		takes := strings.Fields(e.params)
		for _, g := range p.given() {
			if !slices.Contains(takes, g) {
				return nil, fmt.Errorf("data: %s does not take %s; it takes %s", name, g, strings.Join(takes, ", "))
			}
		}
		d, err := e.build(p)
		if err != nil {
			return nil, fmt.Errorf("data: %s: %w", name, err)
		}
		return d, nil
	}
	return nil, fmt.Errorf("data: unknown set %q; the sets are %s", name, strings.Join(Names(), ", "))
}

// noiseOr returns the noise, or the default where none is given.
func (p Params) noiseOr(def float64) float64 {
	if p.Noise == nil {
		return def
	}
	return *p.Noise
}
