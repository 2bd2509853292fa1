package flowmatch_test

import (
	"context"
	"fmt"
	"log"

	"flowmatch/data/dataset"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/train"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// From data to samples and their log-densities.
func Example() {
	ctx := context.Background()
	set, err := dataset.Config{Name: "moons"}.Open("", 1)
	check(err)
	engine, err := nn.Open("") // our own, in pure Go; "xla" for XLA
	check(err)
	net, err := nn.New(engine, nn.Config{Dim: set.Dim}, 1)
	check(err)

	// The model comes first: it says what the network predicts, along which path.
	m, err := model.New(model.Spec{Path: path.Config{Name: "condot"}}, net)
	check(err)
	cfm := train.CFM{Data: set.Train, Seed: 1} // equation 9
	m, err = train.Fit{Loop: train.Loop{Steps: 200, LR: 5e-3}}.Train(ctx, m, cfm)
	check(err)

	solver := ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-5, ATol: 1e-5}}
	s, err := m.Sample(ctx, model.SampleOptions{N: 200, Seed: 2, Sampler: model.Density{Solver: solver}})
	check(err)
	logp, _, err := m.LogProb(ctx, s.X, model.LikelihoodOptions{Solver: solver})
	check(err)
	fmt.Printf("%d points in %d dimensions; log p by two roads agrees: %v\n",
		s.X.N, s.X.D, max(logp[0]-s.LogP[0], s.LogP[0]-logp[0]) < 1e-3)
	// Output: 200 points in 2 dimensions; log p by two roads agrees: true
}
