package kernel

import "math"

// fmaGo rounds the sum of an exact product a second time only where float64 has
// rounded it already.
func fmaGo(a, b, c float32) float32 { return float32(float64(a)*float64(b) + float64(c)) }

func mulAddGo(n int, dst, a, b, c *float32) {
	d, x, y, z := slice(dst, n), slice(a, n), slice(b, n), slice(c, n)
	for i := range d {
		d[i] = fmaGo(x[i], y[i], z[i])
	}
}

func mulSubGo(n int, dst, a, b, c *float32) {
	d, x, y, z := slice(dst, n), slice(a, n), slice(b, n), slice(c, n)
	for i := range d {
		d[i] = fmaGo(x[i], y[i], -z[i])
	}
}

func negMulAddGo(n int, dst, a, b, c *float32) {
	d, x, y, z := slice(dst, n), slice(a, n), slice(b, n), slice(c, n)
	for i := range d {
		d[i] = fmaGo(-x[i], y[i], z[i])
	}
}

func mulAddSGo(n int, dst, a *float32, s float32, c *float32) {
	d, x, z := slice(dst, n), slice(a, n), slice(c, n)
	for i := range d {
		d[i] = fmaGo(x[i], s, z[i])
	}
}

func affineGo(n int, dst, a *float32, s, t float32) {
	d, x := slice(dst, n), slice(a, n)
	for i := range d {
		d[i] = fmaGo(x[i], s, t)
	}
}

func lerp2Go(n int, dst, a *float32, s1 float32, b *float32, s2 float32) {
	d, x, y := slice(dst, n), slice(a, n), slice(b, n)
	for i := range d {
		d[i] = fmaGo(x[i], s1, y[i]*s2)
	}
}

func selectGo(n int, dst, cond, a, b *float32) {
	d, c, x, y := slice(dst, n), slice(cond, n), slice(a, n), slice(b, n)
	for i := range d {
		if isTrue(c[i]) {
			d[i] = x[i]
		} else {
			d[i] = y[i]
		}
	}
}

func fillGo(n int, dst *float32, s float32) {
	d := slice(dst, n)
	for i := range d {
		d[i] = s
	}
}

func dotGo(n int, a, b *float32) float32 {
	x, y := slice(a, n), slice(b, n)
	var s float64
	for i := range x {
		s += float64(x[i]) * float64(y[i])
	}
	return float32(s)
}

func adamGo(n int, p, ema, m, v, g *float32, h *AdamConfig) {
	ps, es, ms, vs, gs := slice(p, n), slice(ema, n), slice(m, n), slice(v, n), slice(g, n)
	a1, a2, rate := 1-h.Beta1, 1-h.Beta2, 1-h.Decay
	for i, d := range gs {
		ms[i] = fmaGo(ms[i], h.Beta1, d*a1)
		vs[i] = fmaGo(vs[i], h.Beta2, d*d*a2)
		u := ms[i] * h.C1 / (float32(math.Sqrt(float64(vs[i]*h.C2))) + h.Eps)
		u = fmaGo(ps[i], h.WeightDecay, u)
		ps[i] = fmaGo(-u, h.LR, ps[i])
		es[i] = fmaGo(ps[i]-es[i], rate, es[i])
	}
}

type number interface {
	~uint8 | ~int32 | ~float32 | ~float64
}

func convertGo[From, To number](n int, dst *To, src *From) {
	d, s := slice(dst, n), slice(src, n)
	for i := range d {
		d[i] = To(s[i])
	}
}

func toBoolGo(n int, dst *uint8, src *float32) {
	d, s := slice(dst, n), slice(src, n)
	for i := range d {
		d[i] = uint8(truth(isTrue(s[i])))
	}
}

func fromBF16Go(n int, dst *float32, src *uint16) {
	d, s := slice(dst, n), slice(src, n)
	for i := range d {
		d[i] = math.Float32frombits(uint32(s[i]) << 16)
	}
}

func toBF16Go(n int, dst *uint16, src *float32) {
	d, s := slice(dst, n), slice(src, n)
	for i, x := range s {
		u := math.Float32bits(x)
		if x != x {
			d[i] = uint16((u | 0x00400000) >> 16)
			continue
		}
		d[i] = uint16((u + 0x7fff + u>>16&1) >> 16)
	}
}

// portablePrimitives returns primitives in Go.
func portablePrimitives() *primitives {
	p := &primitives{
		lanes:    16,
		copyRows: copyRowsGo, addRows: addRowsGo, expandRows: expandRowsGo, transpose: transposeGo,
		philox: philoxGo, uniform: uniformGo, boxMuller: boxMullerGo,
	}
	for k := range numReductions {
		p.row[k] = func(rows, cols int, dst, x *float32, acc int) { reduceRowsGo(k, rows, cols, dst, x, acc) }
		p.col[k] = func(rows, cols int, dst, x *float32, acc int) { reduceColsGo(k, rows, cols, dst, x, acc) }
	}
	for cols := 2; cols <= 4; cols++ {
		p.expand[cols] = func(n int, dst, x *float32) { expandRowsGo(n, cols, dst, cols, x, 1) }
	}
	return p
}

// reduceRowsGo sums in float64, which takes the place of several accumulators.
func reduceRowsGo(k reduction, rows, cols int, dst, x *float32, acc int) {
	d := slice(dst, rows)
	for r := range d {
		row := slice(at(x, r*cols), cols)
		s := float64(neutral[k])
		for _, y := range row {
			s = k.join64(s, float64(y))
		}
		if acc != 0 {
			s = k.join64(s, float64(d[r]))
		}
		d[r] = float32(s)
	}
}

func (k reduction) join64(a, b float64) float64 {
	switch k {
	case sums:
		return a + b
	case maxima:
		return max(a, b)
	case minima:
		return min(a, b)
	}
	return a * b
}

func reduceColsGo(k reduction, rows, cols int, dst, x *float32, acc int) {
	d, first := slice(dst, cols), 0
	if acc == 0 {
		copy(d, slice(x, cols))
		first = 1
	}
	for r := first; r < rows; r++ {
		for i, y := range slice(at(x, r*cols), cols) {
			d[i] = k.join(d[i], y)
		}
	}
}

func copyRowsGo(rows, cols int, dst *float32, ds int, src *float32, ss int) {
	for r := range rows {
		copy(slice(at(dst, r*ds), cols), slice(at(src, r*ss), cols))
	}
}

func addRowsGo(rows, cols int, dst *float32, ds int, src *float32, ss int) {
	for r := range rows {
		d, s := slice(at(dst, r*ds), cols), slice(at(src, r*ss), cols)
		for c := range d {
			d[c] += s[c]
		}
	}
}

func expandRowsGo(rows, cols int, dst *float32, ds int, src *float32, ss int) {
	for r := range rows {
		x := *at(src, r*ss)
		d := slice(at(dst, r*ds), cols)
		for c := range d {
			d[c] = x
		}
	}
}

func transposeGo(rows, cols int, dst *float32, ds int, src *float32, ss int) {
	for c := range cols {
		d := slice(at(dst, c*ds), rows)
		for r := range d {
			d[r] = *at(src, r*ss+c)
		}
	}
}
