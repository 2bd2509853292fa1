package train_test

import (
	"context"
	"fmt"

	"flowmatch/data"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
	"flowmatch/train"
)

// Samples of moons in one evaluation of the network.
func ExampleMeanFlow() {
	check := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	set, err := data.Config{Name: "moons"}.Open("", 1)
	check(err)
	engine, err := nn.Open("")
	check(err)
	net, err := nn.New(engine, nn.Config{Dim: set.Dim, Interval: true}, 1)
	check(err)
	trainer, err := net.NewTrainer(nn.Optimizer{})
	check(err)
	objective := train.MeanFlow{CFM: train.CFM{Data: set.Train, Scheduler: path.CondOT{}, Seed: 1}}
	_, err = train.Run(context.Background(), trainer, objective, nil, train.Config{Steps: 100, LR: 5e-3}, train.Progress{}, train.Hooks{})
	check(err)
	net, err = trainer.Net(true)
	check(err)

	m, err := model.New(model.Spec{Path: path.Config{Name: "condot"}, Shape: set.Shape}, net)
	check(err)
	s, err := m.Sample(context.Background(), model.SampleOptions{N: 200, Seed: 2, Intervals: 1})
	check(err)
	fmt.Println(s.X.N, "samples in", s.Stats.NFE, "evaluation")
	// Output: 200 samples in 1 evaluation
}
