package train_test

import (
	"context"
	"fmt"

	"flowmatch/data/dataset"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/train"
)

// Samples of moons in one evaluation of the network.
func ExampleMeanFlow() {
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	set, err := dataset.Config{Name: "moons"}.Open("", 1)
	check(err)
	engine, err := nn.Open("")
	check(err)
	net, err := nn.New(engine, nn.Config{Dim: set.Dim, Average: true}, 1)
	check(err)
	m, err := model.New(model.Spec{}, net)
	check(err)

	objective := train.MeanFlow{CFM: train.CFM{Data: set.Train, Seed: 1}}
	fit := train.Fit{Loop: train.Loop{Steps: 100, LR: 5e-3}}
	m, err = fit.Train(context.Background(), m, objective)
	check(err)
	s, err := m.Sample(context.Background(), model.SampleOptions{N: 200, Seed: 2, Sampler: model.Average{Steps: 1}})
	check(err)
	fmt.Println(s.X.N, "samples in", s.Stats.NFE, "evaluation")
	// Output: 200 samples in 1 evaluation
}
