package experiment

import (
	"context"
	"errors"
	"fmt"

	"flowmatch/metrics"
	"flowmatch/model"
	"flowmatch/ode"
	"flowmatch/sde"
)

// samplerNFE are the evaluations of the network that samplers are given.
var samplerNFE = []int{10, 20, 50, 100, 200, 500}

// samplers measures W2 against NFE for solvers of the probability-flow ODE and for
// samplers of the SDEs with the same marginals. Samplers with noise are left out of
// runs whose score is not known.
func samplers(ctx context.Context, c Cell, t trained, r *Result) error {
	test, given, err := t.TestPoints(t.Settings.Samples)
	if err != nil {
		return err
	}
	draw := func(how model.Sampler) (model.Samples, error) {
		return t.Model.Sample(ctx, model.SampleOptions{N: test.N, Seed: c.Seed, Given: given, Sampler: how})
	}
	var errs []error
	record := func(name string, nfe int, s model.Samples, err error) {
		var w2 float64
		if err == nil {
			w2, err = metrics.W2(s.X, test)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s with %d evaluations: %w", name, nfe, err))
			return
		}
		r.add("w2/"+name, float64(s.Stats.NFE), w2)
		r.set(fmt.Sprintf("w2_%d/%s", nfe, name), w2)
	}
	for _, nfe := range samplerNFE {
		for _, m := range []*ode.Tableau{ode.Euler, ode.Heun2} {
			s, err := draw(model.ODE{Solver: ode.Solver{Method: m, Control: ode.Fixed(nfe / m.Stages())}})
			record(m.Name, nfe, s, err)
		}
		for _, name := range sde.Names() {
			steps := nfe
			if name == sde.Heun.String() {
				steps = nfe / 2
			}
			method, err := sde.ByName(name)
			if err != nil {
				return err
			}
			s, err := draw(model.SDE{Sampler: sde.Sampler{Method: method, Steps: steps, Denoise: true}})
			if errors.Is(err, model.ErrNoScore) || errors.Is(err, sde.ErrNonFinite) {
				continue // the latter: a step too long for a stiff drift, no figure
			}
			record(name, nfe, s, err)
		}
	}
	return errors.Join(append(errs, floor(t, test.N, r))...)
}
