package native

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"
)

// Convolutions of a step of mixed precision, those of the gradients too, are done
// in bfloat16 where the CPU does that, and are those of float32 but for the bits
// that bfloat16 has not.
func TestHalfConvolutions(t *testing.T) {
	model := func(dt dtypes.DType) func(p []*gx.Node) []*gx.Node {
		conv := func(x, w *gx.Node) *gx.Node {
			x, w = gx.ConvertDType(x, dt), gx.ConvertDType(w, dt)
			y := gx.Convolve(x, gx.TransposeAllAxes(w, 2, 3, 1, 0)).PadSame().Done()
			return gx.ConvertDType(y, dtypes.Float32)
		}
		return func(p []*gx.Node) []*gx.Node {
			loss := gx.ReduceAllMean(gx.Square(conv(gx.Tanh(conv(p[0], p[1])), p[2])))
			return append([]*gx.Node{loss}, gx.Gradient(loss, p...)...)
		}
	}
	// An odd number of images: the last pair of the gradients has but one.
	inputs := []shapes.Shape{floats(3, 7, 7, 32), floats(48, 32, 3, 3), floats(32, 48, 3, 3)}
	r := rand.New(rand.NewPCG(1, 2))
	var args []any
	for i, s := range inputs {
		x := make([]float32, s.Size())
		for k := range x {
			x[k] = float32(r.NormFloat64())
			if i > 0 {
				x[k] /= float32(math.Sqrt(9 * float64(s.Dimensions[1])))
			}
		}
		args = append(args, x)
	}
	for name, b := range backends(t) {
		t.Run(name, func(t *testing.T) {
			want, _ := evaluate(t, b, model(dtypes.Float32), inputs, args, nil)
			got, e := evaluate(t, b, model(dtypes.BFloat16), inputs, args, nil)
			p := e.(*Program)
			if len(p.Fallbacks()) > 0 {
				t.Errorf("%q fall back", p.Fallbacks())
			}
			convs, half := 0, 0
			for _, u := range p.graph.tensors {
				if u.kind == kindConv || u.kind == kindConvGrad {
					if convs++; u.conv.half {
						half++
					}
				}
			}
			if b.mat.HasBF16() && (half != convs || convs != 6) { // two forwards, two for weights, two for images
				t.Errorf("%d of %d convolutions in bfloat16; want 6 of 6:\n%v", half, convs, p)
			}
			for i := range want {
				if d := distance(got[i], want[i]); !(d > 0 && d <= 4*math.Sqrt2/512) {
					t.Errorf("result %d is off by %.3g of its length", i, d)
				}
			}
		})
	}
}

// The way back through convolutions is in the loop of the way forwards, in either
// precision, also through weights that are transposed: what lies between levels does
// not grow with the number of images.
func TestConvolutionsGoBackInTheirLoop(t *testing.T) {
	model := func(dt dtypes.DType) func(p []*gx.Node) []*gx.Node {
		return func(p []*gx.Node) []*gx.Node {
			h := p[0]
			for _, w := range p[1:] {
				kernel := gx.TransposeAllAxes(gx.ConvertDType(w, dt), 2, 3, 1, 0)
				y := gx.Convolve(gx.ConvertDType(h, dt), kernel).PadSame().Done()
				h = gx.Tanh(gx.ConvertDType(y, dtypes.Float32))
			}
			loss := gx.ReduceAllMean(gx.Square(h))
			return append([]*gx.Node{loss}, gx.Gradient(loss, p[1:]...)...)
		}
	}
	for name, b := range backends(t) {
		for _, dt := range []dtypes.DType{dtypes.Float32, dtypes.BFloat16} {
			var arena []int
			for _, images := range []int{16, 64} {
				p := compiled(t, b, model(dt), floats(images, 8, 8, 16), floats(32, 16, 3, 3), floats(16, 32, 3, 3))
				arena = append(arena, p.arena)
				var levels []int
				for _, u := range p.graph.tensors {
					if u.kind == kindConv {
						levels = append(levels, u.level)
					}
				}
				if len(levels) != 3 || slices.Max(levels) != slices.Min(levels) { // two forwards, one back
					t.Errorf("%s, %v: convolutions are of levels %v; want 3 of one", name, dt, levels)
				}
			}
			if arena[0] != arena[1] {
				t.Errorf("%s, %v: 16 images take %d floats between levels, 64 take %d", name, dt, arena[0], arena[1])
			}
		}
	}
}
