package synth

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"flowmatch/data"
	"flowmatch/flow"
)

// SourceConfig names a law as the distribution that a flow starts from,
// in model units. An empty Name means the standard one, N(0, I).
type SourceConfig struct {
	// Name is a synthetic set; left out, the flow starts from N(0, I).
	Name   string `json:"name,omitempty" yaml:"name,omitempty"`
	Params `yaml:",inline"`
}

// Validate reports what New would.
func (c SourceConfig) Validate() error { _, err := c.New(); return err }

// New makes the source; nil when no name is given.
func (c SourceConfig) New() (flow.Source, error) {
	if c.Name == "" {
		if set := SetParams(c.Params); len(set) > 0 {
			return nil, fmt.Errorf("data: source: %s is set without a name", set[0])
		}
		return nil, nil
	}
	d, err := ByName(c.Name, c.Params)
	if err != nil {
		return nil, fmt.Errorf("data: source: %w", inSource{err})
	}
	return AsSource(d)
}

// inSource is an error of a law as one of the source: it has its room before it already.
type inSource struct{ error }

func (e inSource) Error() string { return strings.TrimPrefix(e.error.Error(), "data: ") }

func (e inSource) Unwrap() error { return e.error }

// AsSource returns a distribution as the source of a flow. It must have a density,
// for likelihoods start from it.
func AsSource(d data.Distribution) (flow.Source, error) {
	p, ok := d.(data.LogProber)
	if !ok {
		return nil, fmt.Errorf("data: source: %T has no density; give it a noise above 0", d)
	}
	return Source{d, p}, nil
}

// Source is a [data.Distribution] as a [flow.Source].
type Source struct {
	data.Distribution
	density data.LogProber
}

// Sample fills x with independent draws.
func (s Source) Sample(x flow.Batch, rng *rand.Rand) { s.Distribution.Sample(x, rng) }

// LogProb writes log p_0 of each point, in nats, into logp (length x.N).
func (s Source) LogProb(logp []float64, x flow.Batch) { s.density.LogProb(logp, x) }
