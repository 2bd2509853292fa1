package formula

import "strings"

// Predicate is a comparison. All but [NotEqual] are false where a lane is NaN.
type Predicate int

// The comparisons.
const (
	Equal Predicate = iota
	NotEqual
	Less
	LessEqual
	Greater
	GreaterEqual
)

// Rounding is a way to make a number whole.
type Rounding int

// The ways to make a number whole.
const (
	ToEven Rounding = iota // the nearest, halves to even
	Down
	Up
)

// Machine makes vectors for the function that is being written.
type Machine interface {
	Num(x float64) Vec   // a number in all lanes
	Bits(u uint32) Vec   // a word in all lanes
	Arg(name string) Vec // a scalar argument of a loop that is Lazy, in all lanes
	Raise(m Mask)        // adds the lanes to those that the function reports
}

// Vec is a vector. Methods leave their receiver as it is, and return a new one.
type Vec interface {
	Add(w Vec) Vec
	Sub(w Vec) Vec
	Mul(w Vec) Vec
	Div(w Vec) Vec
	Sqrt() Vec
	FMA(w, z Vec) Vec  // v*w + z, rounded once
	FNMA(w, z Vec) Vec // z - v*w, rounded once
	FMS(w, z Vec) Vec  // v*w - z, rounded once
	// Poly is the polynomial in v with the coefficients, the highest power first.
	Poly(coefficients ...float64) Vec
	MaxOr(w Vec) Vec // the larger one; NaN if w is, anything if v alone is
	MinOr(w Vec) Vec // the smaller one; NaN if w is, anything if v alone is
	Max(w Vec) Vec   // NaN where either is
	Min(w Vec) Vec   // NaN where either is
	Round(r Rounding) Vec

	And(w Vec) Vec
	Or(w Vec) Vec
	Xor(w Vec) Vec
	Abs() Vec
	Neg() Vec
	Sign() Vec // the sign bit alone

	Cmp(p Predicate, w Vec) Mask
	IsNaN() Mask
	SignMask() Mask // the lanes with the top bit set; it serves Blend only

	AddInt(w Vec) Vec // of integers
	ShiftLeft(n int) Vec
	ShiftRight(n int) Vec // zeros come in
	ToFloat() Vec         // of integers with a sign
	ToInt() Vec           // the nearest
	Truncate() Vec        // towards zero

	PowerOfTwo() Vec     // 2^v for whole v from -126 to 127
	Scale(n Vec) Vec     // v*2^n for whole n from -254 to 254, rounded once
	ScaleDown(n Vec) Vec // v*2^n for whole n from -126 to 0, rounded once
	// Split returns m in [sqrt(1/2), sqrt(2)] or so and a whole e with v = m*2^e, for positive and
	// finite v; for others the result means nothing.
	Split() (m, e Vec)
}

// Mask says yes or no for each lane.
type Mask interface {
	Blend(a, b Vec) Vec // a where yes, b elsewhere
	One() Vec           // 1 where yes, 0 elsewhere
	And(n Mask) Mask
	Or(n Mask) Mask
	Xor(n Mask) Mask
}

// Loop describes an elementwise loop, whose function takes n and Params.
type Loop struct {
	Name string
	// Params are pointers, of which dst and those that begin with both are written, and scalars,
	// which are float32.
	Params string
	Unroll int  // vectors in a turn
	Narrow int  // vectors in a turn where vectors are narrow and registers few, if not the same
	Hoist  int  // constants kept in registers where these are few
	Flag   bool // returns nonzero if a lane was raised
	Lazy   bool // the body takes scalars itself, by Arg
	// Body returns the results of one turn, given what is read.
	Body func(g Machine, in map[string]Vec) []Vec
}

// Param is a parameter of a loop after n.
type Param struct {
	Name   string
	Scalar bool // a number; else the address of the first of n
	In     bool // the n are read
	Out    bool // the n are written
}

// Parameters takes Params apart.
func (l Loop) Parameters() (out []Param) {
	for field := range strings.SplitSeq(l.Params, ", ") {
		name, kind, _ := strings.Cut(field, " ")
		both := strings.HasPrefix(name, "both")
		p := Param{Name: name, Scalar: kind == "float32", Out: both || name == "dst"}
		p.In = !p.Scalar && (!p.Out || both)
		out = append(out, p)
	}
	return out
}
