package calibration_test

import (
	"fmt"
	"log"
	"math"
	"math/rand/v2"

	"flowmatch/calibration"
	"flowmatch/flow"
)

// A parameter of N(0, 1), observed with noise of the same law: its posterior is N(x/2, 1/2).
// One that is too narrow by a third is found out.
func Example() {
	rng := rand.New(rand.NewPCG(1, 2))
	const n, l = 500, 100
	for _, width := range []float64{1, 0.67} {
		truth, samples := flow.NewBatch(n, 1), flow.NewBatch(n*l, 1)
		for i := range n {
			truth.X[i] = rng.NormFloat64()
			x := truth.X[i] + rng.NormFloat64()
			for j := range l {
				samples.X[i*l+j] = x/2 + width*math.Sqrt(0.5)*rng.NormFloat64()
			}
		}
		ranks, err := calibration.SBC(truth, samples, rng)
		check(err)
		u, err := ranks.Uniformity(0, 0)
		check(err)
		c, err := calibration.TARP(truth, samples, calibration.References(truth, rng), rng)
		check(err)
		fmt.Printf("width %.2f: ranks uniform: %t; too narrow: %t\n", width, u.KSP > 0.01, c.ATC < -3*c.ATCErr)
	}
	// Output:
	// width 1.00: ranks uniform: true; too narrow: false
	// width 0.67: ranks uniform: false; too narrow: true
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
