package formula

// Random lists what becomes of random bits.
func Random() []Loop {
	return []Loop{
		{Name: "uniform", Params: "dst *float32, x *uint32", Unroll: 4, Hoist: 2,
			Body: of(func(g Machine, x Vec) Vec {
				return x.ShiftRight(8).ToFloat().Mul(g.Num(1.0 / (1 << 24)))
			})},
		{Name: "boxMuller", Params: "both1 *float32, both2 *float32", Unroll: 1, Hoist: 0, Body: boxMuller},
	}
}

// boxMuller makes two normal numbers of two random words: one gives the radius,
// with 31 bits, the other the angle.
func boxMuller(g Machine, in map[string]Vec) []Vec {
	u := in["both1"].ShiftRight(1).ToFloat().FMA(g.Num(1.0/(1<<31)), g.Num(1.0/(1<<32)))
	m, e := u.Split()
	minusTwo := g.Num(-2)
	r := logParts(g, m.Sub(g.Num(1)), e).Mul(minusTwo)
	r = r.MaxOr(g.Bits(0)).Sqrt()
	// The angle in quarters of a turn, 24 bits.
	q := in["both2"].ShiftRight(8).ToFloat().Mul(g.Num(1.0 / (1 << 22)))
	n := q.Round(ToEven)
	s, c := sinCosPoly(g, q.Sub(n).Mul(g.Num(1.57079632679489661923)))
	i := n.ToInt()
	swap := i.ShiftLeft(31).SignMask()
	sin := swap.Blend(c, s).Xor(i.ShiftLeft(30).Sign())
	cos := swap.Blend(s, c).Xor(i.AddInt(g.Bits(1)).ShiftLeft(30).Sign())
	return []Vec{cos.Mul(r), sin.Mul(r)}
}
