package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// Products with few columns are right, write nothing beside C, and a row has the same bits beside any
// number of others.
func TestMulThin(t *testing.T) {
	eachMatrix(t, func(t *testing.T, m *Matrix) {
		const guard = 12345
		r := rand.New(rand.NewPCG(5, 6))
		for n := 1; n < len(m.dots); n++ {
			for _, k := range []int{64, 65, 71, 80, 127, 512} {
				for _, mm := range []int{1, 2, 3, 4, 5, 9, 33} {
					ars, ldc := k+r.IntN(3), n+r.IntN(3)
					a, b, bias := normals(r, mm*ars), normals(r, k*n), normals(r, n)
					c := make([]float32, (mm+1)*ldc)
					for i := range c {
						c[i] = guard
					}
					bp := make([]float32, k*n)
					m.PackThin(head(bp), k, n, head(b), n, 1)
					m.MulThin(mm, n, k, head(a), ars, head(bp), head(c), ldc, head(bias))
					want, size := product64(mm, n, k, a, ars, 1, b, n, 1,
						func(_, j int) float64 { return float64(bias[j]) })
					checkProduct(t, fmt.Sprintf("%dx%dx%d", mm, n, k), mm, n, k, ldc, c, want, size, guard)
					for i := range mm {
						one := make([]float32, n)
						m.MulThin(1, n, k, elem(head(a), i*ars), ars, head(bp), head(one), n, head(bias))
						for j := range one {
							if math.Float32bits(one[j]) != math.Float32bits(c[i*ldc+j]) {
								t.Fatalf("%dx%dx%d: row %d is %g beside others and %g alone", mm, n, k, i,
									c[i*ldc+j], one[j])
							}
						}
					}
				}
			}
		}
	})
}

// The blocks by which a product goes through its operands change no bit of it, also in bfloat16.
func TestBlocksChangeNoBit(t *testing.T) {
	for _, l := range Levels() {
		first, second := MatrixAt(l), MatrixWith(l, Blocks{Rows: 29, Columns: 64, Pixels: 1024})
		r := rand.New(rand.NewPCG(7, 8))
		for _, s := range [][3]int{{300, 200, 520}, {61, 65, 300}, {400, 3, 90}, {5, 5, 5}, {97, 40, 31}} {
			mm, n, k := s[0], s[1], s[2]
			a, b := normals(r, mm*k), normals(r, k*n)
			result := func(m *Matrix, half bool) []float32 {
				var work Work
				c := make([]float32, mm*n)
				if half {
					m.MulBF16(mm, n, k, BF16{Float: head(a)}, k, 1, BF16{Float: head(b)}, n, 1, head(c), n,
						nil, false, &work)
				} else {
					m.Mul(mm, n, k, head(a), k, 1, head(b), n, head(c), n, nil, false, &work)
				}
				return c
			}
			for _, half := range []bool{false, true} {
				x, y := result(first, half), result(second, half)
				for i := range x {
					if math.Float32bits(x[i]) != math.Float32bits(y[i]) {
						t.Fatalf("%v, %v, bfloat16 %v: element %d is %g and %g", l, s, half, i, x[i], y[i])
					}
				}
			}
		}
	}
}

// Products with few columns, as last layers have them, and their gradients.
func BenchmarkMulThin(b *testing.B) {
	for _, l := range Levels() {
		m := benchMatrix(l)
		for _, s := range [][3]int{{256, 2, 512}, {256, 3, 512}, {256, 2, 64}} {
			mm, n, k := s[0], s[1], s[2]
			r := rand.New(rand.NewPCG(1, 1))
			x, y, c := normals(r, mm*k), normals(r, max(k, mm)*n), make([]float32, max(mm, k)*n)
			var work Work
			name, flop := fmt.Sprintf("%v/%dx%dx%d", l, mm, n, k), 2*float64(mm)*float64(n)*float64(k)
			if m.Thin(n, k) {
				bp := make([]float32, k*n)
				m.PackThin(head(bp), k, n, head(y), n, 1)
				b.Run(name+"/thin", func(b *testing.B) {
					for range b.N {
						m.MulThin(mm, n, k, head(x), k, head(bp), head(c), n, nil)
					}
					report(b, m, flop)
				})
			}
			b.Run(name+"/grad", func(b *testing.B) {
				for range b.N {
					m.Mul(k, n, mm, head(x), 1, k, head(y), n, head(c), n, nil, true, &work)
				}
				report(b, m, flop)
			})
		}
	}
}
