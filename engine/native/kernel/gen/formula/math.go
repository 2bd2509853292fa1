package formula

const infBits = 0x7f800000

// signum returns 1 or -1 with the sign of x, and x where that is zero or NaN.
func signum(g Machine, x Vec) Vec {
	s := x.Sign().Or(g.Num(1))
	return x.Cmp(NotEqual, g.Bits(0)).And(x.Cmp(Equal, x)).Blend(s, x)
}

// expCoefficients are a minimax polynomial of degree 6 for exp on half of
// [-ln 2, ln 2], of relative error 2^-28.
var expCoefficients = []float64{0.00138145394, 0.00836874545, 0.041668389, 0.166665211, 0.49999994, 1, 1}

// expLow is where exp is zero, with room for a factor of x in front.
const expLow = -110

// expParts returns p and a whole n with exp(x) = p * 2^n, for x in [-110, 89] or NaN.
func expParts(g Machine, x Vec) (p, n Vec) {
	n, f := reduceExp(g, x)
	return f.Poly(expCoefficients...), n
}

// reduceExp returns a whole n and f in half of [-ln 2, ln 2] with x = n*ln2 + f.
func reduceExp(g Machine, x Vec) (n, f Vec) {
	n = x.Mul(g.Num(1.44269504088896341)).Round(ToEven)
	f = n.FNMA(g.Bits(0x3f317218), x) // the upper bits of ln 2; the sum is exact
	f = n.FNMA(g.Num(-1.904654299957768e-09), f)
	return n, f
}

func exp(g Machine, x Vec) Vec {
	x = g.Num(89).MinOr(g.Num(expLow).MaxOr(x))
	p, n := expParts(g, x)
	return p.Scale(n)
}

func expm1(g Machine, x Vec) Vec {
	y := g.Num(89).MinOr(g.Num(-30).MaxOr(x))
	n, f := reduceExp(g, y)
	q := f.Poly(0.000199137081, 0.00139404985, 0.00833327416, 0.0416663624, 0.166666672, 0.5)
	p := f.Mul(f).FMA(q, f)
	// 2*(s*p + s - 1/2) with s = 2^(n-1), which does not overflow where the result does not.
	s := g.Num(0.5).Scale(n)
	r := s.FMA(p, s.Sub(g.Num(0.5)))
	r = r.Add(r)
	// Small x keep all their bits, and a zero its sign.
	r = n.Cmp(Equal, g.Bits(0)).Blend(p, r)
	return r.Or(x.Sign())
}

// logParts returns log(m) for m = 1+f in [sqrt(1/2), sqrt(2)] plus e*log(2). The
// polynomial is that of the Cephes library by Moshier.
func logParts(g Machine, f, e Vec) Vec {
	z := f.Mul(f)
	p := f.Poly(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
		-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)
	y := f.Mul(z).Mul(p)
	y = e.FMA(g.Num(1.428606765330187e-06), y)
	y = z.FNMA(g.Num(0.5), y)
	return e.FMA(g.Bits(0x3f317200), f.Add(y))
}

// logSpecial corrects r = log(x) where x is not positive and finite.
func logSpecial(g Machine, x, r Vec) Vec {
	r = x.Cmp(Equal, g.Bits(infBits)).Blend(x, r)
	r = x.Cmp(GreaterEqual, g.Bits(0)).Blend(r, g.Bits(0x7fc00000))
	r = x.Cmp(Equal, g.Bits(0)).Blend(g.Bits(0xff800000), r)
	return x.IsNaN().Blend(x, r)
}

func log(g Machine, x Vec) Vec {
	m, e := x.Split()
	return logSpecial(g, x, logParts(g, m.Sub(g.Num(1)), e))
}

func log1p(g Machine, x Vec) Vec {
	one := g.Num(1)
	u := x.Add(one)
	lost := x.Sub(u.Sub(one)) // by the sum, to the first order
	m, e := u.Split()
	f := lost.Scale(e.Neg()).Add(m.Sub(one))
	r := logParts(g, f, e)
	r = logSpecial(g, u, r)
	// A zero keeps its sign.
	return x.Cmp(Equal, g.Bits(0)).Blend(x, r)
}

// tanh follows Cephes: a polynomial below 0.625, and 1 - 2/(exp(2x)+1) above.
func tanh(g Machine, x Vec) Vec {
	a := x.Abs()
	p, n := expParts(g, g.Num(30).MinOr(a.Add(a)))
	t := g.Num(2).Div(p.Scale(n).Add(g.Num(1)))
	big := g.Num(1).Sub(t).Or(x.Sign())
	z := x.Mul(x)
	q := z.Poly(-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
	small := x.Mul(z).FMA(q, x)
	// A zero keeps its sign.
	return a.Cmp(Less, g.Num(0.625)).Blend(small, big).Or(x.Sign())
}

// logistic returns top(x)/(1+exp(-x)). With -x = n*ln2 + f and exp(f) = 1+s the
// denominator is (1+2^n) + s*2^n, which is rounded once but where the bracket
// does not matter. For n > 64, where the 1 does not matter, the power of two that
// is too much comes last, so that denormals are rounded once as well.
func logistic(g Machine, x Vec, top func(x Vec) Vec) Vec {
	x = g.Num(expLow).MaxOr(x)
	z := g.Num(40).MinOr(x)
	n := z.Mul(g.Num(-1.44269504088896341)).Round(ToEven)
	f := n.FMA(g.Bits(0x3f317218), z) // this f has the other sign, and so do the odd coefficients
	f = n.FMA(g.Num(-1.904654299957768e-09), f)
	c := expCoefficients
	s := f.Mul(f.Poly(c[0], -c[1], c[2], -c[3], c[4], -1))
	k := n.MinOr(g.Num(64))
	power := k.PowerOfTwo()
	d := power.FMA(s, g.Num(1)).Add(power)
	return top(x).Div(d).ScaleDown(k.Sub(n))
}

func sigmoid(g Machine, x Vec) Vec {
	return logistic(g, x, func(Vec) Vec { return g.Num(1) })
}

func silu(g Machine, x Vec) Vec {
	return logistic(g, x, func(x Vec) Vec { return x })
}

// erf has the polynomials of Norbert Juffa: one in x for small x, and one for
// the exponent in 1 - exp(-...) for the rest.
func erf(g Machine, x Vec) Vec {
	a := x.Abs()
	s := x.Mul(x)
	r := a.Poly(-1.72853470e-5, 3.83197126e-4)
	u := a.Poly(-3.88396438e-3, 2.42546219e-2)
	r = r.FMA(s, u)
	for _, c := range []float64{-1.06777877e-1, -6.34846687e-1, -1.28717512e-1} {
		r = r.FMA(a, g.Num(c))
	}
	r = r.FMA(a, a.Neg())
	p, n := expParts(g, g.Num(expLow).MaxOr(r))
	big := g.Num(1).Sub(p.Scale(n)).Or(x.Sign())
	q := s.Poly(-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1)
	small := q.FMA(x, x)
	return a.Cmp(Greater, g.Num(0.927734375)).Blend(big, small)
}

// trigLimit is the largest argument that reduceTrig can do.
const trigLimit = 1e5

// reduceTrig returns n as an integer and f in half of [-pi/2, pi/2] with
// a = n*pi/2 + f. Pi/2 comes in three parts (Cody and Waite).
func reduceTrig(g Machine, a Vec) (n, f Vec) {
	q := a.Mul(g.Num(0.63661977236758134308)).Round(ToEven)
	f = q.FNMA(g.Bits(0x3fc90fdb), a)
	f = q.FNMA(g.Bits(0xb33bbd2e), f)
	f = q.FNMA(g.Bits(0xa6f72ced), f)
	return q.ToInt(), f
}

// sinCosPoly returns sin(f) and cos(f) for |f| up to pi/4, after Cephes.
func sinCosPoly(g Machine, f Vec) (s, c Vec) {
	z := f.Mul(f)
	s = z.Poly(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
	s = s.Mul(z).FMA(f, f)
	c = z.Poly(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2, -0.5, 1)
	return s, c
}

// sin passes arguments that are too large through and raises the flag for them.
func sin(g Machine, x Vec) Vec {
	a := x.Abs()
	n, f := reduceTrig(g, a)
	s, c := sinCosPoly(g, f)
	r := n.ShiftLeft(31).SignMask().Blend(c, s)
	r = r.Xor(n.ShiftLeft(30).Xor(x).Sign())
	return large(g, x, a, r)
}

func cos(g Machine, x Vec) Vec {
	a := x.Abs()
	n, f := reduceTrig(g, a)
	s, c := sinCosPoly(g, f)
	r := n.ShiftLeft(31).SignMask().Blend(s, c)
	r = r.Xor(n.AddInt(g.Bits(1)).ShiftLeft(30).Sign())
	return large(g, x, a, r)
}

func large(g Machine, x, a, r Vec) Vec {
	out := a.Cmp(Greater, g.Num(trigLimit))
	g.Raise(out)
	return out.Blend(x, r)
}
