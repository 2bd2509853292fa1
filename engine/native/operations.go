package native

import (
	"slices"
	"sort"
)

// otherOps are the operations that are compiled besides those of the tables of
// lower.go.
var otherOps = []string{
	"Parameter", "Constant", "Identity", "OptimizationBarrier", "SchedulingBarrier", "Where", "Clamp", "ConvertDType",
	"Reshape", "BroadcastInDim", "Slice", "Transpose", "Reverse", "Concatenate", "Pad", "Dot", "DotGeneral",
	"ConvGeneral", "FusedSoftmax", "FusedGelu", "FusedLayerNorm", "FusedDense", "FusedAttentionQKVProjection",
	"FusedScaledDotProductAttention", "FusedScaledDotProductAttentionVJP",
}

// Operations returns the operations that the engine compiles, for floats, bfloat16
// and truth values, and those that run on GoMLX's Go backend, one by one.
func (b *Backend) Operations() (compiled, fallBack []string) {
	ours := map[string]bool{}
	for _, op := range otherOps {
		ours[op] = true
	}
	for op := range unaryOps {
		ours[op] = true
	}
	for op := range binaryOps {
		ours[op] = true
	}
	for op := range reduceOps {
		ours[op] = true
	}
	for op, has := range b.Capabilities().Operations {
		switch name := op.String(); {
		case !has:
		case ours[name]:
			compiled = append(compiled, name)
		default:
			fallBack = append(fallBack, name)
		}
	}
	sort.Strings(compiled)
	sort.Strings(fallBack)
	return slices.Compact(compiled), slices.Compact(fallBack)
}
