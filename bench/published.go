package bench

import (
	"fmt"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/nn"
)

// The UNet of torchcfm's example of CIFAR-10: 35.7 million weights.
const cifarDim = 32 * 32 * 3

// cifarFLOPS is the number of operations in the convolutions and matrix products of one evaluation for one image, as
// PyTorch counts them.
const cifarFLOPS = 12_443_713_536

// velocityBatches are those that velocities of the networks of others are timed at.
var velocityBatches = []int{1, 16}

// precisions are those of weights that velocities are timed with, and what the names of cases have of them.
var precisions = []struct {
	nn.Precision
	name string
}{{"", ""}, {nn.BFloat16, "bf16 "}}

// cifarNet describes the UNet: the network has no dropout when it is evaluated.
func cifarNet() nn.Config {
	return nn.Config{Dim: cifarDim, UNet: &nn.UNet{Image: []int{32, 32, 3}, Channels: 128, Mult: []int{1, 2, 2, 2},
		Blocks: 2, Attention: []int{16}, HeadChannels: 64, Embedding: "add", GroupChannels: 1,
		Time: &nn.TimeFeatures{Scale: 1}}}
}

func publishedCases() (out []Case) {
	for _, n := range []struct {
		name  string
		net   nn.Config
		flops float64
	}{{"cifar-unet", cifarNet(), cifarFLOPS}, {"DiT-S/2", transformer(), transformerFLOPS}} {
		for _, p := range precisions {
			for _, batch := range velocityBatches {
				out = append(out, Case{Name: fmt.Sprintf("velocity %s%s B%d", p.name, n.name, batch),
					Group: "published", Unit: "call", Most: 30, flops: float64(batch) * n.flops,
					prepare: velocityOf(n.net, p.Precision, batch)})
			}
		}
	}
	return out
}

// velocityOf evaluates the field of a network with weights held in a precision; a unit is one evaluation for the
// whole batch.
func velocityOf(c nn.Config, p nn.Precision, batch int) func(eng *nn.Engine) (work, error) {
	return func(eng *nn.Engine) (work, error) {
		held, err := eng.Holding(p)
		if err != nil {
			return nil, err
		}
		rng := seed.Rand(benchSeed, "bench/weights", 0)
		net, err := nn.Restore(held, c, func(_ string, shape []int) ([]float32, error) {
			numbers := make([]float32, nn.Tensor{Shape: shape}.Size())
			for i := range numbers {
				numbers[i] = float32(0.02 * rng.NormFloat64())
			}
			return numbers, nil
		})
		if err != nil {
			return nil, err
		}
		given := flow.Given{}
		if c.Classes > 0 {
			given.Label = []int32{3}
		}
		return velocities(net, given, c.Dim, batch)
	}
}
