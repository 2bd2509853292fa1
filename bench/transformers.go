package bench

import (
	"fmt"

	"flowmatch/nn"
)

// The transformer of the comparison is DiT-S/2 on the latents of images of 256x256.
const (
	latentSide, latentChannels = 32, 4
	latentDim                  = latentSide * latentSide * latentChannels
	latentClasses              = 1000
	latentBatch                = 4
)

// transformerFLOPS is the number of operations in the matrix products of one evaluation for one image: of
// 12 blocks of 256 tokens, 384 wide, those of the linear maps (24·384² a token) and of attention (4·256·384).
const transformerFLOPS = 12 * 256 * (24*384*384 + 4*256*384)

func transformerCases() (out []Case) {
	add := func(what string, batch int, passes float64, prepare func(eng *nn.Engine) (work, error)) {
		out = append(out, Case{Name: fmt.Sprintf("%sDiT-S/2 B%d", what, batch), Group: "transformers", Unit: "call",
			Most: 30, flops: passes * float64(batch) * transformerFLOPS, prepare: prepare})
	}
	add("velocity ", latentBatch, 1, velocityOf(transformer(), "", latentBatch))
	add("train ", latentBatch, 3, func(eng *nn.Engine) (work, error) {
		net, err := nn.New(eng, transformer(), benchSeed)
		if err != nil {
			return nil, err
		}
		return steps(net, noise{latentDim, latentClasses}, latentBatch, nn.StepOptions{})
	})
	return out
}

func transformer() nn.Config {
	return nn.Config{Dim: latentDim, Classes: latentClasses,
		DiT: &nn.DiT{Image: []int{latentSide, latentSide, latentChannels}}}
}
