package main

import "flowmatch/engine/native/kernel/gen/formula"

// A gen is a formula.Machine, a vec a formula.Vec and a mask a formula.Mask: formulas know no
// instructions.

func (g *gen) Num(x float64) formula.Vec   { return g.num(x) }
func (g *gen) Bits(u uint32) formula.Vec   { return g.bits(u) }
func (g *gen) Arg(name string) formula.Vec { return g.arg(name) }
func (g *gen) Raise(m formula.Mask)        { g.raise(m.(mask)) }

func (v vec) Add(w formula.Vec) formula.Vec       { return v.add(w.(vec)) }
func (v vec) Sub(w formula.Vec) formula.Vec       { return v.sub(w.(vec)) }
func (v vec) Mul(w formula.Vec) formula.Vec       { return v.mul(w.(vec)) }
func (v vec) Div(w formula.Vec) formula.Vec       { return v.div(w.(vec)) }
func (v vec) MaxOr(w formula.Vec) formula.Vec     { return v.maxOr(w.(vec)) }
func (v vec) MinOr(w formula.Vec) formula.Vec     { return v.minOr(w.(vec)) }
func (v vec) Max(w formula.Vec) formula.Vec       { return v.max(w.(vec)) }
func (v vec) Min(w formula.Vec) formula.Vec       { return v.min(w.(vec)) }
func (v vec) And(w formula.Vec) formula.Vec       { return v.and(w.(vec)) }
func (v vec) Or(w formula.Vec) formula.Vec        { return v.or(w.(vec)) }
func (v vec) Xor(w formula.Vec) formula.Vec       { return v.xor(w.(vec)) }
func (v vec) AddInt(w formula.Vec) formula.Vec    { return v.addInt(w.(vec)) }
func (v vec) Scale(w formula.Vec) formula.Vec     { return v.scale(w.(vec)) }
func (v vec) ScaleDown(w formula.Vec) formula.Vec { return v.scaleDown(w.(vec)) }

func (v vec) Sqrt() formula.Vec       { return v.sqrt() }
func (v vec) Abs() formula.Vec        { return v.abs() }
func (v vec) Neg() formula.Vec        { return v.neg() }
func (v vec) Sign() formula.Vec       { return v.sign() }
func (v vec) ToFloat() formula.Vec    { return v.toFloat() }
func (v vec) ToInt() formula.Vec      { return v.toInt() }
func (v vec) Truncate() formula.Vec   { return v.truncate() }
func (v vec) PowerOfTwo() formula.Vec { return v.powerOfTwo() }

func (v vec) FMA(w, z formula.Vec) formula.Vec         { return v.fma(w.(vec), z.(vec)) }
func (v vec) FNMA(w, z formula.Vec) formula.Vec        { return v.fnma(w.(vec), z.(vec)) }
func (v vec) FMS(w, z formula.Vec) formula.Vec         { return v.fms(w.(vec), z.(vec)) }
func (v vec) Poly(coefficients ...float64) formula.Vec { return v.poly(coefficients...) }
func (v vec) ShiftLeft(n int) formula.Vec              { return v.shiftLeft(n) }
func (v vec) ShiftRight(n int) formula.Vec             { return v.shiftRight(n) }
func (v vec) IsNaN() formula.Mask                      { return v.cmp(unord, v) }
func (v vec) SignMask() formula.Mask                   { return v.signMask() }

func (v vec) Split() (m, e formula.Vec) {
	a, b := v.split()
	return a, b
}

func (v vec) Round(r formula.Rounding) formula.Vec {
	return v.round([...]int{formula.ToEven: toEven, formula.Down: toDown, formula.Up: toUp}[r])
}

func (v vec) Cmp(p formula.Predicate, w formula.Vec) formula.Mask {
	predicates := [...]int{formula.Equal: eq, formula.NotEqual: ne, formula.Less: lt, formula.LessEqual: le,
		formula.Greater: gt, formula.GreaterEqual: ge}
	return v.cmp(predicates[p], w.(vec))
}

func (m mask) Blend(a, b formula.Vec) formula.Vec { return m.blend(a.(vec), b.(vec)) }
func (m mask) One() formula.Vec                   { return m.one() }
func (m mask) And(n formula.Mask) formula.Mask    { return m.and(n.(mask)) }
func (m mask) Or(n formula.Mask) formula.Mask     { return m.or(n.(mask)) }
func (m mask) Xor(n formula.Mask) formula.Mask    { return m.xor(n.(mask)) }
