package kernel

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// tiledMatrix is the table with tiles; without them the test is skipped.
func tiledMatrix(t *testing.T) *Matrix {
	t.Helper()
	if !slices.Contains(Levels(), AMX) {
		t.Skip("this CPU, or system, has no tiles")
	}
	return MatrixAt(AMX)
}

// flushed is x rounded to a float, as tiles round: to nearest, halves to even, with zeros for what is not normal.
func flushed(x *big.Float) float32 {
	f, _ := x.Float32()
	if math.Abs(float64(f)) < 0x1p-126 {
		return 0
	}
	return f
}

func exact(x float32) *big.Float { return new(big.Float).SetPrec(600).SetFloat64(float64(x)) }

// tileModel is the arithmetic of tiles, number by number, of finite operands: c + Σ a·b, a and b being bfloat16.
// Each chunk of 32 products has a sum of the even and one of the odd products, by fused multiply-adds; then
// both are added, and their sum is added to c.
func tileModel(c float32, a, b []float32) float32 {
	for l := 0; l < len(a); l += 32 {
		var sums [2]float32
		for i := l; i < min(l+32, len(a)); i++ {
			p := exact(a[i])
			sums[i%2] = flushed(p.Mul(p, exact(b[i])).Add(p, exact(sums[i%2])))
		}
		chunk := exact(sums[0])
		both := flushed(chunk.Add(chunk, exact(sums[1])))
		sum := exact(c)
		c = flushed(sum.Add(sum, exact(both)))
	}
	return c
}

// spread draws numbers whose sizes lie far apart, with some that are zero, not normal, or become so when multiplied.
func spread(r *rand.Rand, n, exponent int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.Ldexp(r.NormFloat64(), r.IntN(2*exponent+1)-exponent))
		switch r.IntN(40) {
		case 0:
			x[i] = 0
		case 1:
			x[i] = float32(math.Ldexp(1+r.Float64(), -127-r.IntN(20)))
		}
	}
	return x
}

// asTiles are floats as bfloat16, with zeros for those that are not normal.
func asTiles(x []float32) []float32 {
	y := make([]float32, len(x))
	roundBF16 := MatrixAt(Portable).round
	roundBF16(len(x), head(y), head(x))
	for i, v := range x {
		if math.Abs(float64(v)) < 0x1p-126 {
			y[i] = 0
		}
	}
	return y
}

// Products by tiles have the very bits of the model, whatever the sizes, for sums of all lengths.
func TestTilesAreTheirModel(t *testing.T) {
	m := tiledMatrix(t)
	r := rand.New(rand.NewPCG(31, 32))
	var work Work
	for _, s := range [][4]int{{1, 1, 1, 0}, {3, 2, 31, 4}, {16, 16, 32, 10}, {17, 33, 33, 30}, {35, 18, 70, 62},
		{32, 32, 64, 40}, {2, 3, 1100, 20}} {
		mm, n, k := s[0], s[1], s[2]
		a, b, bias := spread(r, mm*k, s[3]), spread(r, k*n, s[3]), spread(r, n, s[3])
		ra, rb := asTiles(a), asTiles(b)
		for mode := range 3 {
			c := spread(r, mm*n, s[3])
			old, pb := slices.Clone(c), head(bias)
			if mode != modeBias {
				pb = nil
			}
			m.MulBF16(mm, n, k, BF16{Float: head(a)}, k, 1, BF16{Float: head(b)}, n, 1, head(c), n, pb, mode == modeAdd,
				&work)
			for i := range mm {
				for j := range n {
					begin, column := float32(0), make([]float32, k)
					for l := range k {
						column[l] = rb[l*n+j]
					}
					switch mode {
					case modeAdd:
						begin = old[i*n+j]
					case modeBias:
						begin = bias[j]
					}
					want := tileModel(begin, ra[i*k:(i+1)*k], column)
					if got := c[i*n+j]; got != want {
						t.Fatalf("%dx%dx%d, sizes to 2^%d, mode %d: C[%d,%d] = %g (%x), model %g (%x)", mm, n, k,
							s[3], mode, i, j, got, math.Float32bits(got), want, math.Float32bits(want))
					}
				}
			}
		}
	}
}

// The bits of a product depend neither on the blocks of a machine nor on how operands lie.
func TestTilesDoNotDependOnBlocks(t *testing.T) {
	tiledMatrix(t)
	r := rand.New(rand.NewPCG(33, 34))
	const mm, n, k = 150, 170, 2100
	a, b := normals(r, mm*k), normals(r, k*n)
	turned := make([]float32, len(a))
	for i := range mm {
		for l := range k {
			turned[l*mm+i] = a[i*k+l]
		}
	}
	ha, _ := operandBF16(a, true)
	var first []float32
	for _, blocks := range []Blocks{DefaultBlocks, {Rows: 1, Columns: 32, Pixels: 1},
		{Rows: 5000, Columns: 64, Pixels: 1 << 20}} {
		m := MatrixWith(AMX, blocks)
		for form, x := range []BF16{{Float: head(a)}, {Float: head(turned)}, ha} {
			c, ars, acs := make([]float32, mm*n), k, 1
			if form == 1 {
				ars, acs = 1, mm
			}
			m.MulBF16(mm, n, k, x, ars, acs, BF16{Float: head(b)}, n, 1, head(c), n, nil, false, &Work{})
			if first == nil {
				first = c
			}
			if !slices.Equal(c, first) {
				t.Errorf("blocks %+v, form %d: other bits", blocks, form)
			}
		}
	}
}

// A convolution by tiles is, bit for bit, the product of what its pixels read: one chunk for each 32 channels of a tap.
func TestConvolutionByTilesIsTheModel(t *testing.T) {
	m := tiledMatrix(t)
	r := rand.New(rand.NewPCG(35, 36))
	for _, c := range []Conv2D{same(9, 32, 3, 40), same(20, 32, 3, 16), same(7, 64, 3, 33)} {
		x, w := normals(r, c.H*c.W*c.Ci), normals(r, c.Kh*c.Kw*c.Ci*c.Co)
		wp, y := make([]float32, m.ConvPackedLenBF16(&c)), make([]float32, c.Ho*c.Wo*c.Co)
		m.ConvPackBF16(&c, head(wp), BF16{Float: head(w)}, [4]int{c.Kw * c.Ci * c.Co, c.Ci * c.Co, c.Co, 1}, &Work{})
		m.ConvBF16(&c, head(y), head(x), head(wp), nil, &Work{})
		rx, rw := asTiles(x), asTiles(w)
		for range 60 {
			oh, ow, co := r.IntN(c.Ho), r.IntN(c.Wo), r.IntN(c.Co)
			var a, b []float32
			for tap := range c.Kh * c.Kw {
				ih, iw := oh+tap/c.Kw-c.PadTop, ow+tap%c.Kw-c.PadLeft
				for ci := range c.Ci {
					v := float32(0)
					if ih >= 0 && ih < c.H && iw >= 0 && iw < c.W {
						v = rx[(ih*c.W+iw)*c.Ci+ci]
					}
					a, b = append(a, v), append(b, rw[(tap*c.Ci+ci)*c.Co+co])
				}
			}
			if got, want := y[(oh*c.Wo+ow)*c.Co+co], tileModel(0, a, b); got != want {
				t.Fatalf("%s: y[%d,%d,%d] = %g, the model has %g", fmt.Sprintf("%+v", c), oh, ow, co, got, want)
			}
		}
	}
}
