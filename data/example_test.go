package data_test

import (
	"fmt"

	"flowmatch/data"
	"flowmatch/flow"
)

// The road from a run file's data section to batches and to an exact answer.
func Example() {
	set, err := data.Config{Name: "checkerboard", Standardize: "scalar"}.Open("", 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	x1 := flow.NewBatch(4, set.Dim)
	if err := set.Train.Fill(x1, nil, 1000); err != nil { // batch number 1000, at once
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

// What a flow is told of an image whose middle is missing: each pixel, and 1 where it
// is known.
func ExampleCondition() {
	image := flow.NewBatch(1, 16) // 4x4 pixels, all of the level 191
	for i := range image.X {
		image.X[i] = (191+0.5)/128 - 1
	}
	c, err := data.ConditionConfig{Kind: data.Inpaint, Mask: "center"}.New([]int{4, 4}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	cond := flow.NewBatch(1, c.Dim())
	c.Fill(cond, image, nil)
	for y := range 4 {
		for x := range 4 {
			pixel := cond.X[2*(4*y+x):]
			fmt.Printf("%5.1f/%g", pixel[0], pixel[1])
		}
		fmt.Println()
	}
	// Output:
	//   0.5/1  0.5/1  0.5/1  0.5/1
	//   0.5/1  0.0/0  0.0/0  0.5/1
	//   0.5/1  0.0/0  0.0/0  0.5/1
	//   0.5/1  0.5/1  0.5/1  0.5/1
}
