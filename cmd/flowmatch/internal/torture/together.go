package main

import (
	"context"
	"path/filepath"
	"slices"
	"sync"

	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/ode"
	"flowmatch/run"
)

// shareModel has many goroutines use one model at once: each gets what it gets alone.
func shareModel(t *torturer, r *report) {
	r.what = "uses of one model by 16 goroutines"
	file, dir := t.writeText(r, "run.yaml", runFile), filepath.Join(t.dir, "shared")
	if e, err := t.start(trainArgs(file, dir, []string{"train.steps=50"})...); err != nil || e.code != 0 {
		r.fault("exit code %d, %v: %.300s", e.code, err, e.stderr)
		return
	}
	opened, err := run.Open(dir, "")
	if err != nil {
		r.fault("%v", err)
		return
	}
	solver := ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-4, ATol: 1e-4}}
	use := func(seed uint64) ([]float64, error) {
		s, err := opened.Model.Sample(context.Background(),
			model.SampleOptions{N: 50, Seed: seed, Sampler: model.Density{Solver: solver}})
		if err != nil {
			return nil, err
		}
		x := flow.Batch{N: s.X.N, D: s.X.D, X: s.X.X}
		logp, _, err := opened.Model.LogProb(context.Background(), x, model.LikelihoodOptions{Solver: solver})
		return append(append(slices.Clone(s.X.X), s.LogP...), logp...), err
	}
	const together = 16
	alone := make([][]float64, together)
	for k := range alone {
		if alone[k], err = use(uint64(k)); err != nil {
			r.fault("%v", err)
			return
		}
	}
	rounds := t.often(3, 50)
	r.tried = together * rounds
	for range rounds {
		got, errs := make([][]float64, together), make([]error, together)
		var all sync.WaitGroup
		for k := range together {
			all.Go(func() { got[k], errs[k] = use(uint64(k)) })
		}
		all.Wait()
		for k := range together {
			if errs[k] != nil || !slices.Equal(got[k], alone[k]) {
				r.fault("goroutine %d gets other numbers than alone (%v)", k, errs[k])
			}
		}
	}
}
