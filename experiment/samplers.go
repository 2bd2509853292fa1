package experiment

import (
	"context"
	"errors"
	"fmt"

	"flowmatch/metrics"
	"flowmatch/model"
	"flowmatch/ode"
	"flowmatch/run"
	"flowmatch/sde"
)

// samplerNFE are the evaluations of the network that samplers are given.
var samplerNFE = []int{10, 20, 50, 100, 200, 500}

// samplers measures W2 against NFE for solvers of the probability-flow ODE and for
// samplers of the SDEs with the same marginals. Samplers with noise are left out of
// runs whose field does not tell the score.
func samplers(ctx context.Context, c Cell, t *run.Run, r *Result) error {
	test, label := t.TestPoints(t.Config.Eval.Samples)
	cond := t.ConditionOf(test)
	record := func(name string, nfe int, s model.Samples, err error) error {
		if err != nil {
			return fmt.Errorf("%s with %d evaluations: %w", name, nfe, err)
		}
		w2, err := metrics.W2(s.X, test)
		r.add("w2/"+name, float64(s.Stats.NFE), w2)
		r.set(fmt.Sprintf("w2_%d/%s", nfe, name), w2)
		return err
	}
	for _, nfe := range samplerNFE {
		for _, m := range []*ode.Tableau{ode.Euler, ode.Heun2} {
			s, err := t.Model.Sample(ctx, model.SampleOptions{N: test.N, Seed: c.Seed, Label: label, Cond: cond,
				Solver: ode.Solver{Method: m, Control: ode.Fixed(nfe / m.Stages())}})
			if err := record(m.Name, nfe, s, err); err != nil {
				return err
			}
		}
		for _, name := range sde.Names() {
			steps := nfe
			if name == sde.Heun.String() {
				steps = nfe / 2
			}
			how, err := t.Config.SDESampler(run.Stochastic{Method: name, Steps: steps, Seed: c.Seed})
			if errors.Is(err, run.ErrNoScore) {
				continue
			}
			if err != nil {
				return err
			}
			s, err := t.Model.SampleSDE(ctx, model.SDEOptions{N: test.N, Label: label, Cond: cond, Sampler: how})
			if errors.Is(err, sde.ErrNonFinite) {
				continue // a step too long for a stiff drift: no figure
			}
			if err := record(name, nfe, s, err); err != nil {
				return err
			}
		}
	}
	return floor(t, test.N, r)
}
