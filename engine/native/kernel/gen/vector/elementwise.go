package main

import "strings"

// one makes a loop body of a function of x.
func one(f func(g *gen, x vec) vec) func(*gen, map[string]vec) []vec {
	return func(g *gen, in map[string]vec) []vec { return []vec{f(g, in["x"])} }
}

const unaryParams = "dst *float32, x *float32"

// unaryLoops writes the functions of one argument.
func unaryLoops(g *gen) {
	for _, l := range []loop{
		{name: "neg", unroll: 4, body: one(func(g *gen, x vec) vec { return x.neg() })},
		{name: "abs", unroll: 4, body: one(func(g *gen, x vec) vec { return x.abs() })},
		{name: "sign", unroll: 2, body: one(signum)},
		{name: "square", unroll: 4, body: one(func(g *gen, x vec) vec { return x.mul(x) })},
		{name: "sqrt", unroll: 2, body: one(func(g *gen, x vec) vec { return x.sqrt() })},
		{name: "rsqrt", unroll: 2, body: one(func(g *gen, x vec) vec { return g.num(1).div(x.sqrt()) })},
		{name: "recip", unroll: 2, body: one(func(g *gen, x vec) vec { return g.num(1).div(x) })},
		{name: "exp", unroll: 4, narrow: 2, body: one(exp)},
		{name: "expm1", unroll: 4, narrow: 2, body: one(expm1)},
		{name: "log", unroll: 2, narrow: 2, body: one(log)},
		{name: "log1p", unroll: 2, narrow: 2, body: one(log1p)},
		{name: "tanh", unroll: 2, narrow: 2, body: one(tanh)},
		{name: "sigmoid", unroll: 4, narrow: 2, body: one(sigmoid)},
		{name: "silu", unroll: 3, narrow: 2, body: one(silu)},
		{name: "erf", unroll: 2, narrow: 2, body: one(erf)},
		{name: "floor", unroll: 4, body: one(func(g *gen, x vec) vec { return x.round(toDown) })},
		{name: "ceil", unroll: 4, body: one(func(g *gen, x vec) vec { return x.round(toUp) })},
		{name: "round", unroll: 4, body: one(func(g *gen, x vec) vec { return x.round(toEven) })},
		{name: "isFinite", unroll: 2,
			body: one(func(g *gen, x vec) vec { return x.abs().cmp(lt, g.bits(infBits)).one() })},
		{name: "isNaN", unroll: 2, body: one(func(g *gen, x vec) vec { return x.cmp(unord, x).one() })},
		{name: "not", unroll: 2, body: one(func(g *gen, x vec) vec { return x.cmp(eq, g.bits(0)).one() })},
		{name: "roundBF16", unroll: 2,
			body: one(func(g *gen, x vec) vec { return roundBF16(g, x).and(g.bits(0xffff0000)) })},
		{name: "sin", unroll: 2, narrow: 1, flag: true, body: one(sin)},
		{name: "cos", unroll: 2, narrow: 1, flag: true, body: one(cos)},
	} {
		l.params, l.hoist = unaryParams, 3
		l.emit(g)
	}
}

// binaryLoops writes the functions of two arguments: both vectors, or one a scalar.
func binaryLoops(g *gen) {
	truth := func(join func(a, b mask) mask) func(a, b vec) vec {
		return func(a, b vec) vec {
			zero := a.g.bits(0)
			return join(a.cmp(ne, zero), b.cmp(ne, zero)).one()
		}
	}
	compare := func(predicate int) func(a, b vec) vec {
		return func(a, b vec) vec { return a.cmp(predicate, b).one() }
	}
	for _, o := range []struct {
		name     string
		commutes bool // then one loop serves for a scalar on either side
		f        func(a, b vec) vec
	}{
		{"add", true, vec.add},
		{"sub", false, vec.sub},
		{"mul", true, vec.mul},
		{"div", false, vec.div},
		{"max", true, vec.max},
		{"min", true, vec.min},
		{"eq", true, compare(eq)},
		{"ne", true, compare(ne)},
		{"lt", false, compare(lt)},
		{"le", false, compare(le)},
		{"gt", false, compare(gt)},
		{"ge", false, compare(ge)},
		{"and", true, truth(mask.and)},
		{"or", true, truth(mask.or)},
		{"xor", true, truth(mask.xor)},
	} {
		unroll := 4
		if strings.Contains("and or xor", o.name) {
			unroll = 2 // two masks for each vector, and there are seven
		}
		body := func(_ *gen, in map[string]vec) []vec { return []vec{o.f(in["a"], in["b"])} }
		loop{name: o.name, params: "dst *float32, a *float32, b *float32", unroll: unroll, hoist: 2, body: body}.emit(g)
		loop{name: o.name + "VS", params: "dst *float32, a *float32, b float32", unroll: unroll, hoist: 2,
			body: body}.emit(g)
		if !o.commutes {
			loop{name: o.name + "SV", params: "dst *float32, a float32, b *float32", unroll: unroll, hoist: 2,
				body: body}.emit(g)
		}
	}
}

// fusedLoops writes the functions of three arguments and more.
func fusedLoops(g *gen) {
	mulAdd := func(g *gen, in map[string]vec) []vec { return []vec{in["a"].fma(in["b"], in["c"])} }
	for _, l := range []loop{
		{name: "mulAdd", params: "dst *float32, a *float32, b *float32, c *float32", body: mulAdd},
		{name: "mulAddS", params: "dst *float32, a *float32, b float32, c *float32", body: mulAdd},
		{name: "mulSub", params: "dst *float32, a *float32, b *float32, c *float32",
			body: func(g *gen, in map[string]vec) []vec { return []vec{in["a"].fms(in["b"], in["c"])} }},
		{name: "negMulAdd", params: "dst *float32, a *float32, b *float32, c *float32",
			body: func(g *gen, in map[string]vec) []vec { return []vec{in["a"].fnma(in["b"], in["c"])} }},
		{name: "lerp2", params: "dst *float32, a *float32, s1 float32, b *float32, s2 float32",
			body: func(g *gen, in map[string]vec) []vec {
				return []vec{in["a"].fma(in["s1"], in["b"].mul(in["s2"]))}
			}},
		{name: "affine", params: "dst *float32, a *float32, s float32, t float32",
			body: func(g *gen, in map[string]vec) []vec { return []vec{in["a"].fma(in["s"], in["t"])} }},
		{name: "selects", params: "dst *float32, cond *float32, a *float32, b *float32",
			body: func(g *gen, in map[string]vec) []vec {
				return []vec{in["cond"].cmp(ne, g.bits(0)).blend(in["a"], in["b"])}
			}},
		{name: "fill", params: "dst *float32, s float32",
			body: func(g *gen, in map[string]vec) []vec { return []vec{in["s"]} }},
	} {
		l.unroll, l.hoist = 4, 2
		l.emit(g)
	}
	adam(g)
}

// adam writes the update of an optimiser; see AdamConfig in package kernel for the formula.
func adam(g *gen) {
	loop{
		name: "adam",
		params: "both1 *float32, both2 *float32, both3 *float32, both4 *float32, grad *float32, " +
			"b1 float32, a1 float32, b2 float32, a2 float32, c1 float32, c2 float32, eps float32, wd float32, lr " +
			"float32, rate float32",
		unroll: 1, lazy: true,
		body: func(g *gen, in map[string]vec) []vec {
			p, ema, m, v, d := in["both1"], in["both2"], in["both3"], in["both4"], in["grad"]
			m = m.fma(g.arg("b1"), d.mul(g.arg("a1")))
			v = v.fma(g.arg("b2"), d.mul(d).mul(g.arg("a2")))
			u := m.mul(g.arg("c1")).div(v.mul(g.arg("c2")).sqrt().add(g.arg("eps")))
			u = p.fma(g.arg("wd"), u)
			p = u.fnma(g.arg("lr"), p)
			ema = p.sub(ema).fma(g.arg("rate"), ema)
			return []vec{p, ema, m, v}
		},
	}.emit(g)
}
