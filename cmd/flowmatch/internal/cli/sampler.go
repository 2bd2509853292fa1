package cli

import (
	"github.com/spf13/cobra"

	"flowmatch/likelihood"
	"flowmatch/model"
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

// sde returns the sampler with noise, of no more evaluations than the run allows.
func (f *sampleFlags) sde(cmd *cobra.Command, maxNFE int) (s sde.Sampler, err error) {
	s, err = sde.Config{Method: f.solver, Steps: f.steps, TimeGrid: f.over(cmd, nil), Eta: f.eta,
		Diffusion: f.diffusion, MaxNFE: maxNFE}.Sampler()
	if err != nil {
		return s, usageError{err}
	}
	return s, nil
}
