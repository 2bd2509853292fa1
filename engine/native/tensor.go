package native

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"flowmatch/engine/native/kernel"
)

// kind says what a tensor is made by. All of a program's tensors are of these few.
type kind uint8

const (
	kindParam    kind = iota // an argument of the program
	kindConst                // known when compiling
	kindShadow               // results of an operation of the shadow backend
	kindOut                  // one of the results of a kindShadow
	kindUnary                // element-wise
	kindBinary               // element-wise
	kindSelect               // element-wise: in[0] != 0 ? in[1] : in[2]
	kindMulAdd               // element-wise: in[0]·in[1] + in[2]
	kindReshape              // the same numbers in the same order
	kindMove                 // out[i] = in[offset + Σ i_k·stride_k]: broadcast, slice, transposition, reversal
	kindPad                  // in[0] inside of a constant frame
	kindConcat               // inputs side by side along an axis
	kindReduce               // over one axis
	kindDot                  // product of matrices
	kindConv                 // convolution of images
	kindConvGrad             // gradient of a convolution with respect to its weights
	kindAttend               // attention, or its gradient
	kindPack                 // weights in the order in which products read them
	kindTotal                // sum of what the parts of a region have accumulated
	kindAfter                // in[0], for what is not to be done before the others are made
)

var kindNames = [...]string{"param", "const", "shadow", "out", "unary", "binary", "select", "muladd", "reshape",
	"move", "pad",
	"concat", "reduce", "dot", "conv", "convgrad", "attend", "pack", "total", "after"}

// tensor is a node of the program that is compiled: what it is made of and how,
// and, later, where and when.
type tensor struct {
	id   int
	kind kind
	in   []*tensor
	dims []int
	bool bool // truth values; as floats 1 and 0 inside of regions
	half bool // floats that bfloat16 has; they lie in two bytes only where typ says so
	typ  dtypes.DType

	op     int         // kernel.UnaryOp, kernel.BinaryOp or reduceOp; index of kindParam and kindOut
	axis   int         // of kindConcat and kindReduce
	move   move        // of kindMove
	pads   []int       // of kindPad: what comes before, for each axis
	value  float32     // of a kindConst of one element, and the frame of a kindPad
	data   []float32   // of a kindConst of floats
	dot    *dot        // of kindDot
	conv   *conv       // of kindConv and kindConvGrad
	attend *attend     // of kindAttend
	packs  *tensor     // of a kindConv that packs its weights itself: the kindPack in the place of in[1]
	shadow *shadowCall // of kindShadow
	buf    *buffer     // of a kindConst

	placement
}

// move is how a kindMove reads its input.
type move struct {
	offset  int
	strides []int // in elements, one for each axis of the result; may be 0 or negative
}

type reduceOp int

const (
	reduceSum reduceOp = iota
	reduceMax
	reduceMin
	reduceProd
)

// size is the number of elements.
func size(dims []int) int {
	n := 1
	for _, d := range dims {
		n *= d
	}
	return n
}

func (t *tensor) size() int { return size(t.dims) }

// native says whether regions can hold the tensor: floats, bfloat16 and truth values.
func native(s shapes.Shape) bool {
	return s.DType == dtypes.Float32 || s.DType == dtypes.BFloat16 || s.DType == dtypes.Bool
}

// storage is how t lies in memory of its own.
func (t *tensor) storage() storage {
	switch t.typ {
	case dtypes.Bool:
		return inBytes
	case dtypes.BFloat16:
		return inHalves
	}
	return inFloats
}

// elementwise says whether t is made element by element from inputs of its shape.
func (t *tensor) elementwise() bool {
	switch t.kind {
	case kindUnary, kindBinary, kindSelect, kindMulAdd, kindTotal:
		return true
	}
	return false
}

// scalar returns the value of a constant that is the same everywhere.
func (t *tensor) scalar() (v float32, ok bool) {
	for t.kind == kindReshape || t.kind == kindMove && t.isSplat() {
		t = t.in[0]
	}
	if t.kind == kindConst && t.typ == dtypes.Float32 && t.size() == 1 {
		return t.value, true
	}
	return 0, false
}

// isSplat says whether a kindMove repeats one element.
func (t *tensor) isSplat() bool {
	return !slices.ContainsFunc(t.move.strides, func(s int) bool { return s != 0 })
}

// contiguous returns the strides of a tensor whose last axis lies dense.
func contiguous(dims []int) []int {
	s := make([]int, len(dims))
	n := 1
	for i := len(dims) - 1; i >= 0; i-- {
		s[i] = n
		n *= dims[i]
	}
	return s
}

func (t *tensor) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%%%d = %s", t.id, kindNames[t.kind])
	switch t.kind {
	case kindUnary:
		fmt.Fprintf(&b, " %v", kernel.UnaryOp(t.op))
	case kindBinary:
		fmt.Fprintf(&b, " %v", kernel.BinaryOp(t.op))
	case kindMove:
		fmt.Fprintf(&b, " %+v", t.move)
	case kindReduce:
		fmt.Fprintf(&b, " op %d axis %d", t.op, t.axis)
	case kindDot:
		fmt.Fprintf(&b, " %+v", *t.dot)
	case kindConst:
		fmt.Fprintf(&b, " %g", t.value)
	case kindShadow:
		fmt.Fprintf(&b, " %s", t.shadow.node.op)
	case kindParam, kindOut:
		fmt.Fprintf(&b, " %d", t.op)
	}
	b.WriteString(" (")
	for i, u := range t.in {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%%%d", u.id)
	}
	fmt.Fprintf(&b, ") %s%v", t.typ, t.dims)
	return b.String()
}
