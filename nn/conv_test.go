package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// naiveConv is the definition: y(p) = Σ_k x(p + k) w(k), k over the 3x3 neighbours.
// visit is called with the indices in y, x and w of every product.
func naiveConv(s ConvShape, visit func(y, x, w int)) {
	for n := range s.N {
		for i := range s.Height {
			for j := range s.Width {
				for k := range convKernel * convKernel {
					a, b := i+k/convKernel-1, j+k%convKernel-1
					if a < 0 || a >= s.Height || b < 0 || b >= s.Width {
						continue
					}
					for in := range s.In {
						for out := range s.Out {
							visit(((n*s.Height+i)*s.Width+j)*s.Out+out, ((n*s.Height+a)*s.Width+b)*s.In+in,
								(k*s.In+in)*s.Out+out)
						}
					}
				}
			}
		}
	}
}

func normals32(n int, rng *rand.Rand) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

// far returns the largest difference, relative to the largest value wanted.
func far(got []float32, want []float64) float64 {
	worst, size := 0.0, 0.0
	for i, w := range want {
		worst, size = max(worst, math.Abs(float64(got[i])-w)), max(size, math.Abs(w))
	}
	return worst / size
}

func TestConvAndItsGradientsAreTheDefinition(t *testing.T) {
	eng, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range []ConvShape{
		{N: 1, Height: 1, Width: 1, In: 1, Out: 1}, {N: 2, Height: 5, Width: 7, In: 3, Out: 4},
		{N: 1, Height: 2, Width: 9, In: 16, Out: 1}, {N: 3, Height: 8, Width: 8, In: 17, Out: 33},
	} {
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			x, w := normals32(s.images(), rng), normals32(s.kernel(), rng)
			c, err := NewConv(eng, s)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Load(x, w); err != nil {
				t.Fatal(err)
			}
			y := make([]float64, s.N*s.Height*s.Width*s.Out)
			gx, gw := make([]float64, len(x)), make([]float64, len(w))
			naiveConv(s, func(i, j, k int) { y[i] += float64(x[j]) * float64(w[k]) })
			naiveConv(s, func(i, j, k int) { gx[j] += 2 * y[i] * float64(w[k]); gw[k] += 2 * y[i] * float64(x[j]) })
			square := 0.0
			for _, v := range y {
				square += v * v
			}
			for range 2 { // the inputs must survive a call
				err = c.Forward(func(got []float32) {
					if d := far(got, y); len(got) != len(y) || d > 1e-6 {
						t.Errorf("%d values, off by %g of the largest; want %d and 1e-6", len(got), d, len(y))
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				sum, err := c.ForwardBackward(func(gotX, gotW []float32) {
					if dx, dw := far(gotX, gx), far(gotW, gw); dx > 2e-6 || dw > 2e-6 {
						t.Errorf("gradients off by %g (images) and %g (kernel) of the largest; want 2e-6", dx, dw)
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				if math.Abs(sum-square) > 2e-6*square {
					t.Errorf("sum of squares %g, want %g", sum, square)
				}
			}
		})
	}
}

func TestConvRefusesWrongSizes(t *testing.T) {
	eng, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewConv(eng, ConvShape{N: 1, Height: 4, Width: 4, In: 0, Out: 1}); err == nil {
		t.Error("no error for images without channels")
	}
	c, err := NewConv(eng, ConvShape{N: 1, Height: 4, Width: 4, In: 2, Out: 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Load(make([]float32, 32), make([]float32, 53)); err == nil {
		t.Error("no error for a kernel that is too short")
	}
	err = c.Forward(func(y []float32) {
		if len(y) != 48 || slices.Max(y) != 0 {
			t.Errorf("%d values up to %g before anything is loaded, want 48 zeros", len(y), slices.Max(y))
		}
	})
	if err != nil {
		t.Error(err)
	}
}
