package kernel

import "math"

// assembly replaces loops in Go by those that the level of v has in assembly.
func assembly(v *Vector) {
	switch v.Level {
	case AVX512, AMX: // tiles multiply, and do nothing else
		unaryAVX512Table(v)
		binaryAVX512Table(v)
		fusedAVX512Table(v)
		v.prim = primitivesAVX512()
	case AVX2:
		unaryAVX2Table(v)
		binaryAVX2Table(v)
		fusedAVX2Table(v)
		v.prim = primitivesAVX2()
	}
}

func unaryAVX512Table(v *Vector) {
	u := &v.Unary
	u[Neg] = negAVX512
	u[Abs] = absAVX512
	u[Sign] = signAVX512
	u[Square] = squareAVX512
	u[Sqrt] = sqrtAVX512
	u[Rsqrt] = rsqrtAVX512
	u[Recip] = recipAVX512
	u[Exp] = expAVX512
	u[Expm1] = expm1AVX512
	u[Log] = logAVX512
	u[Log1p] = log1pAVX512
	u[Tanh] = tanhAVX512
	u[Sigmoid] = sigmoidAVX512
	u[SiLU] = siluAVX512
	u[Erf] = erfAVX512
	u[Floor] = floorAVX512
	u[Ceil] = ceilAVX512
	u[Round] = roundAVX512
	u[IsFinite] = isFiniteAVX512
	u[IsNaN] = isNaNAVX512
	u[Not] = notAVX512
	u[RoundBF16] = roundBF16AVX512
	u[Sin], u[Cos] = ifAny(sinAVX512, math.Sin), ifAny(cosAVX512, math.Cos)
}

func binaryAVX512Table(v *Vector) {
	b, vs, sv := &v.Binary, &v.BinaryVS, &v.BinarySV
	b[Add], vs[Add], sv[Add] = addAVX512, addVSAVX512, swapped(addVSAVX512)
	b[Sub], vs[Sub], sv[Sub] = subAVX512, subVSAVX512, subSVAVX512
	b[Mul], vs[Mul], sv[Mul] = mulAVX512, mulVSAVX512, swapped(mulVSAVX512)
	b[Div], vs[Div], sv[Div] = divAVX512, divVSAVX512, divSVAVX512
	b[Max], vs[Max], sv[Max] = maxAVX512, maxVSAVX512, swapped(maxVSAVX512)
	b[Min], vs[Min], sv[Min] = minAVX512, minVSAVX512, swapped(minVSAVX512)
	b[Eq], vs[Eq], sv[Eq] = eqAVX512, eqVSAVX512, swapped(eqVSAVX512)
	b[Ne], vs[Ne], sv[Ne] = neAVX512, neVSAVX512, swapped(neVSAVX512)
	b[Lt], vs[Lt], sv[Lt] = ltAVX512, ltVSAVX512, ltSVAVX512
	b[Le], vs[Le], sv[Le] = leAVX512, leVSAVX512, leSVAVX512
	b[Gt], vs[Gt], sv[Gt] = gtAVX512, gtVSAVX512, gtSVAVX512
	b[Ge], vs[Ge], sv[Ge] = geAVX512, geVSAVX512, geSVAVX512
	b[And], vs[And], sv[And] = andAVX512, andVSAVX512, swapped(andVSAVX512)
	b[Or], vs[Or], sv[Or] = orAVX512, orVSAVX512, swapped(orVSAVX512)
	b[Xor], vs[Xor], sv[Xor] = xorAVX512, xorVSAVX512, swapped(xorVSAVX512)
}

func fusedAVX512Table(v *Vector) {
	v.MulAdd, v.MulSub, v.NegMulAdd = mulAddAVX512, mulSubAVX512, negMulAddAVX512
	v.MulAddS, v.Affine, v.Lerp2 = mulAddSAVX512, affineAVX512, lerp2AVX512
	v.Select, v.Fill, v.Dot = selectsAVX512, fillAVX512, dotAVX512
	v.Adam = func(n int, p, ema, m, v, g *float32, h *AdamConfig) {
		adamAVX512(n, p, ema, m, v, g, h.Beta1, 1-h.Beta1, h.Beta2, 1-h.Beta2, h.C1, h.C2,
			h.Eps, h.WeightDecay, h.LR, 1-h.Decay)
	}
	v.FromI32, v.ToI32 = fromI32AVX512, toI32AVX512
	v.FromF64, v.ToF64 = inSixteens(fromF64AVX512, v.FromF64), inSixteens(toF64AVX512, v.ToF64)
	v.FromBool, v.ToBool = inSixteens(fromBoolAVX512, v.FromBool), inSixteens(toBoolAVX512, v.ToBool)
	v.FromBF16, v.ToBF16 = inSixteens(fromBF16AVX512, v.FromBF16), inSixteens(toBF16AVX512, v.ToBF16)
}

func primitivesAVX512() *primitives {
	type reduce = func(rows, cols int, dst, x *float32, acc int)
	return &primitives{
		wide:  true,
		lanes: 16,
		row: [numReductions]reduce{sums: rowSumAVX512, maxima: rowMaxAVX512, minima: rowMinAVX512,
			products: rowProdAVX512},
		col: [numReductions]reduce{sums: colSumAVX512, maxima: colMaxAVX512, minima: colMinAVX512,
			products: colProdAVX512},
		copyRows:   copyRowsAVX512,
		addRows:    addRowsAVX512,
		expandRows: expandRowsAVX512,
		transpose:  transposeRowsAVX512,
		expand:     [5]func(n int, dst, x *float32){2: expand2AVX512, 3: expand3AVX512, 4: expand4AVX512},
		philox:     philoxAVX512,
		uniform:    uniformAVX512,
		boxMuller:  boxMullerAVX512,
	}
}

func unaryAVX2Table(v *Vector) {
	u := &v.Unary
	u[Neg] = negAVX2
	u[Abs] = absAVX2
	u[Sign] = signAVX2
	u[Square] = squareAVX2
	u[Sqrt] = sqrtAVX2
	u[Rsqrt] = rsqrtAVX2
	u[Recip] = recipAVX2
	u[Exp] = expAVX2
	u[Expm1] = expm1AVX2
	u[Log] = logAVX2
	u[Log1p] = log1pAVX2
	u[Tanh] = tanhAVX2
	u[Sigmoid] = sigmoidAVX2
	u[SiLU] = siluAVX2
	u[Erf] = erfAVX2
	u[Floor] = floorAVX2
	u[Ceil] = ceilAVX2
	u[Round] = roundAVX2
	u[IsFinite] = isFiniteAVX2
	u[IsNaN] = isNaNAVX2
	u[Not] = notAVX2
	u[RoundBF16] = roundBF16AVX2
	u[Sin], u[Cos] = ifAny(sinAVX2, math.Sin), ifAny(cosAVX2, math.Cos)
}

func binaryAVX2Table(v *Vector) {
	b, vs, sv := &v.Binary, &v.BinaryVS, &v.BinarySV
	b[Add], vs[Add], sv[Add] = addAVX2, addVSAVX2, swapped(addVSAVX2)
	b[Sub], vs[Sub], sv[Sub] = subAVX2, subVSAVX2, subSVAVX2
	b[Mul], vs[Mul], sv[Mul] = mulAVX2, mulVSAVX2, swapped(mulVSAVX2)
	b[Div], vs[Div], sv[Div] = divAVX2, divVSAVX2, divSVAVX2
	b[Max], vs[Max], sv[Max] = maxAVX2, maxVSAVX2, swapped(maxVSAVX2)
	b[Min], vs[Min], sv[Min] = minAVX2, minVSAVX2, swapped(minVSAVX2)
	b[Eq], vs[Eq], sv[Eq] = eqAVX2, eqVSAVX2, swapped(eqVSAVX2)
	b[Ne], vs[Ne], sv[Ne] = neAVX2, neVSAVX2, swapped(neVSAVX2)
	b[Lt], vs[Lt], sv[Lt] = ltAVX2, ltVSAVX2, ltSVAVX2
	b[Le], vs[Le], sv[Le] = leAVX2, leVSAVX2, leSVAVX2
	b[Gt], vs[Gt], sv[Gt] = gtAVX2, gtVSAVX2, gtSVAVX2
	b[Ge], vs[Ge], sv[Ge] = geAVX2, geVSAVX2, geSVAVX2
	b[And], vs[And], sv[And] = andAVX2, andVSAVX2, swapped(andVSAVX2)
	b[Or], vs[Or], sv[Or] = orAVX2, orVSAVX2, swapped(orVSAVX2)
	b[Xor], vs[Xor], sv[Xor] = xorAVX2, xorVSAVX2, swapped(xorVSAVX2)
}

func fusedAVX2Table(v *Vector) {
	v.MulAdd, v.MulSub, v.NegMulAdd = mulAddAVX2, mulSubAVX2, negMulAddAVX2
	v.MulAddS, v.Affine, v.Lerp2 = mulAddSAVX2, affineAVX2, lerp2AVX2
	v.Select, v.Fill, v.Dot = selectsAVX2, fillAVX2, dotAVX2
	v.Adam = func(n int, p, ema, m, v, g *float32, h *AdamConfig) {
		adamAVX2(n, p, ema, m, v, g, h.Beta1, 1-h.Beta1, h.Beta2, 1-h.Beta2, h.C1, h.C2,
			h.Eps, h.WeightDecay, h.LR, 1-h.Decay)
	}
	v.FromI32, v.ToI32 = fromI32AVX2, toI32AVX2
	v.FromF64, v.ToF64 = inSixteens(fromF64AVX2, v.FromF64), inSixteens(toF64AVX2, v.ToF64)
	v.FromBool, v.ToBool = inSixteens(fromBoolAVX2, v.FromBool), inSixteens(toBoolAVX2, v.ToBool)
	v.FromBF16, v.ToBF16 = inSixteens(fromBF16AVX2, v.FromBF16), inSixteens(toBF16AVX2, v.ToBF16)
}

func primitivesAVX2() *primitives {
	type reduce = func(rows, cols int, dst, x *float32, acc int)
	return &primitives{
		wide:  false,
		lanes: 8,
		row: [numReductions]reduce{sums: rowSumAVX2, maxima: rowMaxAVX2, minima: rowMinAVX2,
			products: rowProdAVX2},
		col: [numReductions]reduce{sums: colSumAVX2, maxima: colMaxAVX2, minima: colMinAVX2,
			products: colProdAVX2},
		copyRows:   copyRowsAVX2,
		addRows:    addRowsAVX2,
		expandRows: expandRowsAVX2,
		transpose:  transposeRowsAVX2,
		expand:     [5]func(n int, dst, x *float32){2: expand2AVX2, 3: expand3AVX2, 4: expand4AVX2},
		philox:     philoxAVX2,
		uniform:    uniformAVX2,
		boxMuller:  boxMullerAVX2,
	}
}
