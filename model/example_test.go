package model_test

import (
	"context"
	"errors"
	"fmt"

	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
)

// Samples in batches, with their progress, and a stop half-way.
func ExampleModel_Sample() {
	engine, err := nn.Open("")
	check(err)
	net, err := nn.New(engine, nn.Config{Dim: 2, Hidden: []int{16}}, 1) // or one that was trained: model.Open
	check(err)
	m, err := model.New(model.Spec{Path: path.Config{Name: "condot"}, Shape: []int{2}}, net)
	check(err)

	solver := ode.Solver{Method: ode.Midpoint, Control: ode.Fixed(2)}
	o := model.SampleOptions{N: 1000, Seed: 1, Batch: 500, Sampler: model.ODE{Solver: solver}}
	o.Progress = func(done float64, nfe int) { fmt.Printf("%3.0f %%, %d evaluations\n", 100*done, nfe) }
	s, err := m.Sample(context.Background(), o)
	check(err)
	fmt.Println(s.X.N, "samples, each of", s.Stats.NFE, "evaluations")

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	o.Progress = func(done float64, nfe int) {
		if done >= 0.25 {
			cancel() // as Ctrl-C or a button would
		}
	}
	_, err = m.Sample(ctx, o)
	fmt.Println(errors.Is(err, context.Canceled), err)
	// Output:
	//   0 %, 0 evaluations
	//  25 %, 2 evaluations
	//  50 %, 4 evaluations
	//  50 %, 4 evaluations
	//  75 %, 6 evaluations
	// 100 %, 8 evaluations
	// 1000 samples, each of 4 evaluations
	// true ode: stopped at t=0.5 of [0, 1] after 2 evaluations: context canceled
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
