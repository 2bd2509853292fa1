package synth

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/seed"
	"flowmatch/manifold"
)

// WrappedName is the law that is on a manifold, and there is on each: see [OnManifold].
const WrappedName = "wrapped"

// wrappedParams are the parameters that it takes.
const wrappedParams = "noise components layout_seed"

// WrappedInfo describes it.
func WrappedInfo() data.Info {
	return data.Info{Name: WrappedName, Params: strings.Fields(wrappedParams),
		Doc: "random mixture of wrapped normal distributions on the space of the run file; components = 5, " +
			"noise = 0.4 = the typical deviation"}
}

// Wrapped is a mixture of wrapped normal distributions on a manifold, whose density is known. Its points are rows of
// the space around the manifold, and densities are with respect to the Riemannian volume.
type Wrapped struct{ Law manifold.Mixture }

// Dim returns D, that of the space around.
func (w Wrapped) Dim() int { return w.Law.Manifold().Ambient() }

// Sample fills x with independent draws.
func (w Wrapped) Sample(x flow.Batch, rng *rand.Rand) {
	checkSample(w.Dim(), x, nil)
	manifold.Source{Law: w.Law}.Sample(x, rng)
}

// LogProb writes log p(x) in nats.
func (w Wrapped) LogProb(logp []float64, x flow.Batch) {
	checkLogProb(w.Dim(), logp, x)
	for i := range x.N {
		logp[i] = w.Law.LogDensity(x.Row(i))
	}
}

// OnManifold returns the law of a name on a manifold, which is [WrappedName]: a random mixture. Its means are uniform
// where the volume is finite, and normal about the origin elsewhere; deviations are uniform between half of noise and
// one and a half times noise, weights in [1/2, 3/2] before they are normalised; all of it from (layout_seed,
// "wrapped").
func OnManifold(name string, p Params, m manifold.Manifold) (data.Distribution, error) {
	if err := choice.Check("synthetic set on a manifold", name, []string{WrappedName}); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	if err := takes(name, wrappedParams, p); err != nil {
		return nil, err
	}
	n, noise := or(p.Components, 5), or(p.Noise, 0.4)
	if n < 1 || n > mostComponents {
		return nil, fmt.Errorf("data: %s: components = %d; want 1 to %d", name, n, mostComponents)
	}
	if !(noise > 0) || math.IsInf(noise, 0) || m.Inside(widest*noise) < leastInside {
		return nil, fmt.Errorf("data: %s: noise = %g; want above 0, and so small that points seldom go around %s", name,
			noise, m)
	}
	rng := seed.Rand(p.LayoutSeed, WrappedName, 0)
	var law manifold.Mixture
	for range n {
		mean := make([]float64, m.Ambient())
		meanOn(m, mean, rng)
		law.Parts = append(law.Parts, manifold.NewNormal(m, mean, noise*(widest-rng.Float64())))
		law.Weights = append(law.Weights, 0.5+rng.Float64())
	}
	return Wrapped{law}, nil
}

// The most components of a law on a manifold, the largest deviation in noise, and the share of draws that must be
// within the cut locus: others are drawn again.
const (
	mostComponents = 10_000
	widest         = 1.5
	leastInside    = 0.05
)

// meanOn draws a mean.
func meanOn(m manifold.Manifold, mean []float64, rng *rand.Rand) {
	if c, ok := manifold.CompactOf(m); ok {
		c.Uniform(mean, rng)
		return
	}
	origin := make([]float64, len(mean))
	m.Origin(origin)
	manifold.NewNormal(m, origin, 1).Draw(mean, rng)
}
