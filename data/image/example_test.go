package image_test

import (
	"fmt"

	"flowmatch/data/image"
	"flowmatch/flow"
)

// What a flow is given of an image whose middle is missing: each pixel, and 1 where it
// is known.
func ExampleCondition() {
	pixels := flow.NewBatch(1, 16) // 4x4 pixels, all of the level 191
	for i := range pixels.X {
		pixels.X[i] = (191+0.5)/128 - 1
	}
	c, err := image.ConditionConfig{Kind: image.Inpaint, Mask: "center"}.New([]int{4, 4}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	context := flow.NewBatch(1, c.Dim())
	if err := c.Fill(context, pixels, nil); err != nil {
		fmt.Println(err)
		return
	}
	for y := range 4 {
		for x := range 4 {
			pixel := context.X[2*(4*y+x):]
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
