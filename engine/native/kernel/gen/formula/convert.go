package formula

// Integers lists the conversions between float32 and 32-bit integers.
func Integers() []Loop {
	return []Loop{
		{Name: "fromI32", Params: "dst *float32, x *int32", Unroll: 4,
			Body: of(func(_ Machine, x Vec) Vec { return x.ToFloat() })},
		{Name: "toI32", Params: "dst *int32, x *float32", Unroll: 4,
			Body: of(func(_ Machine, x Vec) Vec { return x.Truncate() })},
	}
}

// RoundBF16 rounds x to bfloat16, in the upper half; what the lower half has does
// not matter.
func RoundBF16(g Machine, x Vec) Vec {
	// Rounding to even adds just less than a half, and the rest where the result would be odd.
	odd := x.ShiftRight(16).And(g.Bits(1))
	r := x.AddInt(g.Bits(0x7fff)).AddInt(odd)
	return x.IsNaN().Blend(x.Or(g.Bits(0x00400000)), r)
}
