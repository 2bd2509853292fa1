package exchange

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// of1, of2 and ofAll make an operation by element of a function of nodes.
func of1(f func(x *Node) *Node) func(call, []*Node) *Node {
	return func(_ call, x []*Node) *Node { return f(x[0]) }
}

func of2(f func(x, y *Node) *Node) func(call, []*Node) *Node {
	return func(_ call, x []*Node) *Node { return f(x[0], x[1]) }
}

func ofAll(f func(x, y *Node) *Node) func(call, []*Node) *Node {
	return func(_ call, x []*Node) *Node {
		out := x[0]
		for _, y := range x[1:] {
			out = f(out, y)
		}
		return out
	}
}

// relu is max(x, 0).
func relu(x *Node) *Node { return MaxScalar(x, 0) }

// leaky is x above 0 and slope·x below.
func leaky(x, slope *Node) *Node { return Add(relu(x), Mul(slope, MinScalar(x, 0))) }

// hardSigmoid is a·x + b, between 0 and 1.
func hardSigmoid(x *Node, a, b float64) *Node {
	return MinScalar(relu(AddScalar(MulScalar(x, a), b)), 1)
}

// softplus is log(1 + eˣ), written so as not to overflow.
func softplus(x *Node) *Node { return Add(relu(x), Log1P(Exp(Neg(Abs(x))))) }

// gelu is x Φ(x), or its approximation by a tanh.
func gelu(c call, x []*Node) *Node {
	z := x[0]
	if c.text("approximate", "none") == "tanh" {
		inner := Mul(z, AddScalar(MulScalar(Mul(z, z), 0.044715), 1))
		return Mul(MulScalar(z, 0.5), AddScalar(Tanh(MulScalar(inner, math.Sqrt(2/math.Pi))), 1))
	}
	return Mul(MulScalar(z, 0.5), AddScalar(Erf(MulScalar(z, 1/math.Sqrt2)), 1))
}

// elu is α(eˣ-1) below 0.
func elu(c call, x []*Node) *Node {
	return Add(relu(x[0]), MulScalar(AddScalar(Exp(MinScalar(x[0], 0)), -1), c.float("alpha", 1)))
}

// selu is γ·elu.
func selu(c call, x []*Node) *Node {
	below := MulScalar(AddScalar(Exp(MinScalar(x[0], 0)), -1), c.float("alpha", 1.67326319217681884765625))
	return MulScalar(Add(relu(x[0]), below), c.float("gamma", 1.05070102214813232421875))
}

// clip has its bounds as arguments, or in older files as attributes.
func clip(c call, x []*Node) *Node {
	y, next := x[0], 1
	for i, name := range []string{"min", "max"} {
		bound := Min
		if name == "min" {
			bound = Max
		}
		if c.has(i + 1) {
			y, next = bound(y, x[next]), next+1
		} else if v, ok := c.n.Attrs[name].(float32); ok {
			y = bound(y, Scalar(y.Graph(), y.DType(), float64(v)))
		}
	}
	return y
}

// where broadcasts the condition too.
func where(_ call, x []*Node) *Node {
	rank := max(x[0].Rank(), x[1].Rank(), x[2].Rank())
	dims := make([]int, rank)
	for i := range dims {
		dims[i] = 1
		for _, n := range x {
			if n.Rank() == rank {
				dims[i] = max(dims[i], n.Shape().Dimensions[i])
			}
		}
	}
	wide := func(n *Node) *Node { return BroadcastToDims(n, dims...) }
	return Where(wide(x[0]), wide(x[1]), wide(x[2]))
}

// elements are the operations by element.
var elements = map[string]func(c call, x []*Node) *Node{
	"Relu": of1(relu), "Sigmoid": of1(Sigmoid), "Tanh": of1(Tanh), "Exp": of1(Exp), "Log": of1(Log), "Sqrt": of1(Sqrt),
	"Neg": of1(Neg), "Abs": of1(Abs), "Erf": of1(Erf), "Sin": of1(Sin), "Cos": of1(Cos), "Floor": of1(Floor),
	"Ceil": of1(Ceil), "Round": of1(Round), "Sign": of1(Sign), "Not": of1(LogicalNot), "IsNaN": of1(IsNaN),
	"Reciprocal": of1(Inverse), "Softplus": of1(softplus), "Add": of2(Add), "Sub": of2(Sub), "Mul": of2(Mul),
	"Div": of2(Div), "Pow": of2(Pow), "Max": ofAll(Max), "Min": ofAll(Min), "Sum": ofAll(Add), "Equal": of2(Equal),
	"Less": of2(LessThan), "LessOrEqual": of2(LessOrEqual), "Greater": of2(GreaterThan),
	"GreaterOrEqual": of2(GreaterOrEqual), "And": of2(LogicalAnd), "Or": of2(LogicalOr), "Xor": of2(LogicalXor),
	"Where": where, "PRelu": of2(leaky), "Clip": clip, "Gelu": gelu, "Elu": elu, "Selu": selu,
	"LeakyRelu": func(c call, x []*Node) *Node {
		return Add(relu(x[0]), MulScalar(MinScalar(x[0], 0), c.float("alpha", 0.01)))
	},
	"HardSigmoid": func(c call, x []*Node) *Node {
		return hardSigmoid(x[0], c.float("alpha", 0.2), c.float("beta", 0.5))
	},
	"HardSwish": func(_ call, x []*Node) *Node { return Mul(x[0], hardSigmoid(x[0], 1.0/6, 0.5)) },
}
