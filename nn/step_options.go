package nn

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas

	"flowmatch/internal/choice"
)

// StepOptions say how a training step saves time and memory. They are no part of the
// network: one that was trained under some can be used, or trained further, under any
// others. The zero StepOptions save nothing: one pass over the batch in float32.
type StepOptions struct {
	// Precision is float32 (default) or bf16, mixed precision (Micikevicius et al.
	// 2018, arXiv:1710.03740, with bfloat16 for their float16, which needs no scaling
	// of the loss): products and convolutions of a step, forward and back, take
	// bfloat16 and sum in float32. Weights, their gradients, optimizer and EMA, norms,
	// softmax, embeddings of time and the loss stay float32, and so do layers with
	// fewer than 16 channels on a side: the points that come in, the velocity that
	// goes out.
	//
	// Weights and activations then have 8 bits of precision in products. On the native
	// engine that pays on Intel's CPUs with AMX (Sapphire Rapids and later, on Linux): a step of a
	// perceptron of 512x5 units on 4096 points took about 0.35 of the time of float32 on one core, of a UNet
	// of 32 channels on 64 digits 0.65; and on AMD's with AVX512-BF16 (Zen 4): 65 ms instead of 144,
	// and 0.28 s instead of 0.45. Elsewhere, also on Intel's with AVX512-BF16 alone, operands
	// are rounded for nothing, and steps are slower than in float32: a training says so.
	Precision Precision `yaml:"precision,omitempty" json:"precision,omitempty"`
	// Accumulate is k, the parts in which a batch goes through the network; their
	// gradients are summed in the engine before the one update. 0 and 1: one part. The
	// result is that of one part but for the order of sums; a remainder is a smaller
	// part, and a program of its own. An engine that keeps all of a batch's
	// activations (go, xla) needs 1/k of their memory: 1265 MiB became 882 for that UNet
	// on xla, k = 4, compiler included. The native engine takes any batch in tiles of a
	// few images for each core (93 MiB), and saves nothing: it keeps one more slab.
	Accumulate int `yaml:"accumulate,omitempty" json:"accumulate,omitempty"`
	// Recompute keeps only what goes in and out of a network's blocks (a UNet's
	// residual block with its attention, a perceptron's layer) for the backward pass, and
	// computes the rest of a block again there (Chen et al. 2016, arXiv:1604.06174). On
	// the native engine an image's activations in that UNet take half the memory, for a
	// twentieth more time; the whole process, where weights and gradients are most of
	// it, 86 MiB instead of 93, on xla 1111 instead of 1265. A perceptron's step, whose
	// activations are few, takes a third more time and saves nothing.
	Recompute bool `yaml:"recompute,omitempty" json:"recompute,omitempty"`
	// Devices is the number of devices of the engine that share a batch: each holds the
	// state, computes the gradient of its part of the examples, and takes the step with
	// the mean of all. 0 and 1: one. Only xla has more than one; see [Open]. The number
	// must divide the examples of every kind (Loss.Rows, and the rest) of every part.
	Devices int `yaml:"devices,omitempty" json:"devices,omitempty"`
}

// Precision is the type of numbers in products.
type Precision string

// The precisions; empty is Float32.
const (
	Float32  Precision = "float32"
	BFloat16 Precision = "bf16"
)

// Precisions returns the names that StepOptions.Precision takes.
func Precisions() []string { return []string{string(Float32), string(BFloat16)} }

// Validate reports the first field that cannot be used.
func (o StepOptions) Validate() error {
	if o.Precision != "" {
		if err := choice.Check("precision", string(o.Precision), Precisions()); err != nil {
			return fmt.Errorf("nn: %w", err)
		}
	}
	if o.Accumulate < 0 {
		return fmt.Errorf("nn: accumulate is %d; it must not be negative", o.Accumulate)
	}
	if o.Devices < 0 {
		return fmt.Errorf("nn: devices is %d; it must not be negative", o.Devices)
	}
	return nil
}

// narrow is the number of channels below which a layer stays float32: rounding it
// would save no time, and cost the precision of the points and velocities.
const narrow = 16

// cast returns the tensors of a layout as products take them. Gradients come back
// through it in float32.
func (o StepOptions) cast(p []*Node) []*Node {
	if o.Precision != BFloat16 {
		return p
	}
	out := make([]*Node, len(p))
	for i, w := range p {
		out[i] = w
		if !isNarrow(w.Shape().Dimensions) {
			out[i] = ConvertDType(w, dtypes.BFloat16)
		}
	}
	return out
}

// as returns x in the type of w, which it is multiplied with.
func as(w, x *Node) *Node { return ConvertDType(x, w.DType()) }

// wide returns a product in float32.
func wide(y *Node) *Node { return ConvertDType(y, dtypes.Float32) }

// again says whether what is cheap is to be computed again in the backward pass, of a network with such weights. Other
// engines choose for themselves, and what is recomputed in whole blocks need not be besides.
func (at input) again(w *Node) bool {
	return !at.recompute && !at.twice && w.DType() == dtypes.Float32 && hasAttention(w.Graph().Backend())
}

// block runs a block of the network. Where a step recomputes, only the block's result
// is kept.
func (at input) block(f func(in ...*Node) *Node, in ...*Node) *Node {
	if !at.recompute {
		return f(in...)
	}
	kept := make([]*Node, len(in))
	for i, x := range in {
		kept[i] = x.Checkpoint()
	}
	return f(kept...).StopCheckpoint()
}
