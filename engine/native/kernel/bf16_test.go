package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// eachBF16 runs a test for every level of this CPU, with and without instructions
// for bfloat16, also with those that are there and not in use.
func eachBF16(t *testing.T, run func(t *testing.T, m *Matrix)) {
	eachMatrix(t, func(t *testing.T, m *Matrix) {
		run(t, m)
		plain := *m
		plain.pairs = nil
		if m.HasBF16() {
			run(t, &plain)
		}
		if unused := unusedPairs(m); unused != nil {
			plain.pairs = unused
			run(t, &plain)
		}
	})
}

// operandBF16 returns numbers as an operand, and what they are once rounded.
func operandBF16(x []float32, half bool) (o BF16, rounded []float32) {
	h, rounded := make([]uint16, len(x)), make([]float32, len(x))
	toBF16Go(len(x), addressOf(h), addressOf(x))
	fromBF16Go(len(x), addressOf(rounded), addressOf(h))
	if half {
		return BF16{Half: addressOf(h)}, rounded
	}
	return BF16{Float: addressOf(x)}, rounded
}

// strides draws those of a matrix: by rows, by columns, or with gaps everywhere.
func strides(r *rand.Rand, rows, cols int) (rs, cs int) {
	switch r.IntN(5) {
	case 0, 1:
		return cols + r.IntN(3), 1
	case 2, 3:
		return 1, rows + r.IntN(3)
	}
	return 2*cols + 1, 2
}

// oneBF16 tests a product of drawn layouts.
func oneBF16(t *testing.T, m *Matrix, r *rand.Rand, mm, n, k int, work *Work) {
	t.Helper()
	const guard = 12345
	ars, acs := strides(r, mm, k)
	brs, bcs := strides(r, k, n)
	a, ra := operandBF16(normals(r, max(0, mm-1)*ars+max(0, k-1)*acs+1), r.IntN(2) == 0)
	b, rb := operandBF16(normals(r, max(0, k-1)*brs+max(0, n-1)*bcs+1), r.IntN(2) == 0)
	bias, ldc, acc := normals(r, n+1), n+r.IntN(4), r.IntN(3) == 0
	pb := head(bias)
	if acc || r.IntN(2) == 0 {
		pb = nil
	}
	c := make([]float32, (mm+2)*ldc)
	for i := range c {
		c[i] = guard
	}
	for i := range mm {
		copy(c[i*ldc:i*ldc+n], normals(r, n))
	}
	old := append([]float32(nil), c...)
	start := func(i, j int) float64 {
		switch {
		case acc:
			return float64(old[i*ldc+j])
		case pb != nil:
			return float64(bias[j])
		}
		return 0
	}
	packed := r.IntN(2) == 0
	what := fmt.Sprintf("%dx%dx%d ars=%d acs=%d brs=%d bcs=%d acc=%v bias=%v packed=%v half=%v,%v",
		mm, n, k, ars, acs, brs, bcs,
		acc, pb != nil, packed, a.Half != nil, b.Half != nil)
	if packed {
		bp := make([]float32, m.PackedLenBF16(k, n)+1)
		bp[len(bp)-1] = guard
		half := m.panels(n) / 2
		m.PackBF16(head(bp), k, n, b, brs, bcs, half, m.panels(n), work)
		m.PackBF16(head(bp), k, n, b, brs, bcs, 0, half, work)
		if bp[len(bp)-1] != guard {
			t.Fatalf("%s: PackBF16 wrote past its end", what)
		}
		m.MulPackedBF16(mm, n, k, a, ars, acs, head(bp), head(c), ldc, pb, acc, work)
	} else {
		m.MulBF16(mm, n, k, a, ars, acs, b, brs, bcs, head(c), ldc, pb, acc, work)
	}
	want, size := product64(mm, n, k, ra, ars, acs, rb, brs, bcs, start)
	if ldc > 0 {
		checkProduct(t, what, mm, n, k, ldc, c, want, size, guard)
	}
}

func TestMulBF16(t *testing.T) {
	eachBF16(t, func(t *testing.T, m *Matrix) {
		r := rand.New(rand.NewPCG(1, 2))
		var work Work
		for _, s := range [][3]int{
			{0, 5, 5}, {5, 0, 5}, {5, 5, 0}, {1, 1, 1}, {1, 40, 7}, {33, 2, 3}, {64, 64, 64}, {200, 3, 9},
			{3, 200, 300}, {200, 170, 30}, {30, 600, 20}, {31, 33, 600}, {185, 300, 270}, {20, 530, 1100},
		} {
			layouts := 6
			if testing.Short() {
				layouts = 2
			}
			for range layouts {
				oneBF16(t, m, r, s[0], s[1], s[2], &work)
			}
		}
		for range 400 {
			oneBF16(t, m, r, 1+r.IntN(50), 1+r.IntN(100), 1+r.IntN(70), &work)
		}
	})
}

// TestMulRowsBF16 tests every number of rows with every number of columns of a panel.
func TestMulRowsBF16(t *testing.T) {
	eachBF16(t, func(t *testing.T, m *Matrix) {
		r := rand.New(rand.NewPCG(3, 4))
		var work Work
		for rows := 1; rows <= 17; rows++ {
			for n := 1; n <= 33; n++ {
				oneBF16(t, m, r, rows, n, 1+(rows+n)%9, &work)
			}
		}
	})
}

// TestMulNotFiniteBF16: what is not a number must not be lost, nor spread to
// others, nor come out of what fills up pairs.
func TestMulNotFiniteBF16(t *testing.T) {
	eachBF16(t, func(t *testing.T, m *Matrix) {
		const mm, n, k = 20, 37, 51
		r := rand.New(rand.NewPCG(5, 6))
		x, y := normals(r, mm*k), normals(r, k*n)
		x[7*k+k-1], x[9*k+4], y[5*n+36], y[(k-1)*n+2] = float32(math.NaN()), float32(math.Inf(1)),
			float32(math.Inf(-1)), float32(math.Inf(1))
		for range 20 {
			a, ra := operandBF16(x, r.IntN(2) == 0)
			b, rb := operandBF16(y, r.IntN(2) == 0)
			c := make([]float32, mm*n)
			m.MulBF16(mm, n, k, a, k, 1, b, n, 1, head(c), n, nil, false, &Work{})
			want, size := product64(mm, n, k, ra, k, 1, rb, n, 1, func(int, int) float64 { return 0 })
			for i, w := range want {
				if math.IsInf(w, 0) || math.IsNaN(w) {
					size[i] = 0
				}
			}
			checkProduct(t, "not finite", mm, n, k, n, c, want, size, 0)
		}
	})
}

// Rounding must be to even, as everywhere else.
func TestMulBF16RoundsToEven(t *testing.T) {
	eachBF16(t, func(t *testing.T, m *Matrix) {
		x := []float32{1 + 1./256, 1 + 3./256, -1 - 1./256, 1 + 1./256 + 1./65536, 0, -0.3, 3e38, 1.5e-38}
		_, want := operandBF16(x, true)
		n := len(x)
		one := make([]float32, n*n) // the matrix that changes nothing
		for i := range n {
			one[i*n+i] = 1
		}
		got := make([]float32, n)
		m.MulBF16(1, n, n, BF16{Float: head(x)}, n, 1, BF16{Float: head(one)}, n, 1, head(got), n, nil, false, &Work{})
		for i := range x {
			if got[i] != want[i] {
				t.Errorf("%g became %g; want %g", x[i], got[i], want[i])
			}
		}
	})
}

func BenchmarkMulBF16(b *testing.B) {
	for _, l := range Levels() {
		m := benchMatrix(l)
		for _, s := range [][3]int{{512, 512, 512}, {4096, 512, 512}, {64, 256, 256}, {128, 256, 256}, {256, 64, 64},
			{512, 512, 64}, {64, 32, 32}} {
			mm, n, k := s[0], s[1], s[2]
			r := rand.New(rand.NewPCG(1, 1))
			x, y, c := normals(r, mm*k), normals(r, k*n), make([]float32, mm*n)
			h, _ := operandBF16(x, true)
			flop := 2 * float64(mm) * float64(n) * float64(k)
			var work Work
			bp := make([]float32, m.PackedLen(k, n))
			name := fmt.Sprintf("%v/%dx%dx%d", l, mm, n, k)
			m.Pack(head(bp), k, n, head(y), n, 1, 0, m.panels(n))
			b.Run(name+"/float32", func(b *testing.B) {
				for range b.N {
					m.MulPacked(mm, n, k, head(x), k, 1, head(bp), head(c), n, nil, false, &work)
				}
				report(b, m, flop)
			})
			m.PackBF16(head(bp), k, n, BF16{Float: head(y)}, n, 1, 0, m.panels(n), &work)
			for what, a := range map[string]BF16{"rounded": {Float: head(x)}, "bfloat16": h} {
				b.Run(name+"/"+what, func(b *testing.B) {
					for range b.N {
						m.MulPackedBF16(mm, n, k, a, k, 1, head(bp), head(c), n, nil, false, &work)
					}
					report(b, m, flop)
				})
			}
			b.Run(name+"/columns", func(b *testing.B) { // nothing packed, A by columns, as for the gradient of weights
				for range b.N {
					m.MulBF16(mm, n, k, BF16{Float: head(x)}, 1, mm, BF16{Float: head(y)}, n, 1, head(c), n,
						nil, true, &work)
				}
				report(b, m, flop)
			})
		}
	}
}
