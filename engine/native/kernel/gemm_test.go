package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// eachMatrix runs a test for every level of this CPU.
func eachMatrix(t *testing.T, run func(t *testing.T, m *Matrix)) {
	for _, l := range Levels() {
		t.Run(l.String(), func(t *testing.T) { run(t, MatrixAt(l)) })
	}
}

func normals(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func head(x []float32) *float32 { return unsafe.SliceData(x) }

// product is a matrix product in float64, and the sum of magnitudes of each element.
func product64(mm, n, k int, a []float32, ars, acs int, b []float32, brs, bcs int,
	start func(i, j int) float64) (c, size []float64) {
	for i := range mm {
		for j := range n {
			s := start(i, j)
			abs := math.Abs(s)
			for l := range k {
				p := float64(a[i*ars+l*acs]) * float64(b[l*brs+j*bcs])
				s += p
				abs += math.Abs(p)
			}
			c, size = append(c, s), append(size, abs)
		}
	}
	return c, size
}

// checkProduct compares C with the reference, and what is around C with guard.
func checkProduct(t *testing.T, what string, mm, n, k, ldc int, got []float32, want, size []float64, guard float32) {
	t.Helper()
	const eps = 1.0 / (1 << 23)
	for x, g := range got {
		i, j := x/ldc, x%ldc
		if i >= mm || j >= n {
			if g != guard {
				t.Fatalf("%s: wrote outside C at row %d column %d", what, i, j)
			}
			continue
		}
		w, bound := want[i*n+j], float64(k+4)*eps*size[i*n+j]
		if !(math.Abs(float64(g)-w) <= bound) && !(math.IsNaN(w) && g != g) && float64(g) != w {
			t.Fatalf("%s: C[%d,%d] = %g; want %g within %g", what, i, j, g, w, bound)
		}
	}
}

// oneProduct tests a product of the given sizes with all forms of A and B.
func oneProduct(t *testing.T, m *Matrix, r *rand.Rand, mm, n, k int, work *Work) {
	const guard = 12345
	for form := range 24 {
		transA, kindB, acc, withBias := form&1 != 0, form/2%3, form/6&1 != 0, form/12&1 != 0
		ars, acs := k+r.IntN(3), 1
		if transA {
			ars, acs = 1, mm+r.IntN(3)
		} else if r.IntN(4) == 0 {
			ars, acs = 2*k+1, 2
		}
		brs, bcs := n+r.IntN(3), 1
		if kindB == 1 {
			brs, bcs = 1, k+r.IntN(3)
		} else if kindB == 2 && r.IntN(4) == 0 {
			brs, bcs = 2*n, 2
		}
		a := normals(r, max(0, mm-1)*ars+max(0, k-1)*acs+1)
		b := normals(r, max(0, k-1)*brs+max(0, n-1)*bcs+1)
		bias := normals(r, n+1)
		ldc := n + r.IntN(4)
		c := make([]float32, (mm+2)*ldc)
		for i := range c {
			c[i] = guard
		}
		for i := range mm {
			copy(c[i*ldc:i*ldc+n], normals(r, n))
		}
		old := append([]float32(nil), c...)
		start := func(i, j int) float64 {
			if acc {
				return float64(old[i*ldc+j])
			} else if withBias {
				return float64(bias[j])
			}
			return 0
		}
		pb := head(bias)
		if !withBias {
			pb = nil
		}
		what := fmt.Sprintf("%dx%dx%d ars=%d acs=%d brs=%d bcs=%d acc=%v bias=%v",
			mm, n, k, ars, acs, brs, bcs, acc, withBias)
		if kindB == 2 && bcs == 1 {
			m.Mul(mm, n, k, head(a), ars, acs, head(b), brs, head(c), ldc, pb, acc, work)
		} else {
			bp := make([]float32, m.PackedLen(k, n)+1)
			bp[len(bp)-1] = guard
			half := m.panels(n) / 2
			m.Pack(head(bp), k, n, head(b), brs, bcs, half, m.panels(n))
			m.Pack(head(bp), k, n, head(b), brs, bcs, 0, half)
			if bp[len(bp)-1] != guard {
				t.Fatalf("%s: Pack wrote past its end", what)
			}
			m.MulPacked(mm, n, k, head(a), ars, acs, head(bp), head(c), ldc, pb, acc, work)
		}
		want, size := product64(mm, n, k, a, ars, acs, b, brs, bcs, start)
		if ldc > 0 {
			checkProduct(t, what, mm, n, k, ldc, c, want, size, guard)
		}
	}
}

func TestMul(t *testing.T) {
	eachMatrix(t, func(t *testing.T, m *Matrix) {
		r := rand.New(rand.NewPCG(1, 2))
		var work Work
		for _, s := range [][3]int{
			{0, 5, 5}, {5, 0, 5}, {5, 5, 0}, {1, 1, 1}, {1, 40, 7}, {33, 2, 3}, {64, 64, 64}, {200, 3, 9},
			{3, 200, 300}, {200, 170, 30}, {30, 600, 20}, {31, 33, 600}, {185, 300, 270},
		} {
			oneProduct(t, m, r, s[0], s[1], s[2], &work)
		}
		for range 60 {
			oneProduct(t, m, r, 1+r.IntN(50), 1+r.IntN(100), 1+r.IntN(70), &work)
		}
	})
}

// TestMulRows tests every number of rows with every number of columns of a panel.
func TestMulRows(t *testing.T) {
	eachMatrix(t, func(t *testing.T, m *Matrix) {
		r := rand.New(rand.NewPCG(3, 4))
		var work Work
		for rows := 1; rows <= 17; rows++ {
			for n := 1; n <= 33; n++ {
				oneProduct(t, m, r, rows, n, 1+(rows+n)%5, &work)
			}
		}
	})
}

// TestMulNotFinite: what is not a number must not be lost, nor spread to others.
func TestMulNotFinite(t *testing.T) {
	eachMatrix(t, func(t *testing.T, m *Matrix) {
		const mm, n, k = 20, 37, 50
		r := rand.New(rand.NewPCG(5, 6))
		a, b := normals(r, mm*k), normals(r, k*n)
		a[7*k+3], a[9*k+4], b[5*n+36] = float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))
		bp, c := make([]float32, m.PackedLen(k, n)), make([]float32, mm*n)
		m.Pack(head(bp), k, n, head(b), n, 1, 0, m.panels(n))
		m.MulPacked(mm, n, k, head(a), k, 1, head(bp), head(c), n, nil, false, &Work{})
		want, size := product64(mm, n, k, a, k, 1, b, n, 1, func(int, int) float64 { return 0 })
		for i, w := range want {
			if math.IsInf(w, 0) || math.IsNaN(w) {
				size[i] = 0
			}
		}
		checkProduct(t, "not finite", mm, n, k, n, c, want, size, 0)
	})
}

func TestPeakFLOPS(t *testing.T) {
	eachMatrix(t, func(t *testing.T, m *Matrix) {
		if p := m.PeakFLOPS(0.01); !(p > 1e6 && p < 1e13) {
			t.Errorf("%g operations a second", p)
		}
	})
}

var peaks = map[*Matrix]float64{}

// benchMatrix measures the peak that report compares with.
func benchMatrix(l Level) *Matrix {
	m := MatrixAt(l)
	peaks[m] = m.PeakFLOPS(0.1)
	return m
}

func report(b *testing.B, m *Matrix, flop float64) {
	f := flop * float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(f/1e9, "GFLOP/s")
	b.ReportMetric(100*f/peaks[m], "%peak")
}

func BenchmarkMul(b *testing.B) {
	for _, l := range Levels() {
		m := benchMatrix(l)
		for _, s := range [][3]int{
			{512, 512, 512}, {4096, 512, 512}, {32, 256, 256}, {128, 256, 256}, {256, 512, 512}, {32, 64, 64},
			{256, 64, 64},
			{256, 64, 3}, {256, 512, 3}, {256, 2, 512}, {256, 512, 2}, {1, 512, 512},
		} {
			mm, n, k := s[0], s[1], s[2]
			r := rand.New(rand.NewPCG(1, 1))
			x, y, c := normals(r, mm*k), normals(r, k*n), make([]float32, max(mm, k)*n)
			bp := make([]float32, m.PackedLen(k, n))
			m.Pack(head(bp), k, n, head(y), n, 1, 0, m.panels(n))
			var work Work
			name := fmt.Sprintf("%v/%dx%dx%d", l, mm, n, k)
			flop := 2 * float64(mm) * float64(n) * float64(k)
			b.Run(name+"/packed", func(b *testing.B) {
				for range b.N {
					m.MulPacked(mm, n, k, head(x), k, 1, head(bp), head(c), n, nil, false, &work)
				}
				report(b, m, flop)
			})
			b.Run(name+"/plain", func(b *testing.B) {
				for range b.N {
					m.Mul(mm, n, k, head(x), k, 1, head(y), n, head(c), n, nil, false, &work)
				}
				report(b, m, flop)
			})
			// The gradient of weights: C[k,n] += XᵀdY over rows mm.
			dy := normals(r, mm*n)
			b.Run(name+"/grad", func(b *testing.B) {
				for range b.N {
					m.Mul(k, n, mm, head(x), 1, k, head(dy), n, head(c), n, nil, true, &work)
				}
				report(b, m, flop)
			})
		}
	}
}
