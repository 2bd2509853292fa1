package classify_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"

	"flowmatch/classify"
	"flowmatch/flow"
	"flowmatch/nn"
)

// Points of N(0, 1) and of N(2, 1) are told apart in Φ(1) = 84 of 100 cases, by the best rule.
func ExampleTwoSample() {
	engine, err := nn.Open("")
	fail(err)
	rng := rand.New(rand.NewPCG(1, 2))
	reference, x := flow.NewBatch(1000, 1), flow.NewBatch(1000, 1)
	flow.Gaussian{}.Sample(reference, rng)
	flow.Gaussian{}.Sample(x, rng)
	same, err := classify.TwoSample(context.Background(), engine, reference, x, classify.C2STOptions{Seed: 1})
	fail(err)
	for i := range x.X {
		x.X[i] += 2
	}
	moved, err := classify.TwoSample(context.Background(), engine, reference, x, classify.C2STOptions{Seed: 1})
	fail(err)
	fmt.Println("one law:", same.Accuracy < 0.55, "- two laws:", moved.Accuracy > 0.8)
	// Output: one law: true - two laws: true
}

// A posterior N(x/2, 1/8), where N(x/2, 1/2) would be right, is too narrow at x = 0.3.
func ExampleNewLocalC2ST() {
	engine, err := nn.Open("")
	fail(err)
	const n = 500
	rng := rand.New(rand.NewPCG(3, 4))
	theta, x, samples, at := flow.NewBatch(n, 1), flow.NewBatch(n, 1), flow.NewBatch(n, 1), flow.NewBatch(n, 1)
	for i := range n {
		theta.X[i] = rng.NormFloat64()
		x.X[i] = theta.X[i] + rng.NormFloat64()
		samples.X[i] = x.X[i]/2 + 0.354*rng.NormFloat64()
		at.X[i] = 0.15 + 0.354*rng.NormFloat64()
	}
	ctx := context.Background()
	test, err := classify.NewLocalC2ST(ctx, engine, theta, x, samples, classify.LocalOptions{Nulls: 19})
	fail(err)
	local, err := test.Test(at, []float64{0.3})
	fail(err)
	fmt.Printf("p = %.2f\n", local.P)
	// Output: p = 0.05
}

func fail(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
