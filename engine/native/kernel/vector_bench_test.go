package kernel

import "testing"

// nsPerElement reports the time of a loop over strips of n.
func nsPerElement(b *testing.B, n int, f func()) {
	b.Helper()
	for b.Loop() {
		f()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/element")
}

const strip = 1024

func BenchmarkUnary(b *testing.B) {
	x, y := plain(newRand(), strip), make([]float32, strip)
	for _, l := range Levels() {
		for op, f := range VectorAt(l).Unary {
			b.Run(l.String()+"/"+unaryNames[op], func(b *testing.B) {
				nsPerElement(b, strip, func() { f(strip, &y[0], &x[0]) })
			})
		}
	}
}

func BenchmarkBinary(b *testing.B) {
	r := newRand()
	x, y, z := plain(r, strip), plain(r, strip), make([]float32, strip)
	for _, l := range Levels() {
		for op, f := range VectorAt(l).Binary {
			b.Run(l.String()+"/"+binaryNames[op], func(b *testing.B) {
				nsPerElement(b, strip, func() { f(strip, &z[0], &x[0], &y[0]) })
			})
		}
	}
}

func BenchmarkFused(b *testing.B) {
	r := newRand()
	x, y, z, u, w := plain(r, strip), plain(r, strip), plain(r, strip), make([]float32, strip), make([]float32, strip)
	for _, l := range Levels() {
		v := VectorAt(l)
		for _, k := range []struct {
			name string
			run  func()
		}{
			{"MulAdd", func() { v.MulAdd(strip, &u[0], &x[0], &y[0], &z[0]) }},
			{"Lerp2", func() { v.Lerp2(strip, &u[0], &x[0], 2, &y[0], 3) }},
			{"Select", func() { v.Select(strip, &u[0], &x[0], &y[0], &z[0]) }},
			{"Fill", func() { v.Fill(strip, &u[0], 1) }},
			{"Sum", func() { v.Sum(strip, &x[0]) }},
			{"MaxOf", func() { v.MaxOf(strip, &x[0]) }},
			{"Dot", func() { v.Dot(strip, &x[0], &y[0]) }},
			{"Adam", func() { v.Adam(strip, &x[0], &y[0], &z[0], &u[0], &w[0], &AdamConfig{Eps: 1}) }},
		} {
			b.Run(l.String()+"/"+k.name, func(b *testing.B) { nsPerElement(b, strip, k.run) })
		}
	}
}

func BenchmarkShapes(b *testing.B) {
	const big = 1 << 14
	r := newRand()
	x, y := plain(r, big), make([]float32, 2*big)
	p, q := &x[0], &y[0]
	for _, l := range Levels() {
		v := VectorAt(l)
		for _, k := range []struct {
			name string
			n    int
			run  func()
		}{
			{"SumAxis 1x256x64", 256 * 64, func() { v.SumAxis(1, 256, 64, q, p, false) }},
			{"SumAxis 1x1024x16", 1024 * 16, func() { v.SumAxis(1, 1024, 16, q, p, false) }},
			{"SumAxis 256x64x1", 256 * 64, func() { v.SumAxis(256, 64, 1, q, p, false) }},
			{"SumAxis 1024x2x1", 2048, func() { v.SumAxis(1024, 2, 1, q, p, false) }},
			{"SumAxis 1x256x2", 512, func() { v.SumAxis(1, 256, 2, q, p, false) }},
			{"SumAxis 1x256x3", 768, func() { v.SumAxis(1, 256, 3, q, p, false) }},
			{"Expand 256x2", 512, func() { v.Expand(256, 2, q, p) }},
			{"Expand 256x64", 256 * 64, func() { v.Expand(256, 64, q, p) }},
			{"Tile 256x64", 256 * 64, func() { v.Tile(256, 64, q, p) }},
			{"Tile 256x2", 512, func() { v.Tile(256, 2, q, p) }},
			{"CopyRows 256x1", 256, func() { v.CopyRows(256, 1, q, 3, p, 1) }},
			{"CopyRows 256x2", 512, func() { v.CopyRows(256, 2, q, 3, p, 2) }},
			{"CopyRows 256x32", 256 * 32, func() { v.CopyRows(256, 32, q, 64, p, 32) }},
			{"Transpose 128x128", 128 * 128, func() { v.Transpose(128, 128, q, 128, p, 128) }},
			{"Transpose 256x2", 512, func() { v.Transpose(256, 2, q, 256, p, 2) }},
			{"ToBF16", strip, func() { v.ToBF16(strip, as[uint16](q), p) }},
			{"FromF64", strip, func() { v.FromF64(strip, q, as[float64](p)) }},
		} {
			b.Run(l.String()+"/"+k.name, func(b *testing.B) { nsPerElement(b, k.n, k.run) })
		}
	}
}
