// Package synth has the laws: distributions with known densities to train on, to start
// flows from ([SourceConfig]) and to test against. [ByName] makes one.
//
// Densities of curves blurred by noise (moons, circles, spirals, swissroll,
// scurve) are integrals over the curve, done by Gauss-Legendre quadrature: see
// curve. Everything else is closed form.
package synth

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/memory"
)

// Params are the parameters of the laws. Nil means the law's own default;
// [Catalog] says which a law takes, and the others are errors.
type Params struct {
	// Noise is the standard deviation of the Gaussian noise that is added to each point
	// (the width of each component of a mixture, or of the arms of a pinwheel), in the units
	// of the points. 0 is for curves only, which then have no density.
	Noise *float64 `json:"noise,omitempty" yaml:"noise,omitempty"`
	// Scale is the size of the figure without its noise; flowmatch data list says of each
	// set what it is.
	Scale *float64 `json:"scale,omitempty" yaml:"scale,omitempty"`
	// Components is the number of Gaussians of a mixture, or of arms of a pinwheel.
	Components *int `json:"components,omitempty" yaml:"components,omitempty"`
	// Dim is the dimension of the points, of sets that come in any.
	Dim *int `json:"dim,omitempty" yaml:"dim,omitempty"`
	// LayoutSeed is the seed of a random distribution, apart from the run's own seed, so
	// that runs with other seeds train on the same distribution; default 0.
	LayoutSeed uint64 `json:"layout_seed,omitempty" yaml:"layout_seed,omitempty"`
	// Means are the means of the components of a mixture that is not random, one list of
	// numbers for each.
	Means [][]float64 `json:"means,omitempty" yaml:"means,omitempty"`
	// Stds are the standard deviations of the components of a mixture, one number each;
	// left out, they come from Noise.
	Stds []float64 `json:"stds,omitempty" yaml:"stds,omitempty"`
	// Weights are the weights of the components of a mixture, one number each; they need
	// not sum to 1. Left out, those of Means are equal, others random.
	Weights []float64 `json:"weights,omitempty" yaml:"weights,omitempty"`
}

// SetParams returns the names of the parameters of p that are set, as they are written
// in a run file.
func SetParams(p Params) []string {
	var names []string
	add := func(set bool, name string) {
		if set {
			names = append(names, name)
		}
	}
	add(p.Noise != nil, "noise")
	add(p.Scale != nil, "scale")
	add(p.Components != nil, "components")
	add(p.Dim != nil, "dim")
	add(p.LayoutSeed != 0, "layout_seed")
	add(p.Means != nil, "means")
	add(p.Stds != nil, "stds")
	add(p.Weights != nil, "weights")
	return names
}

// entry is one row of the table of laws.
type entry struct {
	name, params string
	build        func(Params) (data.Distribution, error)
	doc          string
}

// entries is the table of laws: a new one is one file and one row here.
func entries() []entry {
	return []entry{
		{"checkerboard", "scale", newCheckerboard,
			"8 of the 16 squares of [-4,4]^2, uniform; entropy ln 32 = 3.4657 nats; scale = half side 4"},
		{"8gaussians", "scale noise components", newRing,
			"8 Gaussians on a circle; scale = radius 5, noise = sqrt(0.1)"},
		{"25gaussians", "scale noise", newGrid,
			"5 x 5 grid of Gaussians; scale = spacing 2, noise = 0.1"},
		{"moons", "scale noise", newMoons,
			"two interleaved half circles; scale = radius 2, noise = 0.2"},
		{"circles", "scale noise", newCircles,
			"two concentric circles, the inner of half the radius; scale = radius 3, noise = 0.15"},
		{"spirals", "scale noise", newSpirals,
			"two spirals of one and a half turns; scale = radius at the end, pi; noise = 0.1"},
		{"swissroll", "scale noise", newSwissRoll,
			"one spiral from 3/4 to 9/4 turns; scale = radius at the end, 4; noise = 0.15"},
		{"scurve", "scale noise", newSCurve,
			"the letter S; scale = radius of its arcs, 1.5; noise = 0.15"},
		{"pinwheel", "scale noise components", newPinwheel,
			"5 Gaussian arms bent by a twist; scale = radius 2, noise = width of an arm, 0.2"},
		{"gaussian", "scale noise dim", newGaussian,
			"one Gaussian N(scale*1, noise^2 I); scale = 0, noise = 1, dim = 2"},
		{"mixture", "scale noise components dim layout_seed means stds weights", newMixtureSet,
			"Gaussian mixture of any dimension, given by means or random; scale = 2 and noise = 0.3 set the " +
				"random one, components = 8"},
		{"gmm", "scale noise components dim layout_seed", newGMM,
			"random Gaussian mixture with full covariances; scale = 1.5 of the means, noise = 1 = the largest " +
				"deviation, components = 5, dim = 6"},
		{"copula", "dim layout_seed", newCopula,
			"Gaussian copula with random correlations and six kinds of marginals; its entropy is known; dim = 6"},
		{"mixture1d", "scale noise", newMixture1D,
			"three Gaussians on the line, at scale times -2, 0.5 and 2.5; scale = 1, noise = 0.4"},
	}
}

// Catalog describes every law, in the order they are best listed.
func Catalog() []data.Info {
	var infos []data.Info
	for _, e := range entries() {
		infos = append(infos, data.Info{Name: e.name, Doc: e.doc, Params: strings.Fields(e.params)})
	}
	return infos
}

// Names lists the laws that [ByName] knows.
func Names() []string {
	var names []string
	for _, e := range entries() {
		names = append(names, e.name)
	}
	return names
}

// ByName returns the law of that name. Unknown names, parameters that the law does not
// take and values out of range are errors.
func ByName(name string, p Params) (data.Distribution, error) {
	if err := choice.Check("synthetic set", name, Names()); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	all := entries()
	e := all[slices.IndexFunc(all, func(e entry) bool { return e.name == name })]
	if err := takes(name, e.params, p); err != nil {
		return nil, err
	}
	correlated := 0 // components, each with a matrix
	switch name {
	case "gmm":
		correlated = or(p.Components, gmmComponents)
	case "copula":
		correlated = 1
	}
	if err := p.check(correlated); err != nil {
		return nil, fmt.Errorf("data: %s: %w", name, err)
	}
	d, err := e.build(p)
	if err != nil {
		return nil, fmt.Errorf("data: %s: %w", name, err)
	}
	return d, nil
}

// takes reports a parameter that a law does not take.
func takes(name, params string, p Params) error {
	those := strings.Fields(params)
	for _, param := range SetParams(p) {
		if !slices.Contains(those, param) {
			return fmt.Errorf("data: %s does not take %s; it takes %s", name, param, strings.Join(those, ", "))
		}
	}
	return nil
}

// mostWork bounds components·dim³, what it takes to draw and to factor random matrices: some
// twenty seconds of one core.
const mostWork = 2e10

// check reports a law of more components or dimensions than there is memory for, or than can be
// made within a minute: each component has a mean and, where it is correlated, as so many are,
// matrices.
func (p Params) check(correlated int) error {
	number := func(v *int) float64 { return float64(max(1, or(v, 2))) }
	dim, components, matrices := number(p.Dim), number(p.Components), float64(max(0, correlated))
	bytes := 8 * (components*dim + 2*matrices*dim*dim)
	if err := memory.Check(fmt.Sprintf("components %g and dim %g", max(components, matrices), dim), bytes); err != nil {
		return err
	}
	if matrices*dim*dim*dim > mostWork {
		return fmt.Errorf("dim = %g with %g random matrices of dim x dim takes minutes to make and as long to draw "+
			"from; at most %d, or a law without correlations, such as gaussian", dim, matrices,
			int(math.Cbrt(mostWork/matrices)))
	}
	return nil
}

// checkSample and checkLogProb panic on shapes that do not fit: the signatures of a
// law have no error, and no data lead there.
func checkSample(dim int, x flow.Batch, label []int32) {
	if x.D != dim {
		panic(fmt.Sprintf("data: batch of dimension %d for a law of dimension %d", x.D, dim))
	}
	if label != nil && len(label) != x.N {
		panic(fmt.Sprintf("data: %d labels for %d points", len(label), x.N))
	}
}

func checkLogProb(dim int, logp []float64, x flow.Batch) {
	if x.D != dim || len(logp) != x.N {
		panic(fmt.Sprintf("data: LogProb of %d points of dimension %d into %d values, for a law of dimension %d",
			x.N, x.D, len(logp), dim))
	}
}

// or returns *v, or the default where it is not given.
func or[T any](v *T, def T) T {
	if v == nil {
		return def
	}
	return *v
}
