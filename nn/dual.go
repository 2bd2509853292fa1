package nn

import (
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// dual is a layer's numbers v [N, ·] with their derivatives d [N, K, ·] in K directions;
// a nil d is zero.
type dual struct{ v, d *Node }

// affine is the linear map number w of p, and its bias.
func (x dual) affine(p []*Node, w int) dual {
	y := dual{v: affine(x.v, p, w)}
	if x.d != nil {
		y.d = linear(x.d, p[w])
	}
	return y
}

// activate applies an activation.
func (x dual) activate(act activation) dual {
	a, da := act.apply(x.v)
	if x.d == nil {
		return dual{v: a}
	}
	return dual{a, Mul(x.d, InsertAxes(da, 1))}
}

func (x dual) add(y dual) dual {
	z := dual{Add(x.v, y.v), x.d}
	switch {
	case x.d == nil:
		z.d = y.d
	case y.d != nil:
		z.d = Add(x.d, y.d)
	}
	return z
}

func (x dual) mul(y dual) dual {
	z := dual{v: Mul(x.v, y.v)}
	if x.d != nil {
		z.d = Mul(x.d, InsertAxes(y.v, 1))
	}
	if y.d != nil {
		along := Mul(y.d, InsertAxes(x.v, 1))
		if z.d == nil {
			z.d = along
		} else {
			z.d = Add(z.d, along)
		}
	}
	return z
}

// layerNorm normalises x over its last axis to mean 0 and variance 1, without weights, and returns
// its deviation, the root of the variance with eps added, too.
func layerNorm(x *Node, eps float64) (normed, deviation *Node) {
	x = Sub(x, ReduceAndKeep(x, ReduceMean, -1))
	deviation = Sqrt(AddScalar(ReduceAndKeep(Square(x), ReduceMean, -1), eps))
	return Div(x, deviation), deviation
}

// layerNorm normalises the numbers of each point. With y = (x - m)/s along a direction
// dy = (dx - mean(dx) - y mean(y dx))/s, as y has mean 0.
func (x dual) layerNorm(eps float64) dual {
	y, s := layerNorm(x.v, eps)
	if x.d == nil {
		return dual{v: y}
	}
	at := InsertAxes(y, 1)
	d := Sub(x.d, ReduceAndKeep(x.d, ReduceMean, -1))
	d = Sub(d, Mul(at, ReduceAndKeep(Mul(at, x.d), ReduceMean, -1)))
	return dual{y, Div(d, InsertAxes(s, 1))}
}

// plus is x + c.
func (x dual) plus(c float64) dual { return dual{AddScalar(x.v, c), x.d} }

// cut cuts x into parts of equal width.
func (x dual) cut(parts int) []dual {
	width := x.v.Shape().Dimensions[1] / parts
	out := make([]dual, parts)
	for k := range out {
		at := AxisRange(k*width, (k+1)*width)
		out[k].v = Slice(x.v, AxisRange(), at)
		if x.d != nil {
			out[k].d = Slice(x.d, AxisRange(), AxisRange(), at)
		}
	}
	return out
}
