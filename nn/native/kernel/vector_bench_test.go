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
