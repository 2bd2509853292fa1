package formula

import (
	"cmp"
	"strings"
)

// of makes a loop body of a function of x.
func of(f func(g Machine, x Vec) Vec) func(Machine, map[string]Vec) []Vec {
	return func(g Machine, in map[string]Vec) []Vec { return []Vec{f(g, in["x"])} }
}

// Unary lists the functions of one argument.
func Unary() []Loop {
	out := []Loop{
		{Name: "neg", Unroll: 4, Body: of(func(g Machine, x Vec) Vec { return x.Neg() })},
		{Name: "abs", Unroll: 4, Body: of(func(g Machine, x Vec) Vec { return x.Abs() })},
		{Name: "sign", Unroll: 2, Body: of(signum)},
		{Name: "square", Unroll: 4, Body: of(func(g Machine, x Vec) Vec { return x.Mul(x) })},
		{Name: "sqrt", Unroll: 2, Body: of(func(g Machine, x Vec) Vec { return x.Sqrt() })},
		{Name: "rsqrt", Unroll: 2, Body: of(func(g Machine, x Vec) Vec { return g.Num(1).Div(x.Sqrt()) })},
		{Name: "recip", Unroll: 2, Body: of(func(g Machine, x Vec) Vec { return g.Num(1).Div(x) })},
		{Name: "exp", Unroll: 4, Narrow: 2, Body: of(exp)},
		{Name: "expm1", Unroll: 4, Narrow: 2, Body: of(expm1)},
		{Name: "log", Unroll: 2, Narrow: 2, Body: of(log)},
		{Name: "log1p", Unroll: 2, Narrow: 1, Body: of(log1p)},
		{Name: "tanh", Unroll: 2, Narrow: 2, Body: of(tanh)},
		{Name: "sigmoid", Unroll: 4, Narrow: 2, Body: of(sigmoid)},
		{Name: "silu", Unroll: 3, Narrow: 2, Body: of(silu)},
		{Name: "erf", Unroll: 2, Narrow: 2, Hoist: 2, Body: of(erf)},
		{Name: "floor", Unroll: 4, Body: of(func(g Machine, x Vec) Vec { return x.Round(Down) })},
		{Name: "ceil", Unroll: 4, Body: of(func(g Machine, x Vec) Vec { return x.Round(Up) })},
		{Name: "round", Unroll: 4, Body: of(func(g Machine, x Vec) Vec { return x.Round(ToEven) })},
		{Name: "isFinite", Unroll: 2,
			Body: of(func(g Machine, x Vec) Vec { return x.Abs().Cmp(Less, g.Bits(infBits)).One() })},
		{Name: "isNaN", Unroll: 2, Body: of(func(g Machine, x Vec) Vec { return x.IsNaN().One() })},
		{Name: "not", Unroll: 2, Body: of(func(g Machine, x Vec) Vec { return x.Cmp(Equal, g.Bits(0)).One() })},
		{Name: "roundBF16", Unroll: 2,
			Body: of(func(g Machine, x Vec) Vec { return RoundBF16(g, x).And(g.Bits(0xffff0000)) })},
		{Name: "sin", Unroll: 2, Narrow: 1, Flag: true, Body: of(sin)},
		{Name: "cos", Unroll: 2, Narrow: 1, Flag: true, Body: of(cos)},
	}
	for i := range out {
		out[i].Params, out[i].Hoist = "dst *float32, x *float32", cmp.Or(out[i].Hoist, 3)
	}
	return out
}

// Binary lists the functions of two arguments: both vectors, or one a scalar.
func Binary() (out []Loop) {
	type function = func(g Machine, a, b Vec) Vec
	plain := func(f func(a, b Vec) Vec) function { return func(_ Machine, a, b Vec) Vec { return f(a, b) } }
	truth := func(join func(a, b Mask) Mask) function {
		return func(g Machine, a, b Vec) Vec {
			zero := g.Bits(0)
			return join(a.Cmp(NotEqual, zero), b.Cmp(NotEqual, zero)).One()
		}
	}
	compare := func(p Predicate) function {
		return func(_ Machine, a, b Vec) Vec { return a.Cmp(p, b).One() }
	}
	for _, o := range []struct {
		name     string
		commutes bool // then one loop serves for a scalar on either side
		f        function
	}{
		{"add", true, plain(Vec.Add)},
		{"sub", false, plain(Vec.Sub)},
		{"mul", true, plain(Vec.Mul)},
		{"div", false, plain(Vec.Div)},
		{"max", true, plain(Vec.Max)},
		{"min", true, plain(Vec.Min)},
		{"eq", true, compare(Equal)},
		{"ne", true, compare(NotEqual)},
		{"lt", false, compare(Less)},
		{"le", false, compare(LessEqual)},
		{"gt", false, compare(Greater)},
		{"ge", false, compare(GreaterEqual)},
		{"and", true, truth(Mask.And)},
		{"or", true, truth(Mask.Or)},
		{"xor", true, truth(Mask.Xor)},
	} {
		unroll := 4
		if strings.Contains("and or xor", o.name) {
			unroll = 2 // two masks for each vector, and there are seven
		}
		add := func(name, params string) {
			out = append(out, Loop{Name: o.name + name, Params: params, Unroll: unroll, Hoist: 2,
				Body: func(g Machine, in map[string]Vec) []Vec { return []Vec{o.f(g, in["a"], in["b"])} }})
		}
		add("", "dst *float32, a *float32, b *float32")
		add("VS", "dst *float32, a *float32, b float32")
		if !o.commutes {
			add("SV", "dst *float32, a float32, b *float32")
		}
	}
	return out
}

// Fused lists the functions of three arguments and more.
func Fused() []Loop {
	mulAdd := func(g Machine, in map[string]Vec) []Vec { return []Vec{in["a"].FMA(in["b"], in["c"])} }
	out := []Loop{
		{Name: "mulAdd", Params: "dst *float32, a *float32, b *float32, c *float32", Body: mulAdd},
		{Name: "mulAddS", Params: "dst *float32, a *float32, b float32, c *float32", Body: mulAdd},
		{Name: "mulSub", Params: "dst *float32, a *float32, b *float32, c *float32",
			Body: func(g Machine, in map[string]Vec) []Vec { return []Vec{in["a"].FMS(in["b"], in["c"])} }},
		{Name: "negMulAdd", Params: "dst *float32, a *float32, b *float32, c *float32",
			Body: func(g Machine, in map[string]Vec) []Vec { return []Vec{in["a"].FNMA(in["b"], in["c"])} }},
		{Name: "lerp2", Params: "dst *float32, a *float32, s1 float32, b *float32, s2 float32",
			Body: func(g Machine, in map[string]Vec) []Vec {
				return []Vec{in["a"].FMA(in["s1"], in["b"].Mul(in["s2"]))}
			}},
		{Name: "affine", Params: "dst *float32, a *float32, s float32, t float32",
			Body: func(g Machine, in map[string]Vec) []Vec { return []Vec{in["a"].FMA(in["s"], in["t"])} }},
		{Name: "selects", Params: "dst *float32, cond *float32, a *float32, b *float32",
			Body: func(g Machine, in map[string]Vec) []Vec {
				return []Vec{in["cond"].Cmp(NotEqual, g.Bits(0)).Blend(in["a"], in["b"])}
			}},
		{Name: "fill", Params: "dst *float32, s float32",
			Body: func(g Machine, in map[string]Vec) []Vec { return []Vec{in["s"]} }},
	}
	for i := range out {
		out[i].Unroll, out[i].Hoist = 4, 2
	}
	return append(out, adam())
}

// adam is the update of an optimiser; see AdamConfig in package kernel for the formula.
func adam() Loop {
	return Loop{
		Name: "adam",
		Params: "both1 *float32, both2 *float32, both3 *float32, both4 *float32, grad *float32, " +
			"b1 float32, a1 float32, b2 float32, a2 float32, c1 float32, c2 float32, eps float32, wd float32, lr " +
			"float32, rate float32",
		Unroll: 1, Lazy: true,
		Body: func(g Machine, in map[string]Vec) []Vec {
			p, ema, m, v, d := in["both1"], in["both2"], in["both3"], in["both4"], in["grad"]
			m = m.FMA(g.Arg("b1"), d.Mul(g.Arg("a1")))
			v = v.FMA(g.Arg("b2"), d.Mul(d).Mul(g.Arg("a2")))
			u := m.Mul(g.Arg("c1")).Div(v.Mul(g.Arg("c2")).Sqrt().Add(g.Arg("eps")))
			u = p.FMA(g.Arg("wd"), u)
			p = u.FNMA(g.Arg("lr"), p)
			ema = p.Sub(ema).FMA(g.Arg("rate"), ema)
			return []Vec{p, ema, m, v}
		},
	}
}
