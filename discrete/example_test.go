package discrete_test

import (
	"context"
	"fmt"
	"log"

	"flowmatch/discrete"
)

// A law of two sequences: its samples are these, and the first stays where it is shown.
func ExampleSampler() {
	path, err := discrete.NewMixture(3, discrete.Mask, discrete.Schedule{})
	if err != nil {
		log.Fatal(err)
	}
	data := discrete.Tokens{N: 2, L: 4, X: []int32{0, 1, 2, 0, 2, 1, 0, 2}}
	law, err := discrete.NewLaw(path, data, nil)
	if err != nil {
		log.Fatal(err)
	}
	// A network that learnt the posterior stands in the place of the law.
	s := discrete.Sampler{Path: path, Steps: 50, Seed: 1}
	x := s.Start(1, 4)
	x.X[0], x.Shown = 2, []bool{true, false, false, false}
	stats, err := s.Sample(context.Background(), law, x, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(x.X, stats.NFE)
	// Output: [2 1 0 2] 50
}
