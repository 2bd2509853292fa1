package bench

import (
	"fmt"

	"flowmatch/nn"
)

// halfTrainings are the networks and batches of training steps in mixed precision, whose peers are those of autocast.
var halfTrainings = []struct{ width, depth, batch, most int }{{512, 5, 4096, 60}, {4096, 3, 1024, 10}}

// halfCases train in bfloat16 what other cases train in float32.
func halfCases() (out []Case) {
	o := nn.StepOptions{Precision: nn.BFloat16}
	for _, c := range halfTrainings {
		out = append(out, Case{
			Name: fmt.Sprintf("train bf16 mlp%dx%d B%d", c.width, c.depth, c.batch), Group: "bf16", Unit: "step",
			Most: c.most, flops: trainFLOPS(2, c.width, c.depth, c.batch),
			prepare: trainSteps(2, c.width, c.depth, c.batch, o),
		})
	}
	return append(out, Case{
		Name:  fmt.Sprintf("train bf16 unet%d %dx%d B%d", imageNet.Channels, imageSide, imageSide, imageBatch),
		Group: "bf16", Unit: "call", Most: 100, flops: 3 * float64(imageBatch*imageFLOPS), prepare: imageSteps(o),
	})
}
