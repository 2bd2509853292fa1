package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// A convolution in bfloat16, and the gradient of its weights over one image or two,
// are those of rounded numbers.
func TestConvBF16(t *testing.T) {
	eachBF16(t, func(t *testing.T, m *Matrix) {
		r := rand.New(rand.NewPCG(7, 8))
		var work Work
		stride := same(12, 34, 3, 40)
		stride.StrideH, stride.StrideW, stride.Ho, stride.Wo = 2, 2, 6, 6
		back := same(6, 40, 3, 33)
		back.InDilationH, back.InDilationW, back.Ho, back.Wo = 2, 2, 12, 12
		for _, c := range []Conv2D{same(16, 20, 3, 40), same(9, 130, 3, 33), same(12, 64, 1, 64), stride, back} {
			testConvBF16(t, m, r, c, &work)
		}
		for range 60 {
			c := randomConv(r, 14)
			c.Ci += c.Ci % 2
			testConvBF16(t, m, r, c, &work)
		}
	})
}

func testConvBF16(t *testing.T, m *Matrix, r *rand.Rand, c Conv2D, work *Work) {
	const guard = 777
	rounded := func(n int) (x, half []float32) {
		x, half = normals(r, n), make([]float32, n)
		m.round(n, head(half), head(x))
		return x, half
	}
	images := 1 + r.IntN(2)
	nx, ny := c.H*c.W*c.Ci, c.Ho*c.Wo*c.Co
	x, xh := rounded(images * nx)
	dy, dyh := rounded(images * ny)
	w, wh := rounded(c.Kh * c.Kw * c.Ci * c.Co)
	want, size := make([]float64, ny), make([]float64, ny)
	wantDW, sizeDW := make([]float64, len(w)), make([]float64, len(w))
	dw := append(normals(r, len(w)), guard)
	for i := range wantDW {
		wantDW[i] = float64(dw[i])
		sizeDW[i] = math.Abs(wantDW[i])
	}
	for k := range images {
		conv64(&c, func(yi, xi, wi int) {
			if k == 0 {
				p := float64(xh[xi]) * float64(wh[wi])
				want[yi] += p
				size[yi] += math.Abs(p)
			}
			p := float64(xh[k*nx+xi]) * float64(dyh[k*ny+yi])
			wantDW[wi] += p
			sizeDW[wi] += math.Abs(p)
		})
	}
	wp := make([]float32, m.ConvPackedLenBF16(&c)+1)
	wp[len(wp)-1] = guard
	m.ConvPackBF16(&c, head(wp), BF16{Float: head(w)}, [4]int{c.Kw * c.Ci * c.Co, c.Ci * c.Co, c.Co, 1}, work)
	if wp[len(wp)-1] != guard {
		t.Fatalf("%+v: ConvPackBF16 wrote past its end", c)
	}
	y := make([]float32, ny+8)
	for i := range y {
		y[i] = guard
	}
	m.ConvBF16(&c, head(y), head(x), head(wp), nil, work)
	m.ConvWeightGradBF16(&c, images, head(dw), head(x), head(dy), work)
	what := fmt.Sprintf("%+v, %d images", c, images)
	checkProduct(t, what, c.Ho*c.Wo, c.Co, c.Kh*c.Kw*c.Ci, c.Co, y, want, size, guard)
	checkProduct(t, what+" weights", c.Kh*c.Kw*c.Ci, c.Co, images*c.Ho*c.Wo, c.Co, dw, wantDW, sizeDW, guard)
}

func BenchmarkConvBF16(b *testing.B) {
	m := benchMatrix(Levels()[len(Levels())-1])
	for name, c := range map[string]Conv2D{"28x28x32k3": same(28, 32, 3, 32), "14x14x64k3": same(14, 64, 3, 64),
		"7x7x64k3": same(7, 64, 3, 64)} {
		r := rand.New(rand.NewPCG(1, 1))
		x, dy, w := normals(r, 2*c.H*c.W*c.Ci), normals(r, 2*c.Ho*c.Wo*c.Co), normals(r, c.Kh*c.Kw*c.Ci*c.Co)
		y, wp, half := make([]float32, len(dy)), make([]float32, m.ConvPackedLen(&c)),
			make([]float32, m.ConvPackedLenBF16(&c))
		ws := [4]int{c.Kw * c.Ci * c.Co, c.Ci * c.Co, c.Co, 1}
		var work Work
		m.ConvPack(&c, head(wp), head(w), ws)
		m.ConvPackBF16(&c, head(half), BF16{Float: head(w)}, ws, &work)
		flop := 2 * float64(c.Ho*c.Wo*c.Kh*c.Kw*c.Ci*c.Co)
		for kind, f := range map[string]func(){
			"float/forward": func() { m.Conv(&c, head(y), head(x), head(wp), nil, &work) },
			"half/forward":  func() { m.ConvBF16(&c, head(y), head(x), head(half), nil, &work) },
			"float/grad":    func() { m.ConvWeightGrad(&c, head(w), head(x), head(dy), &work) },
			"half/grad":     func() { m.ConvWeightGradBF16(&c, 2, head(w), head(x), head(dy), &work) }, // of two images
		} {
			b.Run(name+"/"+kind, func(b *testing.B) {
				for range b.N {
					f()
				}
				report(b, m, flop)
			})
		}
	}
}
