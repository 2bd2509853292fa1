package cli

import (
	"cmp"

	"github.com/spf13/cobra"

	"flowmatch/likelihood"
	"flowmatch/model"
	"flowmatch/ode"
	"flowmatch/run"
	"flowmatch/sde"
)

// sampler returns how the samples are drawn; hold is what is known of them, or nil.
func (f *sampleFlags) sampler(cmd *cobra.Command, r *run.Run, hold *model.Hold) (model.Sampler, error) {
	var guidance *float64
	if cmd.Flags().Changed("guidance") {
		guidance = &f.guidance
	}
	if f.noisy() {
		s, err := f.sde(cmd, r.Config.Eval.Solve.Defaults().MaxNFE)
		return model.SDE{Sampler: s, Guidance: guidance, GuidanceInterval: f.guidanceInterval(),
			GuidanceRescale: f.rescale}, err
	}
	s := r.Config.Eval
	if f.logp {
		solver, err := s.DensitySolver()
		if err != nil {
			return nil, err
		}
		var div likelihood.Divergence
		div, err = s.DivergenceFor(r.Model.Dim(), f.seed)
		return model.Density{Solver: solver, Divergence: div}, err
	}
	how, err := s.Sampler()
	if o, ok := how.(model.ODE); ok {
		o.Guidance, o.Hold = guidance, hold
		o.GuidanceInterval, o.GuidanceRescale = f.guidanceInterval(), f.rescale
		how = o
	}
	return how, err
}

// guidanceInterval returns the times between which there is guidance; nil: at all.
func (f *sampleFlags) guidanceInterval() *[2]float64 {
	if f.interval == nil {
		return nil
	}
	return (*[2]float64)(f.interval)
}

// sdeSteps is the number of steps of a sampler with noise where --steps is not given.
const sdeSteps = 100

// sde returns the sampler with noise, of no more evaluations than the run allows. Its last
// step is without noise, as is usual; see
// sde.Sampler.Denoise.
func (f *sampleFlags) sde(cmd *cobra.Command, maxNFE int) (s sde.Sampler, err error) {
	s = sde.Sampler{Steps: cmp.Or(f.steps, sdeSteps), Eta: f.eta, Denoise: true, MaxNFE: maxNFE}
	if grid := (ode.Config{Steps: f.steps, TimeGrid: f.over(cmd, nil)}); grid.TimeGrid != nil {
		if s.Spaced, err = grid.Spaced(sdeSteps); err != nil {
			return s, usageError{err}
		}
		if s.Spaced.Shares != nil {
			s.Steps = 0
		}
	}
	if s.Method, err = sde.ByName(f.solver); err != nil {
		return s, usageError{err}
	}
	if f.diffusion != "" {
		if s.Diffusion, err = sde.ParseDiffusion(f.diffusion); err != nil {
			return s, usageError{err}
		}
	}
	if err := s.Validate(); err != nil {
		return s, usageError{err}
	}
	return s, nil
}
