package sde

import (
	"cmp"
	"fmt"

	"flowmatch/ode"
	"flowmatch/timegrid"
)

// DefaultSteps is the number of steps of a [Config] that names none.
const DefaultSteps = 100

// Config is a sampler as flags and requests name it. A zero field is not set.
type Config struct {
	Method string // one of [Names]
	// Steps are those of the sampler; 0: as many as TimeGrid has or, without one, [DefaultSteps].
	Steps     int
	TimeGrid  *timegrid.Config // where the steps lie; nil: they are equal
	Eta       float64          // share of the ancestral noise, of ddim
	Diffusion string           // of the SDEs, as [ParseDiffusion] reads it; empty: own
	MaxNFE    int              // 0: no bound
}

// Sampler returns the sampler. Its last step is without noise, as is usual: see [Sampler.Denoise].
func (c Config) Sampler() (s Sampler, err error) {
	s = Sampler{Steps: cmp.Or(c.Steps, DefaultSteps), Eta: c.Eta, Denoise: true, MaxNFE: c.MaxNFE}
	if s.Method, err = ByName(c.Method); err != nil {
		return s, err
	}
	if c.TimeGrid != nil {
		if s.Spaced, err = (ode.Config{Steps: c.Steps, TimeGrid: c.TimeGrid}).Spaced(DefaultSteps); err != nil {
			return s, fmt.Errorf("sde: %w: %w", ErrInvalid, err)
		}
		if s.Spaced.Shares != nil {
			s.Steps = 0
		}
	}
	if c.Diffusion != "" {
		if s.Diffusion, err = ParseDiffusion(c.Diffusion); err != nil {
			return s, err
		}
	}
	return s, s.Validate()
}
