package flowmatch_test

import (
	"context"
	"fmt"
	"log"

	"flowmatch/data"
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
	set, err := data.Config{Name: "moons"}.Open("", 1)
	check(err)
	engine, err := nn.Open("") // pure Go; "xla" for XLA
	check(err)
	net, err := nn.New(engine, nn.Config{Dim: set.Dim}, 1)
	check(err)

	trainer, err := net.NewTrainer(nn.Optimizer{})
	check(err)
	cfm := train.CFM{Data: set.Train, Scheduler: path.CondOT{}, Seed: 1} // equation 9
	_, err = train.Run(ctx, trainer, cfm, nil, train.Config{Steps: 200, LR: 5e-3}, train.Progress{}, train.Hooks{})
	check(err)
	net, err = trainer.Net(true) // the averaged weights
	check(err)

	m, err := model.New(model.Spec{Path: path.Config{Name: "condot"}, Shape: set.Shape}, net)
	check(err)
	solver := ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-5, ATol: 1e-5}}
	s, err := m.Sample(ctx, model.SampleOptions{N: 200, Seed: 2, Solver: solver, LogProb: true})
	check(err)
	logp, _, err := m.LogProb(ctx, s.X, model.LikelihoodOptions{Solver: solver})
	check(err)
	fmt.Printf("%d points in %d dimensions; log p by two roads agrees: %v\n",
		s.X.N, s.X.D, max(logp[0]-s.LogP[0], s.LogP[0]-logp[0]) < 1e-3)
	// Output: 200 points in 2 dimensions; log p by two roads agrees: true
}
