package nn

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// An activation is a function with its derivative: the derivative is what
// carries tangents forward, and hence the exact divergence.
type activation struct {
	name  string
	apply func(z *Node) (a, da *Node)
}

// seluAlpha and seluScale are the constants of Klambauer et al. 2017, as in PyTorch.
const (
	seluAlpha = 1.6732632423543772
	seluScale = 1.0507009873554805
)

var activations = []activation{
	{"silu", func(z *Node) (a, da *Node) {
		s := Sigmoid(z)
		a = Mul(z, s)
		return a, Add(s, Sub(a, Mul(a, s))) // s + z s (1 - s)
	}},
	{"gelu", func(z *Node) (a, da *Node) {
		cdf := MulScalar(AddScalar(Erf(MulScalar(z, 1/math.Sqrt2)), 1), 0.5)
		pdf := MulScalar(Exp(MulScalar(Square(z), -0.5)), 1/math.Sqrt(2*math.Pi))
		return Mul(z, cdf), Add(cdf, Mul(z, pdf))
	}},
	{"relu", func(z *Node) (a, da *Node) {
		zero := ZerosLike(z)
		positive := GreaterThan(z, zero)
		return Where(positive, z, zero), Where(positive, OnesLike(z), zero)
	}},
	{"tanh", func(z *Node) (a, da *Node) {
		a = Tanh(z)
		return a, OneMinus(Square(a))
	}},
	{"softplus", func(z *Node) (a, da *Node) {
		// max(z,0) + log1p(exp(-|z|)) does not overflow.
		return Add(MaxScalar(z, 0), Log1P(Exp(Neg(Abs(z))))), Sigmoid(z)
	}},
	{"elu", func(z *Node) (a, da *Node) { return scaledELU(z, 1, 1) }},
	{"selu", func(z *Node) (a, da *Node) { return scaledELU(z, seluAlpha, seluScale) }},
}

// scaledELU is scale·z for z > 0 and scale·α(eᶻ-1) below.
func scaledELU(z *Node, alpha, scale float64) (a, da *Node) {
	positive := GreaterThan(z, ZerosLike(z))
	e := Exp(MinScalar(z, 0))
	a = Where(positive, z, MulScalar(AddScalar(e, -1), alpha))
	da = Where(positive, OnesLike(z), MulScalar(e, alpha))
	return MulScalar(a, scale), MulScalar(da, scale)
}
