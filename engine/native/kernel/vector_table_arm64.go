package kernel

import "math"

// assembly replaces loops in Go by those in assembly.
func assembly(v *Vector) {
	unaryTable(v)
	binaryTable(v)
	fusedTable(v)
	v.prim = assemblyPrimitives()
}

func unaryTable(v *Vector) {
	u := &v.Unary
	u[Neg] = negNEON
	u[Abs] = absNEON
	u[Sign] = signNEON
	u[Square] = squareNEON
	u[Sqrt] = sqrtNEON
	u[Rsqrt] = rsqrtNEON
	u[Recip] = recipNEON
	u[Exp] = expNEON
	u[Expm1] = expm1NEON
	u[Log] = logNEON
	u[Log1p] = log1pNEON
	u[Tanh] = tanhNEON
	u[Sigmoid] = sigmoidNEON
	u[SiLU] = siluNEON
	u[Erf] = erfNEON
	u[Floor] = floorNEON
	u[Ceil] = ceilNEON
	u[Round] = roundNEON
	u[IsFinite] = isFiniteNEON
	u[IsNaN] = isNaNNEON
	u[Not] = notNEON
	u[RoundBF16] = roundBF16NEON
	u[Sin], u[Cos] = ifAny(sinNEON, math.Sin), ifAny(cosNEON, math.Cos)
}

func binaryTable(v *Vector) {
	b, vs, sv := &v.Binary, &v.BinaryVS, &v.BinarySV
	b[Add], vs[Add], sv[Add] = addNEON, addVSNEON, swapped(addVSNEON)
	b[Sub], vs[Sub], sv[Sub] = subNEON, subVSNEON, subSVNEON
	b[Mul], vs[Mul], sv[Mul] = mulNEON, mulVSNEON, swapped(mulVSNEON)
	b[Div], vs[Div], sv[Div] = divNEON, divVSNEON, divSVNEON
	b[Max], vs[Max], sv[Max] = maxNEON, maxVSNEON, swapped(maxVSNEON)
	b[Min], vs[Min], sv[Min] = minNEON, minVSNEON, swapped(minVSNEON)
	b[Eq], vs[Eq], sv[Eq] = eqNEON, eqVSNEON, swapped(eqVSNEON)
	b[Ne], vs[Ne], sv[Ne] = neNEON, neVSNEON, swapped(neVSNEON)
	b[Lt], vs[Lt], sv[Lt] = ltNEON, ltVSNEON, ltSVNEON
	b[Le], vs[Le], sv[Le] = leNEON, leVSNEON, leSVNEON
	b[Gt], vs[Gt], sv[Gt] = gtNEON, gtVSNEON, gtSVNEON
	b[Ge], vs[Ge], sv[Ge] = geNEON, geVSNEON, geSVNEON
	b[And], vs[And], sv[And] = andNEON, andVSNEON, swapped(andVSNEON)
	b[Or], vs[Or], sv[Or] = orNEON, orVSNEON, swapped(orVSNEON)
	b[Xor], vs[Xor], sv[Xor] = xorNEON, xorVSNEON, swapped(xorVSNEON)
}

func fusedTable(v *Vector) {
	v.MulAdd, v.MulSub, v.NegMulAdd = mulAddNEON, mulSubNEON, negMulAddNEON
	v.MulAddS, v.Affine, v.Lerp2 = mulAddSNEON, affineNEON, lerp2NEON
	v.Select, v.Fill, v.Dot = selectsNEON, fillNEON, dotNEON
	v.Adam = func(n int, p, ema, m, v, g *float32, h *AdamConfig) {
		adamNEON(n, p, ema, m, v, g, h.Beta1, 1-h.Beta1, h.Beta2, 1-h.Beta2, h.C1, h.C2,
			h.Eps, h.WeightDecay, h.LR, 1-h.Decay)
	}
	v.FromI32, v.ToI32 = fromI32NEON, toI32NEON
	v.FromF64, v.ToF64 = inSixteens(fromF64NEON, v.FromF64), inSixteens(toF64NEON, v.ToF64)
	v.FromBool, v.ToBool = inSixteens(fromBoolNEON, v.FromBool), inSixteens(toBoolNEON, v.ToBool)
	v.FromBF16, v.ToBF16 = inSixteens(fromBF16NEON, v.FromBF16), inSixteens(toBF16NEON, v.ToBF16)
}

func assemblyPrimitives() *primitives {
	type reduce = func(rows, cols int, dst, x *float32, acc int)
	return &primitives{
		wide:  false,
		lanes: 4,
		row: [numReductions]reduce{sums: rowSumNEON, maxima: rowMaxNEON, minima: rowMinNEON,
			products: rowProdNEON},
		col: [numReductions]reduce{sums: colSumNEON, maxima: colMaxNEON, minima: colMinNEON,
			products: colProdNEON},
		copyRows:   copyRowsNEON,
		addRows:    addRowsNEON,
		expandRows: expandRowsNEON,
		transpose:  transposeRowsNEON,
		expand:     [5]func(n int, dst, x *float32){2: expand2NEON, 3: expand3NEON, 4: expand4NEON},
		philox:     philoxNEON,
		uniform:    uniformNEON,
		boxMuller:  boxMullerNEON,
	}
}
