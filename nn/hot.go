package nn

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// hotExact is the number up to which float32 has every whole number.
const hotExact = 1 << 24

// hot is 1 at the place of each whole number of x among depth places, and 0 elsewhere; all are 0 where x is none of
// them, such as -1. It compares floats, which engines compile. OneHot compares integers, which the native one does not.
func hot(x *Node, depth int, typ dtypes.DType) *Node {
	if depth > hotExact {
		return OneHot(x, depth, typ)
	}
	dims := make([]int, x.Rank()+1)
	for i := range dims {
		dims[i] = 1
	}
	dims[x.Rank()] = depth
	places := Iota(x.Graph(), shapes.Make(dtypes.Float32, dims...), x.Rank())
	return ConvertDType(Equal(InsertAxes(ConvertDType(x, dtypes.Float32), -1), places), typ)
}
