package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// conv64 visits every product of a convolution: output, input and weight index.
func conv64(c *Conv2D, visit func(y, x, w int)) {
	for oh := range c.Ho {
		for ow := range c.Wo {
			for t := range c.Kh * c.Kw {
				ih := oh*c.StrideH + t/c.Kw*c.DilationH - c.PadTop
				iw := ow*c.StrideW + t%c.Kw*c.DilationW - c.PadLeft
				if ih < 0 || iw < 0 || ih%c.InDilationH != 0 || iw%c.InDilationW != 0 {
					continue
				}
				ih, iw = ih/c.InDilationH, iw/c.InDilationW
				if ih >= c.H || iw >= c.W {
					continue
				}
				for ci := range c.Ci {
					for co := range c.Co {
						visit((oh*c.Wo+ow)*c.Co+co, (ih*c.W+iw)*c.Ci+ci, (t*c.Ci+ci)*c.Co+co)
					}
				}
			}
		}
	}
}

// randomConv is a geometry; size bounds the image.
func randomConv(r *rand.Rand, size int) Conv2D {
	c := Conv2D{H: 1 + r.IntN(size), W: 1 + r.IntN(size), Ci: 1 + r.IntN(20), Kh: 1 + r.IntN(4), Kw: 1 + r.IntN(4),
		Co:      1 + r.IntN(40),
		StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, InDilationH: 1, InDilationW: 1, PadTop: r.IntN(4) - 1,
		PadLeft: r.IntN(4) - 1}
	c.Ho, c.Wo = 1+r.IntN(size), 1+r.IntN(size)
	switch r.IntN(5) {
	case 0:
		c.StrideH, c.StrideW = 1+r.IntN(3), 1+r.IntN(3)
	case 1:
		c.DilationH, c.DilationW = 1+r.IntN(3), 1+r.IntN(3)
	case 2:
		c.InDilationH, c.InDilationW = 1+r.IntN(3), 1+r.IntN(3)
	case 3:
		c.StrideH, c.StrideW, c.DilationH, c.DilationW = 1+r.IntN(3), 1+r.IntN(3), 1+r.IntN(3), 1+r.IntN(3)
		c.InDilationH, c.InDilationW = 1+r.IntN(4), 1+r.IntN(4)
	}
	return c
}

// same is a convolution with an odd square of weights that keeps the size.
func same(size, ci, k, co int) Conv2D {
	return Conv2D{H: size, W: size, Ci: ci, Kh: k, Kw: k, Co: co, Ho: size, Wo: size, StrideH: 1, StrideW: 1,
		PadTop: k / 2, PadLeft: k / 2, DilationH: 1, DilationW: 1, InDilationH: 1, InDilationW: 1}
}

func testConv(t *testing.T, m *Matrix, r *rand.Rand, c Conv2D, work *Work) {
	const guard = 777
	x, dy := normals(r, c.H*c.W*c.Ci), normals(r, c.Ho*c.Wo*c.Co)
	w := normals(r, c.Kh*c.Kw*c.Ci*c.Co)
	bias := normals(r, c.Co)
	pb := head(bias)
	if r.IntN(2) == 0 {
		pb, bias = nil, make([]float32, c.Co)
	}
	want, size := make([]float64, len(dy)), make([]float64, len(dy))
	wantDW, sizeDW := make([]float64, len(w)), make([]float64, len(w))
	dw := append(normals(r, len(w)), guard)
	for i := range want {
		want[i] = float64(bias[i%c.Co])
		size[i] = math.Abs(want[i])
	}
	for i := range wantDW {
		wantDW[i] = float64(dw[i])
		sizeDW[i] = math.Abs(wantDW[i])
	}
	conv64(&c, func(yi, xi, wi int) {
		p := float64(x[xi]) * float64(w[wi])
		want[yi] += p
		size[yi] += math.Abs(p)
		p = float64(x[xi]) * float64(dy[yi])
		wantDW[wi] += p
		sizeDW[wi] += math.Abs(p)
	})
	stored, at, ws := laid(&c, w, r.IntN(4))
	wp := make([]float32, m.ConvPackedLen(&c)+1)
	wp[len(wp)-1] = guard
	m.ConvPack(&c, head(wp), &stored[at], ws)
	y := make([]float32, len(dy)+8)
	for i := range y {
		y[i] = guard
	}
	m.Conv(&c, head(y), head(x), head(wp), pb, work)
	m.ConvWeightGrad(&c, head(dw), head(x), head(dy), work)
	what := fmt.Sprintf("%+v", c)
	if wp[len(wp)-1] != guard {
		t.Fatalf("%s: ConvPack wrote past its end", what)
	}
	checkProduct(t, what, c.Ho*c.Wo, c.Co, c.Kh*c.Kw*c.Ci, c.Co, y, want, size, guard)
	checkProduct(t, what+" weights", c.Kh*c.Kw*c.Ci, c.Co, c.Ho*c.Wo, c.Co, dw, wantDW, sizeDW, guard)
}

// laid returns weights [Kh, Kw, Ci, Co] as they may lie in memory, where the first is, and the strides
// of their axes: as they are, flipped and transposed, as PyTorch lays them, or flipped and transposed as
// PyTorch lays them.
func laid(c *Conv2D, w []float32, how int) (stored []float32, at int, ws [4]int) {
	taps, io := c.Kh*c.Kw, c.Ci*c.Co
	switch how {
	case 0:
		return w, 0, [4]int{c.Kw * io, io, c.Co, 1}
	case 1:
		at, ws = (taps-1)*io, [4]int{-c.Kw * io, -io, 1, c.Ci}
	case 2:
		ws = [4]int{c.Kw, 1, taps, c.Ci * taps}
	case 3:
		at, ws = taps-1, [4]int{-c.Kw, -1, c.Co * taps, taps}
	}
	stored = make([]float32, len(w))
	for i, v := range w {
		tap, ci, co := i/io, i/c.Co%c.Ci, i%c.Co
		stored[at+tap/c.Kw*ws[0]+tap%c.Kw*ws[1]+ci*ws[2]+co*ws[3]] = v
	}
	return stored, at, ws
}

func TestConv(t *testing.T) {
	eachMatrix(t, func(t *testing.T, m *Matrix) {
		r := rand.New(rand.NewPCG(7, 8))
		var work Work
		stride := same(12, 33, 3, 40)
		stride.StrideH, stride.StrideW, stride.Ho, stride.Wo = 2, 2, 6, 6
		back := same(6, 40, 3, 33)
		back.InDilationH, back.InDilationW, back.Ho, back.Wo = 2, 2, 12, 12
		pad := same(6, 5, 1, 7)
		pad.PadTop, pad.PadLeft, pad.Ho, pad.Wo = 1, 1, 8, 8
		for _, c := range []Conv2D{same(16, 20, 3, 40), same(9, 130, 3, 33), same(7, 3, 5, 16),
			same(12, 64, 1, 64), stride, back, pad} {
			testConv(t, m, r, c, &work)
		}
		for range 150 {
			testConv(t, m, r, randomConv(r, 14), &work)
		}
	})
}

// TestConvEmpty: convolutions of nothing write the bias or nothing.
func TestConvEmpty(t *testing.T) {
	eachMatrix(t, func(t *testing.T, m *Matrix) {
		y, bias, none := []float32{9, 9, 9, 9}, []float32{3}, make([]float32, 64)
		for name, c := range map[string]Conv2D{"channels": same(2, 0, 3, 1), "image": same(0, 1, 3, 1),
			"output": same(2, 1, 3, 0)} {
			m.ConvPack(&c, head(none), head(none), [4]int{3, 1, 1, 1})
			m.Conv(&c, head(y), head(none), head(none), head(bias), &Work{})
			m.ConvWeightGrad(&c, head(y), head(none), head(none), &Work{})
			if want := float32(3); name == "channels" && y[3] != want {
				t.Errorf("%s: %v", name, y)
			}
		}
	})
}

func BenchmarkConv(b *testing.B) {
	down := same(32, 64, 3, 64)
	down.StrideH, down.StrideW, down.Ho, down.Wo = 2, 2, 16, 16
	up := same(16, 64, 3, 64)
	up.InDilationH, up.InDilationW, up.Ho, up.Wo = 2, 2, 32, 32
	for _, l := range Levels() {
		m := benchMatrix(l)
		for name, c := range map[string]Conv2D{
			"32x32x64k3": same(32, 64, 3, 64), "28x28x32k3": same(28, 32, 3, 32), "16x16x128k3": same(16, 128, 3, 128),
			"8x8x256k3": same(8, 256, 3, 256), "4x4x256k3": same(4, 256, 3, 256), "32x32x3k3x64": same(32, 3, 3, 64),
			"32x32x64k3x3": same(32, 64, 3, 3), "32x32x64k1": same(32, 64, 1, 64), "down": down, "up": up,
		} {
			r := rand.New(rand.NewPCG(1, 1))
			x, dy, w := normals(r, c.H*c.W*c.Ci), normals(r, c.Ho*c.Wo*c.Co), normals(r, c.Kh*c.Kw*c.Ci*c.Co)
			y, wp := make([]float32, len(dy)), make([]float32, m.ConvPackedLen(&c))
			var work Work
			m.ConvPack(&c, head(wp), head(w), [4]int{c.Kw * c.Ci * c.Co, c.Ci * c.Co, c.Co, 1})
			flop := 2 * float64(c.Ho*c.Wo*c.Kh*c.Kw*c.Ci*c.Co) / float64(c.InDilationH*c.InDilationW)
			b.Run(fmt.Sprintf("%v/%s/forward", l, name), func(b *testing.B) {
				for range b.N {
					m.Conv(&c, head(y), head(x), head(wp), nil, &work)
				}
				report(b, m, flop)
			})
			b.Run(fmt.Sprintf("%v/%s/grad", l, name), func(b *testing.B) {
				for range b.N {
					m.ConvWeightGrad(&c, head(w), head(x), head(dy), &work)
				}
				report(b, m, flop)
			})
		}
	}
}
