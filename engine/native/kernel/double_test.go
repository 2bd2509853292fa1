package kernel

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// The products of every level are those of exact arithmetic to within the rounding of a sum, for all
// ends of tiles and of vectors, and write nowhere else.
func TestDoublesAreExactProducts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, l := range Levels() {
		for _, k := range []int{1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 784} {
			for _, size := range [][2]int{{1, 1}, {2, 3}, {3, 2}, {4, 4}, {5, 7}, {8, 9}} {
				n, m := size[0], size[1]
				a, b := doubles(rng, n*k), doubles(rng, m*k)
				stride := m + 2
				dst := slices.Repeat([]float64{-7}, n*stride)
				DoublesAt(l).Products(dst, stride, a, b, k)
				for i := range n {
					for j := range stride {
						got := dst[i*stride+j]
						if j >= m {
							if got != -7 {
								t.Fatalf("%v: wrote beside %d x %d products", l, n, m)
							}
							continue
						}
						want, size := exactProduct(a[i*k:(i+1)*k], b[j*k:(j+1)*k])
						if tol := size * float64(k) * 0x1p-53; !(math.Abs(got-want) <= tol) {
							t.Fatalf("%v, %d numbers, row %d of %d and %d of %d: %v, want %v",
								l, k, i, n, j, m, got, want)
						}
					}
				}
			}
		}
	}
}

// Each product has the bits that it has alone.
func TestDoublesDoNotDependOnTheirNeighbours(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const n, m, k = 9, 11, 21
	a, b := doubles(rng, n*k), doubles(rng, m*k)
	for _, l := range Levels() {
		d := DoublesAt(l)
		all, one := make([]float64, n*m), make([]float64, 1)
		d.Products(all, m, a, b, k)
		for i := range n {
			for j := range m {
				d.Products(one, 1, a[i*k:(i+1)*k], b[j*k:(j+1)*k], k)
				if one[0] != all[i*m+j] {
					t.Errorf("%v: product %d, %d is %v alone and %v among others", l, i, j, one[0], all[i*m+j])
				}
			}
		}
	}
}

// A number that is not finite shows in the products of its row and in no other.
func TestDoublesKeepWhatIsNotFinite(t *testing.T) {
	for _, l := range Levels() {
		const n, m, k = 5, 5, 10
		a, b, dst := make([]float64, n*k), make([]float64, m*k), make([]float64, n*m)
		a[2*k+9], b[3*k] = math.NaN(), math.Inf(1)
		b[9] = 1
		DoublesAt(l).Products(dst, m, a, b, k)
		for i := range n {
			for j := range m {
				if nan := math.IsNaN(dst[i*m+j]); nan != (i == 2 || j == 3) { // 0·∞
					t.Errorf("%v: product %d, %d is %v", l, i, j, dst[i*m+j])
				}
			}
		}
	}
}

// Sums of rows are those of exact arithmetic to within rounding, for all ends of strips and of vectors, and
// write nowhere else.
func TestDoublesAddRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for _, l := range Levels() {
		for n := range 150 {
			for _, count := range []int{0, 1, 2, 5} {
				y, w := doubles(rng, n+1), doubles(rng, count)
				before := slices.Clone(y)
				rows, data := make([]*float64, count), make([][]float64, count)
				for r := range rows {
					data[r] = doubles(rng, n+1)
					rows[r] = &data[r][0]
				}
				DoublesAt(l).AddRows(y[:n], w, rows)
				for i, got := range y {
					terms, ones := []float64{before[i]}, []float64{1}
					for r := range rows {
						if i < n {
							terms, ones = append(terms, data[r][i]), append(ones, w[r])
						}
					}
					want, size := exactProduct(terms, ones)
					if tol := size * float64(count) * 0x1p-52; !(math.Abs(got-want) <= tol) {
						t.Fatalf("%v, %d rows of %d: number %d is %v, want %v", l, count, n, i, got, want)
					}
				}
			}
		}
	}
}

func doubles(rng *rand.Rand, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	return x
}

// exactProduct returns x·y, rounded once, and the sum of the sizes of its terms.
func exactProduct(x, y []float64) (product, size float64) {
	sum := new(big.Float).SetPrec(2000)
	for i := range x {
		term := new(big.Float).SetPrec(200).Mul(big.NewFloat(x[i]), big.NewFloat(y[i]))
		sum.Add(sum, term)
		size += math.Abs(x[i] * y[i])
	}
	product, _ = sum.Float64()
	return product, size
}

func BenchmarkDoubles(b *testing.B) {
	rng := rand.New(rand.NewPCG(5, 6))
	const n, k = 64, 784
	x, y, dst := doubles(rng, n*k), doubles(rng, n*k), make([]float64, n*n)
	for _, l := range Levels() {
		b.Run(fmt.Sprint(l), func(b *testing.B) {
			d := DoublesAt(l)
			for b.Loop() {
				d.Products(dst, n, x, y, k)
			}
			b.ReportMetric(2*n*n*k*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}

// exactExp is e^x to 100 bits and more.
func exactExp(x float64) *big.Float {
	const halvings = 12
	of := func(v float64) *big.Float { return new(big.Float).SetPrec(200).SetFloat64(v) }
	r := of(x)
	r.SetMantExp(r, -halvings)
	sum, term := of(1), of(1)
	for k := 1; k < 30; k++ {
		term.Quo(term.Mul(term, r), of(float64(k)))
		sum.Add(sum, term)
	}
	for range halvings {
		sum.Mul(sum, sum)
	}
	return sum
}

// Exponentials of every level are within an ulp, for all ends of vectors, in place, too; what is not a number stays
// none, and nothing is written elsewhere.
func TestDoublesAreExponentials(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, l := range Levels() {
		for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 9, 64, 100} {
			x, top := make([]float64, n), 3.25
			for i := range x {
				x[i] = top - []float64{0, rng.ExpFloat64(), 100 * rng.ExpFloat64(), 1e-9 * rng.Float64()}[i%4]
			}
			x[0], x[n-1] = top, top-math.Ln2/2
			y := slices.Repeat([]float64{-7}, n+1)
			DoublesAt(l).Exps(y[:n], x, top)
			for i, got := range y[:n] {
				want, _ := exactExp(max(x[i]-top, leastExp)).Float64()
				if math.Abs(got-want) > 0x1p-52*want {
					t.Errorf("%v: exp(%v) of %d is %v, want %v", l, x[i]-top, n, got, want)
				}
			}
			if y[n] != -7 {
				t.Errorf("%v: wrote behind %d exponentials", l, n)
			}
			DoublesAt(l).Exps(x, x, top)
			if !slices.Equal(x, y[:n]) {
				t.Errorf("%v: %d exponentials differ in place", l, n)
			}
		}
		none := math.Float64frombits(0x7ff8000000000fff)
		bad := []float64{math.NaN(), math.Inf(-1), -1e300, 0, none, -1, -700, -701, -2}
		y := make([]float64, len(bad))
		DoublesAt(l).Exps(y, bad, 0)
		least, _ := exactExp(leastExp).Float64()
		for i, got := range y {
			switch v := bad[i]; {
			case v != v && got == got, v == 0 && got != 1, v < -600 && math.Abs(got/least-1) > 1e-15:
				t.Errorf("%v: exp(%v) is %v", l, v, got)
			}
		}
		DoublesAt(l).Exps(y, bad, math.NaN())
		if slices.ContainsFunc(y, func(v float64) bool { return v == v }) {
			t.Errorf("%v: less than no number: %v", l, y)
		}
	}
}
