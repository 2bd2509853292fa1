package main

const infBits = 0x7f800000

// signum returns 1 or -1 with the sign of x, and x where that is zero or NaN.
func signum(g *gen, x vec) vec {
	s := x.sign().or(g.num(1))
	return x.cmp(ne, g.bits(0)).and(x.cmp(eq, x)).blend(s, x)
}

// expCoefficients are a minimax polynomial of degree 6 for exp on half of
// [-ln 2, ln 2], of relative error 2^-28.
var expCoefficients = []float64{0.00138145394, 0.00836874545, 0.041668389, 0.166665211, 0.49999994, 1, 1}

// expLow is where exp is zero, with room for a factor of x in front.
const expLow = -110

// expParts returns p and a whole n with exp(x) = p * 2^n, for x in [-110, 89] or NaN.
func expParts(g *gen, x vec) (p, n vec) {
	n, f := reduceExp(g, x)
	return f.poly(expCoefficients...), n
}

// reduceExp returns a whole n and f in half of [-ln 2, ln 2] with x = n*ln2 + f.
func reduceExp(g *gen, x vec) (n, f vec) {
	n = x.mul(g.num(1.44269504088896341)).round(toEven)
	f = n.fnma(g.bits(0x3f317218), x) // the upper bits of ln 2; the sum is exact
	f = n.fnma(g.num(-1.904654299957768e-09), f)
	return n, f
}

func exp(g *gen, x vec) vec {
	x = g.num(89).minOr(g.num(expLow).maxOr(x))
	p, n := expParts(g, x)
	return p.scale(n)
}

func expm1(g *gen, x vec) vec {
	y := g.num(89).minOr(g.num(-30).maxOr(x))
	n, f := reduceExp(g, y)
	q := f.poly(0.000199137081, 0.00139404985, 0.00833327416, 0.0416663624, 0.166666672, 0.5)
	p := f.mul(f).fma(q, f)
	// 2*(s*p + s - 1/2) with s = 2^(n-1), which does not overflow where the result does not.
	s := g.num(0.5).scale(n)
	r := s.fma(p, s.sub(g.num(0.5)))
	r = r.add(r)
	// Small x keep all their bits, and a zero its sign.
	r = n.cmp(eq, g.bits(0)).blend(p, r)
	return r.or(x.sign())
}

// logParts returns log(m) for m = 1+f in [sqrt(1/2), sqrt(2)] plus e*log(2). The
// polynomial is that of the Cephes library by Moshier.
func logParts(g *gen, f, e vec) vec {
	z := f.mul(f)
	p := f.poly(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
		-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1)
	y := f.mul(z).mul(p)
	y = e.fma(g.num(1.428606765330187e-06), y)
	y = z.fnma(g.num(0.5), y)
	return e.fma(g.bits(0x3f317200), f.add(y))
}

// logSpecial corrects r = log(x) where x is not positive and finite.
func logSpecial(g *gen, x, r vec) vec {
	r = x.cmp(eq, g.bits(infBits)).blend(x, r)
	r = x.cmp(ge, g.bits(0)).blend(r, g.bits(0x7fc00000))
	r = x.cmp(eq, g.bits(0)).blend(g.bits(0xff800000), r)
	return x.cmp(unord, x).blend(x, r)
}

func log(g *gen, x vec) vec {
	m, e := x.split()
	return logSpecial(g, x, logParts(g, m.sub(g.num(1)), e))
}

func log1p(g *gen, x vec) vec {
	one := g.num(1)
	u := x.add(one)
	lost := x.sub(u.sub(one)) // by the sum, to the first order
	m, e := u.split()
	f := lost.scale(e.neg()).add(m.sub(one))
	r := logParts(g, f, e)
	r = logSpecial(g, u, r)
	// A zero keeps its sign.
	return x.cmp(eq, g.bits(0)).blend(x, r)
}

// tanh follows Cephes: a polynomial below 0.625, and 1 - 2/(exp(2x)+1) above.
func tanh(g *gen, x vec) vec {
	a := x.abs()
	p, n := expParts(g, g.num(30).minOr(a.add(a)))
	t := g.num(2).div(p.scale(n).add(g.num(1)))
	big := g.num(1).sub(t).or(x.sign())
	z := x.mul(x)
	q := z.poly(-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
	small := x.mul(z).fma(q, x)
	// A zero keeps its sign.
	return a.cmp(lt, g.num(0.625)).blend(small, big).or(x.sign())
}

// logistic returns top(x)/(1+exp(-x)). With -x = n*ln2 + f and exp(f) = 1+s the
// denominator is (1+2^n) + s*2^n, which is rounded once but where the bracket
// does not matter. For n > 64, where the 1 does not matter, the power of two that
// is too much comes last, so that denormals are rounded once as well.
func logistic(g *gen, x vec, top func(x vec) vec) vec {
	x = g.num(expLow).maxOr(x)
	z := g.num(40).minOr(x)
	n := z.mul(g.num(-1.44269504088896341)).round(toEven)
	f := n.fma(g.bits(0x3f317218), z) // this f has the other sign, and so do the odd coefficients
	f = n.fma(g.num(-1.904654299957768e-09), f)
	c := expCoefficients
	s := f.mul(f.poly(c[0], -c[1], c[2], -c[3], c[4], -1))
	k := n.minOr(g.num(64))
	power := k.powerOfTwo()
	d := power.fma(s, g.num(1)).add(power)
	return top(x).div(d).scaleDown(k.sub(n))
}

func sigmoid(g *gen, x vec) vec {
	return logistic(g, x, func(vec) vec { return g.num(1) })
}

func silu(g *gen, x vec) vec {
	return logistic(g, x, func(x vec) vec { return x })
}

// erf has the polynomials of Norbert Juffa: one in x for small x, and one for
// the exponent in 1 - exp(-...) for the rest.
func erf(g *gen, x vec) vec {
	a := x.abs()
	s := x.mul(x)
	r := a.poly(-1.72853470e-5, 3.83197126e-4)
	u := a.poly(-3.88396438e-3, 2.42546219e-2)
	r = r.fma(s, u)
	for _, c := range []float64{-1.06777877e-1, -6.34846687e-1, -1.28717512e-1} {
		r = r.fma(a, g.num(c))
	}
	r = r.fma(a, a.neg())
	p, n := expParts(g, g.num(expLow).maxOr(r))
	big := g.num(1).sub(p.scale(n)).or(x.sign())
	q := s.poly(-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1)
	small := q.fma(x, x)
	return a.cmp(gt, g.num(0.927734375)).blend(big, small)
}

// trigLimit is the largest argument that reduceTrig can do.
const trigLimit = 1e5

// reduceTrig returns n as an integer and f in half of [-pi/2, pi/2] with
// a = n*pi/2 + f. Pi/2 comes in three parts (Cody and Waite).
func reduceTrig(g *gen, a vec) (n, f vec) {
	q := a.mul(g.num(0.63661977236758134308)).round(toEven)
	f = q.fnma(g.bits(0x3fc90fdb), a)
	f = q.fnma(g.bits(0xb33bbd2e), f)
	f = q.fnma(g.bits(0xa6f72ced), f)
	return q.toInt(), f
}

// sinCosPoly returns sin(f) and cos(f) for |f| up to pi/4, after Cephes.
func sinCosPoly(g *gen, f vec) (s, c vec) {
	z := f.mul(f)
	s = z.poly(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
	s = s.mul(z).fma(f, f)
	c = z.poly(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2, -0.5, 1)
	return s, c
}

// sin passes arguments that are too large through and raises the flag for them.
func sin(g *gen, x vec) vec {
	a := x.abs()
	n, f := reduceTrig(g, a)
	s, c := sinCosPoly(g, f)
	r := n.shiftLeft(31).signMask().blend(c, s)
	r = r.xor(n.shiftLeft(30).xor(x).sign())
	return large(g, x, a, r)
}

func cos(g *gen, x vec) vec {
	a := x.abs()
	n, f := reduceTrig(g, a)
	s, c := sinCosPoly(g, f)
	r := n.shiftLeft(31).signMask().blend(s, c)
	r = r.xor(n.addInt(g.bits(1)).shiftLeft(30).sign())
	return large(g, x, a, r)
}

func large(g *gen, x, a, r vec) vec {
	out := a.cmp(gt, g.num(trigLimit))
	g.raise(out)
	return out.blend(x, r)
}
