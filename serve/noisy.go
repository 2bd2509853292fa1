package serve

import (
	"cmp"

	"flowmatch/client"
	"flowmatch/model"
	"flowmatch/sde"
	"flowmatch/timegrid"
)

// This file has samplers with noise.

// noisyOf returns a sampler with noise, which a request names.
func noisyOf(r *served, b client.SampleRequest, mostNFE int) (model.Sampler, error) {
	for _, k := range []struct {
		name string
		is   bool
		why  string
	}{
		{"rtol", b.RTol != nil, "has given steps and no tolerance; give steps"},
		{"atol", b.ATol != nil, "has given steps and no tolerance; give steps"},
		{"logp", b.LogP, "adds noise, so that its samples have no log-density; choose a solver of the ODE"},
	} {
		if k.is {
			return nil, invalid("%s: %s %s", k.name, b.Solver, k.why)
		}
	}
	if b.Guidance != nil && r.Config.Train.LabelDropout == 0 {
		return nil, invalid(notGuided)
	}
	if err := checkGuidance(b); err != nil {
		return nil, err
	}
	s, err := sde.Config{Method: b.Solver, Steps: b.Steps, TimeGrid: (*timegrid.Config)(b.TimeGrid), Eta: b.Eta,
		Diffusion: b.Diffusion, MaxNFE: min(cmp.Or(r.Config.Eval.Solve.MaxNFE, mostNFE), mostNFE)}.Sampler()
	if err != nil {
		return nil, invalid("solver: %s", spoken(err))
	}
	how := model.SDE{Sampler: s, Guidance: b.Guidance, GuidanceRescale: b.GuidanceRescale}
	if b.GuidanceInterval != nil {
		how.GuidanceInterval = (*[2]float64)(b.GuidanceInterval)
	}
	return how, nil
}

// named is a sampler of points of several jobs: noise is that of each point's seed and number.
func named(how model.Sampler, of []origin) model.Sampler {
	noisy, ok := how.(model.SDE)
	if !ok {
		return how
	}
	noisy.Sampler.Of = make([]sde.Row, len(of))
	for i, o := range of {
		noisy.Sampler.Of[i] = sde.Row{Seed: o.job.seed, Number: uint64(o.number)}
	}
	return noisy
}
