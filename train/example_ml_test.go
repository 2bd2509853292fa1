package train_test

import (
	"context"
	"fmt"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/likelihood"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/train"
)

// A continuous normalizing flow, trained by maximum likelihood: the data are points of
// N(0, 4), whose entropy is log(2) + 1.419 = 2.112 nats.
func ExampleML() {
	x := flow.NewBatch(1000, 1)
	flow.Gaussian{Std: 2}.Sample(x, seed.Rand(1, "example", 0))
	eng, err := nn.Open("")
	if err != nil {
		panic(err)
	}
	net, err := nn.New(eng, nn.Config{Dim: 1, Hidden: []int{16}}, 1)
	if err != nil {
		panic(err)
	}
	m, err := model.New(model.Spec{}, net)
	if err != nil {
		panic(err)
	}
	points := data.Points{X: x}
	objective := train.ML{
		Data: data.Shuffle(points, 1), Seed: 1,
		Solver:      ode.Solver{Method: ode.RK4, Control: ode.Fixed(8)},
		Regularizer: likelihood.Regularizer{Kinetic: 1e-3}, // keeps the paths short
	}
	var last train.Event
	fit := train.Fit{
		Loop:      train.Loop{Steps: 100, Batch: 200, LR: 0.02},
		Optimizer: nn.Optimizer{EMADecay: new(0.9)},
		Held:      points,
		Hooks:     train.Hooks{Event: func(e train.Event) error { last = e; return nil }},
	}
	if _, err = fit.Train(context.Background(), m, objective); err != nil {
		panic(err)
	}
	fmt.Printf("NLL %.1f nats, %.0f evaluations a solve\n", *last.ValLoss, last.NFE)
	// Output:
	// NLL 2.1 nats, 32 evaluations a solve
}
