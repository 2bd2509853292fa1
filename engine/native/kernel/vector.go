package kernel

import "sync"

//go:generate go run ./gen/vector -out vector_amd64.s -stubs vector_stub_amd64.go -pkg kernel

// UnaryOp is a function of one number.
type UnaryOp int

// The functions of one number. Those with a bound stay within so many units in
// the last place of the true value, also where that is denormal; the rest is
// correctly rounded or exact.
const (
	Neg       UnaryOp = iota
	Abs               // |x|
	Sign              // -1, 1, or x itself where that is a zero or NaN
	Square            // x*x
	Sqrt              // square root
	Rsqrt             // 1/sqrt(x), two roundings: 1.5 ulp
	Recip             // 1/x
	Exp               // 1 ulp
	Expm1             // exp(x)-1, 1.5 ulp
	Log               // 1 ulp
	Log1p             // log(1+x), 1.5 ulp
	Sin               // 2 ulp
	Cos               // 2 ulp
	Tanh              // 1.5 ulp
	Sigmoid           // 1/(1+exp(-x)), 2 ulp
	SiLU              // x*Sigmoid(x), 2 ulp; a zero at -Inf
	Erf               // error function, 1.5 ulp
	Floor             // down to a whole number
	Ceil              // up to a whole number
	Round             // to the nearest whole number, halves to even
	IsFinite          // 1 or 0
	IsNaN             // 1 or 0
	Not               // 1 where x is zero, else 0
	Copy              // x, all bits
	RoundBF16         // to the nearest bfloat16, halves to even
	numUnary          // how many there are
)

// BinaryOp is a function of two numbers.
type BinaryOp int

// The functions of two numbers. Truth values are the numbers 1 and 0; And, Or and
// Xor take all that is not zero for true, also NaN. Comparisons with NaN are
// false, but Ne is true.
const (
	Add       BinaryOp = iota
	Sub                // a-b
	Mul                // a*b
	Div                // a/b
	Max                // NaN if either is; of two zeros either
	Min                // NaN if either is; of two zeros either
	Pow                // a to the power of b; in scalar code at every level
	Rem                // a - b*trunc(a/b), with the sign of a; in scalar code at every level
	Atan2              // angle of (x=b, y=a); in scalar code at every level
	Eq                 // a == b
	Ne                 // a != b
	Lt                 // a < b
	Le                 // a <= b
	Gt                 // a > b
	Ge                 // a >= b
	And                // both true
	Or                 // at least one true
	Xor                // one true
	numBinary          // how many there are
)

// Vector is the table of vector loops of a level. Lengths and strides count
// elements, pointers need no alignment, and length zero does nothing. A
// destination may be the same as an input, but must not overlap one otherwise;
// for functions that reduce or move elements it must not overlap at all.
type Vector struct {
	Level Level

	Unary    [numUnary]func(n int, dst, x *float32)
	Binary   [numBinary]func(n int, dst, a, b *float32)
	BinaryVS [numBinary]func(n int, dst, a *float32, s float32) // a op s
	BinarySV [numBinary]func(n int, dst *float32, s float32, b *float32)

	MulAdd    func(n int, dst, a, b, c *float32)                               // a*b + c, rounded once
	MulSub    func(n int, dst, a, b, c *float32)                               // a*b - c, rounded once
	NegMulAdd func(n int, dst, a, b, c *float32)                               // c - a*b, rounded once
	MulAddS   func(n int, dst, a *float32, s float32, c *float32)              // a*s + c, rounded once
	Affine    func(n int, dst, a *float32, s, t float32)                       // a*s + t, rounded once
	Lerp2     func(n int, dst, a *float32, s1 float32, b *float32, s2 float32) // a*s1 + b*s2
	// a where cond is not zero, else b; all bits
	Select func(n int, dst, cond, a, b *float32)
	Fill   func(n int, dst *float32, s float32)

	Sum   func(n int, x *float32) float32 // in an order that depends on n and the level only
	Prod  func(n int, x *float32) float32
	MaxOf func(n int, x *float32) float32 // NaN if there is one; -Inf of nothing
	MinOf func(n int, x *float32) float32 // NaN if there is one; Inf of nothing
	Dot   func(n int, a, b *float32) float32
	SumSq func(n int, x *float32) float32

	// The axis functions reduce the middle axis of x [outer, red, inner] into dst
	// [outer, inner]. With acc, SumAxis adds to what dst holds.
	SumAxis  func(outer, red, inner int, dst, x *float32, acc bool)
	MaxAxis  func(outer, red, inner int, dst, x *float32)
	MinAxis  func(outer, red, inner int, dst, x *float32)
	ProdAxis func(outer, red, inner int, dst, x *float32)

	Expand    func(rows, cols int, dst, v *float32)                            // dst[r*cols+c] = v[r]
	Tile      func(rows, cols int, dst, v *float32)                            // dst[r*cols+c] = v[c]
	CopyRows  func(rows, cols int, dst *float32, ds int, src *float32, ss int) // dst[r*ds+c] = src[r*ss+c]
	AddRows   func(rows, cols int, dst *float32, ds int, src *float32, ss int) // dst[r*ds+c] += src[r*ss+c]
	Transpose func(rows, cols int, dst *float32, ds int, src *float32, ss int) // dst[c*ds+r] = src[r*ss+c]

	FromF64  func(n int, dst *float32, src *float64)
	ToF64    func(n int, dst *float64, src *float32)
	FromBool func(n int, dst *float32, src *uint8) // from 0 and 1
	ToBool   func(n int, dst *uint8, src *float32) // 1 where not zero
	FromI32  func(n int, dst *float32, src *int32)
	ToI32    func(n int, dst *int32, src *float32) // towards zero; what does not fit depends on the level
	FromBF16 func(n int, dst *float32, src *uint16)
	ToBF16   func(n int, dst *uint16, src *float32) // to nearest, halves to even; NaN stays NaN

	// Adam updates parameters p, their moving average ema, and the moments m and
	// v, given the gradient g.
	Adam func(n int, p, ema, m, v, g *float32, h *AdamConfig)

	prim *primitives
}

// AdamConfig holds the numbers of a step of AdamW with a moving average:
//
//	m = Beta1*m + (1-Beta1)*g
//	v = Beta2*v + (1-Beta2)*g*g
//	u = m*C1/(sqrt(v*C2)+Eps) + WeightDecay*p
//	p = p - LR*u
//	ema = ema + (p-ema)*(1-Decay)
type AdamConfig struct {
	LR, Beta1, Beta2, Eps, WeightDecay float32
	C1, C2                             float32 // corrections of the bias of m and v
	Decay                              float32 // of the moving average
}

var vectors = [...]func() *Vector{
	Portable: sync.OnceValue(func() *Vector { return newVector(Portable) }),
	AVX2:     sync.OnceValue(func() *Vector { return newVector(AVX2) }),
	AVX512:   sync.OnceValue(func() *Vector { return newVector(AVX512) }),
	AMX:      sync.OnceValue(func() *Vector { return newVector(AMX) }),
	NEON:     sync.OnceValue(func() *Vector { return newVector(NEON) }),
}

// VectorAt returns the loops of a level, which must be one of [Levels].
func VectorAt(l Level) *Vector { return vectors[l]() }

// newVector fills a table: in portable Go first, then with what the level has in
// assembly, then with the functions that are built on its primitives.
func newVector(l Level) *Vector {
	v := &Vector{Level: l, prim: portablePrimitives()}
	portableLoops(v)
	if l != Portable {
		assembly(v)
	}
	v.build()
	return v
}

// build adds the functions that are made of primitives.
func (v *Vector) build() {
	p := v.prim
	whole := func(k reduction) func(n int, x *float32) float32 {
		return func(n int, x *float32) float32 {
			if n == 0 {
				return neutral[k]
			}
			var out float32
			p.row[k](1, n, &out, x, 0)
			return out
		}
	}
	axis := func(k reduction) func(outer, red, inner int, dst, x *float32) {
		return func(outer, red, inner int, dst, x *float32) { p.reduceAxis(k, outer, red, inner, dst, x, 0) }
	}
	v.Sum, v.Prod, v.MaxOf, v.MinOf = whole(sums), whole(products), whole(maxima), whole(minima)
	v.SumSq = func(n int, x *float32) float32 { return v.Dot(n, x, x) }
	v.MaxAxis, v.MinAxis, v.ProdAxis = axis(maxima), axis(minima), axis(products)
	v.SumAxis = func(outer, red, inner int, dst, x *float32, acc bool) {
		join := 0
		if acc {
			join = 1
		}
		p.reduceAxis(sums, outer, red, inner, dst, x, join)
	}
	v.Expand, v.Tile = p.expandTo, tile
	v.CopyRows, v.AddRows, v.Transpose = p.copyMatrix, p.addMatrix, p.transposeMatrix
}
