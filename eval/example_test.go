package eval_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"

	"flowmatch/data"
	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
	"flowmatch/train"
)

// A model of points of one's own, evaluated without a run's folder.
func Example() {
	ctx := context.Background()
	// Points of N(0, 4): 1000 to train on and 200 held out.
	law, x := flow.Gaussian{Std: 2}, flow.NewBatch(1200, 1)
	law.Sample(x, rand.New(rand.NewPCG(1, 2)))
	points, held := data.Points{X: x.Slice(0, 1000)}, data.Points{X: x.Slice(1000, 1200)}

	engine, err := nn.Open("")
	check(err)
	net, err := nn.New(engine, nn.Config{Dim: 1, Hidden: []int{16, 16}}, 1)
	check(err)
	m, err := model.New(model.Spec{Path: path.Config{Name: "condot"}}, net)
	check(err)
	fit := train.Fit{Loop: train.Loop{Steps: 500, Batch: 200, LR: 1e-2}}
	m, err = fit.Train(ctx, m, train.CFM{Data: data.Shuffle(points, 1), Seed: 1})
	check(err)

	// Density may be left out; with it the report says how far from it the model is.
	set := &data.Set{Name: "mine", Dim: 1, Test: held, Density: law}
	report, err := eval.Subject{Model: m, Set: set, Seed: 1}.Report(ctx)
	check(err)
	likelihood, samples := report.Likelihood, report.Samples
	fmt.Println("likelihood of", likelihood.Points, "points; close to the best:", *likelihood.Gap < 0.1)
	fmt.Println("samples as many as", samples.Points, "points; close to the data:", *samples.W2 < 0.5)
	// Output:
	// likelihood of 200 points; close to the best: true
	// samples as many as 200 points; close to the data: true
}

// The log-densities of points, and what a model is given of them.
func ExampleSubject_LogProb() {
	engine, err := nn.Open("")
	check(err)
	net, err := nn.New(engine, nn.Config{Dim: 2, Hidden: []int{8}, Classes: 3}, 1)
	check(err)
	m, err := model.New(model.Spec{Path: path.Config{Name: "condot"}}, net)
	check(err)

	subject := eval.Subject{Model: m}                  // no data: the points are given
	classes := flow.Given{Label: []int32{0, 1, 2, -1}} // -1: none
	logp, how, err := subject.LogProb(context.Background(), flow.NewBatch(4, 2), classes)
	check(err)
	fmt.Println(len(logp), "log-densities; the divergence is", how.Divergence)
	// Output: 4 log-densities; the divergence is exact
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
