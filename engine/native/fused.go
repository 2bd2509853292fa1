package native

import (
	"math"

	"github.com/gomlx/compute"

	"flowmatch/engine/native/kernel"
)

// Operations that GoMLX hands over as one are taken apart again: the regions fuse
// them with whatever stands before and behind.

// fused makes the tensors of a fused operation, or nil. Inputs may be missing.
func (l *lowering) fused(n *node, in []*tensor, dims []int) []*tensor {
	switch n.op {
	case "FusedSoftmax":
		return []*tensor{l.softmax(in[0], n.attrs[0].(int))}
	case "FusedGelu":
		return []*tensor{l.gelu(in[0], n.attrs[0].(bool))}
	case "FusedLayerNorm":
		return []*tensor{l.layerNorm(in[0], n.attrs[0].([]int), float32(n.attrs[1].(float64)), in[1], in[2])}
	case "FusedDense":
		o := n.attrs[0].(compute.DenseConfig)
		axis := 0
		if o.WeightLayout == compute.DenseLayoutOutputsInput {
			axis = len(in[1].dims) - 1
		}
		y := l.product(in[0], []int{len(in[0].dims) - 1}, nil, in[1], []int{axis}, nil, dims)
		if in[2] != nil {
			y = l.binary(kernel.Add, y, l.trailing(in[2], dims), dims)
		}
		if y = l.activated(y, o.Activation); y == nil {
			return nil
		}
		return []*tensor{y}
	case "FusedScaledDotProductAttention", "FusedScaledDotProductAttentionVJP":
		return l.attended(n, in)
	case "FusedAttentionQKVProjection":
		return l.projections(n, in)
	}
	return nil
}

// trailing repeats x, whose axes are the last of dims.
func (l *lowering) trailing(x *tensor, dims []int) *tensor {
	strides := make([]int, len(dims))
	copy(strides[len(dims)-len(x.dims):], contiguous(x.dims))
	return l.moved(x, dims, 0, strides)
}

// along repeats a reduced tensor over the axes that it was reduced over.
func (l *lowering) along(x *tensor, dims, axes []int) *tensor {
	keep := append([]int{}, dims...)
	for _, a := range axes {
		keep[a] = 1
	}
	return l.broadcast(l.reshaped(x, keep), dims)
}

func (l *lowering) softmax(x *tensor, axis int) *tensor {
	axes := []int{axis}
	top := l.along(l.reduced(reduceMax, x, axes), x.dims, axes)
	e := l.unary(kernel.Exp, l.binary(kernel.Sub, x, top, x.dims))
	return l.binary(kernel.Div, e, l.along(l.reduced(reduceSum, e, axes), x.dims, axes), x.dims)
}

func (l *lowering) scaled(x *tensor, by float64) *tensor {
	return l.binary(kernel.Mul, x, l.constant(float32(by)), x.dims)
}

func (l *lowering) gelu(x *tensor, exact bool) *tensor {
	var u *tensor
	if exact {
		u = l.unary(kernel.Erf, l.scaled(x, 1/math.Sqrt2))
	} else {
		cubic := l.scaled(l.binary(kernel.Mul, l.unary(kernel.Square, x), x, x.dims), 0.044715)
		u = l.unary(kernel.Tanh, l.scaled(l.binary(kernel.Add, x, cubic, x.dims), math.Sqrt(2/math.Pi)))
	}
	half := l.scaled(l.binary(kernel.Add, u, l.constant(1), x.dims), 0.5)
	return l.binary(kernel.Mul, x, half, x.dims)
}

func (l *lowering) layerNorm(x *tensor, axes []int, epsilon float32, gamma, beta *tensor) *tensor {
	n := 1.0
	for _, a := range axes {
		n *= float64(x.dims[a])
	}
	mean := func(y *tensor) *tensor { return l.along(l.scaled(l.reduced(reduceSum, y, axes), 1/n), x.dims, axes) }
	c := l.binary(kernel.Sub, x, mean(x), x.dims)
	v := l.binary(kernel.Add, l.scaled(l.reduced(reduceSum, l.unary(kernel.Square, c), axes), 1/n), l.constant(epsilon),
		remaining(x, axes))
	y := l.binary(kernel.Mul, c, l.along(l.unary(kernel.Rsqrt, v), x.dims, axes), x.dims)
	// The parameters have the axes that are normalised over.
	spread := func(p *tensor) *tensor {
		keep := make([]int, len(x.dims))
		for i := range keep {
			keep[i] = 1
		}
		for _, a := range axes {
			keep[a] = x.dims[a]
		}
		return l.broadcast(l.reshaped(p, keep), x.dims)
	}
	if gamma != nil {
		y = l.binary(kernel.Mul, y, spread(gamma), x.dims)
	}
	if beta != nil {
		y = l.binary(kernel.Add, y, spread(beta), x.dims)
	}
	return y
}

// remaining returns the axes of x that are left when some are reduced.
func remaining(x *tensor, axes []int) []int {
	rest := []int{}
	for i, d := range x.dims {
		reduced := false
		for _, a := range axes {
			reduced = reduced || a == i
		}
		if !reduced {
			rest = append(rest, d)
		}
	}
	return rest
}

// activated applies the activation of a dense layer; nil: an unknown one.
func (l *lowering) activated(y *tensor, a compute.ActivationType) *tensor {
	switch a {
	case compute.ActivationNone:
		return y
	case compute.ActivationGelu:
		return l.gelu(y, true)
	case compute.ActivationRelu:
		return l.binary(kernel.Max, y, l.constant(0), y.dims)
	case compute.ActivationSilu:
		return l.binary(kernel.Mul, y, l.unary(kernel.Sigmoid, y), y.dims)
	case compute.ActivationTanh:
		return l.unary(kernel.Tanh, y)
	}
	return nil
}

// projections are the three of attention: one product, cut.
func (l *lowering) projections(n *node, in []*tensor) (out []*tensor) {
	x, w := in[0], in[1]
	last := len(x.dims) - 1
	dims := append(append([]int{}, x.dims[:last]...), w.dims[1])
	y := l.product(x, []int{last}, nil, w, []int{0}, nil, dims)
	strides := contiguous(dims)
	offset := 0
	for i, o := range n.outs {
		part := l.moved(y, o.shape.Dimensions, offset, strides)
		offset += o.shape.Dimensions[last]
		if b := in[2+i]; b != nil {
			part = l.binary(kernel.Add, part, l.trailing(b, part.dims), part.dims)
		}
		out = append(out, part)
	}
	return out
}
