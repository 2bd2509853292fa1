package simulator_test

import (
	"fmt"
	"log"

	"flowmatch/data/simulator"
	"flowmatch/flow"
)

// Simulations to learn a posterior from: θ of the prior, and x given θ.
func Example() {
	s, err := simulator.ByName("lotka_volterra")
	if err != nil {
		log.Fatal(err)
	}
	theta, x := flow.NewBatch(1000, len(s.Params)), flow.NewBatch(1000, len(s.Data))
	const seed, first = 0, 0
	if err := s.Draw(theta, x, seed, first); err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Params, x.N, "simulations of", x.D, "numbers each")
	fmt.Printf("%.2f -> %.1f ...\n", theta.Row(0), x.Row(0)[:4])
	// Output:
	// [alpha beta gamma delta] 1000 simulations of 20 numbers each
	// [0.83 0.05 0.77 0.05] -> [32.8 36.9 0.8 1.1] ...
}
