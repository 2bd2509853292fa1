package dataset_test

import (
	"fmt"

	"flowmatch/data/dataset"
	"flowmatch/flow"
)

// The road from a run file's data section to batches and to an exact answer.
func Example() {
	set, err := dataset.Config{Name: "checkerboard", Standardize: "scalar"}.Open("", 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	x1 := flow.NewBatch(4, set.Dim)
	if err := set.Train.Fill(x1, flow.Given{}, 1000); err != nil { // batch number 1000, at once
		fmt.Println(err)
		return
	}
	logp := make([]float64, x1.N)
	set.Density.LogProb(logp, x1)
	best, _ := set.OptimalNLL()
	fmt.Printf("-log p of a training point, original units: %.4f nats\n", -logp[0]+set.LogDet())
	fmt.Printf("no model averages below:                    %.4f nats\n", best+set.LogDet())
	// Output:
	// -log p of a training point, original units: 3.4657 nats
	// no model averages below:                    3.4657 nats
}
