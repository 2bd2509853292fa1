package nn

import (
	. "github.com/gomlx/gomlx/core/graph" //lint:ignore ST1001 graph code reads as formulas
)

// Number is a number for each point of a batch, [N, 1], in a graph that is being built: see
// [ONNXOptions]. The zero Number is none, and cannot be computed with.
type Number struct{ node *Node }

// Plus returns a + b.
func (a Number) Plus(b Number) Number { return Number{Add(a.node, b.node)} }

// Minus returns a − b.
func (a Number) Minus(b Number) Number { return Number{Sub(a.node, b.node)} }

// Times returns a b.
func (a Number) Times(b Number) Number { return Number{Mul(a.node, b.node)} }

// Over returns a/b.
func (a Number) Over(b Number) Number { return Number{Div(a.node, b.node)} }

// Affine returns scale a + shift; the constant shift for a scale of 0.
func (a Number) Affine(scale, shift float64) Number {
	x := a.node
	switch scale {
	case 0:
		return Number{Const(x.Graph(), [][]float32{{float32(shift)}})}
	case 1:
	case -1:
		x = Neg(x)
	default:
		x = MulScalar(x, scale)
	}
	if shift != 0 {
		x = AddScalar(x, shift)
	}
	return Number{x}
}

// Power returns a^n, for a and n of 0 and more; 1 for n = 0.
func (a Number) Power(n float64) Number {
	switch n {
	case 0:
		return a.Affine(0, 1)
	case 1:
		return a
	}
	return Number{Pow(a.node, Scalar(a.node.Graph(), a.node.DType(), n))}
}

// Exp returns e^a.
func (a Number) Exp() Number { return Number{Exp(a.node)} }

// Expm1 returns e^a − 1, exact for small a too.
func (a Number) Expm1() Number { return Number{Expm1(a.node)} }

// Log returns the natural logarithm; −∞ of 0.
func (a Number) Log() Number { return Number{Log(a.node)} }

// Sqrt returns the square root.
func (a Number) Sqrt() Number { return Number{Sqrt(a.node)} }

// Sin returns the sine of a in radians.
func (a Number) Sin() Number { return Number{Sin(a.node)} }
