package native

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"
)

// compareHalves runs a function at every level and in the Go backend on the same
// arguments; what falls back must be what is named. Results may differ by ulps of
// bfloat16 and parts of 1.
func compareHalves(t *testing.T, fn func(in []*gx.Node) []*gx.Node, inputs []shapes.Shape, args []any, ulps float64,
	fallBack ...string) {
	t.Helper()
	want, _ := evaluate(t, goBackend(t), fn, inputs, args, nil)
	for name, b := range backends(t) {
		got, e := evaluate(t, b, fn, inputs, args, nil)
		if f := e.(*Program).Fallbacks(); !slices.Equal(f, fallBack) {
			t.Errorf("%s: %q fall back; want %q", name, f, fallBack)
		}
		for i := range want {
			for k, w := range want[i] {
				if v := got[i][k]; v != w && !(v != v && w != w) &&
					!(math.Abs(float64(v)-float64(w)) <= ulps*(halfUlp(w)+1./4096)) {
					t.Fatalf("%s: result %d at %d: %g; want %g\n%v", name, i, k, v, w, e)
				}
			}
		}
	}
}

// What falls back gets bfloat16 and gives it.
func TestHalfFallbacks(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	x, w := halfData(r, 20*6), halfData(r, 6*6)
	compareHalves(t, func(p []*gx.Node) []*gx.Node {
		y := gx.MulScalar(p[0], 1.5)
		index := gx.Const(p[0].Graph(), [][]int32{{3}, {1}, {19}})
		return []*gx.Node{
			gx.AddScalar(gx.Gather(y, index), 1), gx.Gather(p[0], index),
			gx.Gather(gx.Slice(p[0], gx.AxisRange(5)), gx.Const(p[0].Graph(), [][]int32{{3}})),
			gx.Square(gx.Sort(y, 0, true)),
			gx.ConvertDType(gx.ConvertDType(gx.Floor(y), dtypes.Int32), dtypes.BFloat16),
			gx.IotaFull(p[0].Graph(), halves(20, 6)), gx.Add(y, gx.IotaFull(p[0].Graph(), halves(20, 6))),
		}
	}, []shapes.Shape{halves(20, 6)}, []any{x}, 0, "Gather", "Gather", "Gather", "Sort", "ConvertDType", "ConvertDType")
	compareHalves(t, func(p []*gx.Node) []*gx.Node {
		g := p[0].Graph()
		half := gx.MulScalar(p[1], 0.3)
		cond := gx.NewClosure(g, func(g *gx.Graph) []*gx.Node {
			n := gx.Parameter(g, "n", shapes.Make(dtypes.Int32))
			_ = gx.Parameter(g, "x", p[0].Shape())
			return []*gx.Node{gx.LessThan(n, gx.Const(g, int32(2)))}
		})
		body := gx.NewClosure(g, func(g *gx.Graph) []*gx.Node {
			n := gx.Parameter(g, "n", shapes.Make(dtypes.Int32))
			x := gx.Parameter(g, "x", p[0].Shape())
			return []*gx.Node{gx.AddScalar(n, 1), gx.Tanh(gx.Dot(x, half).Product())}
		})
		return []*gx.Node{gx.Neg(gx.While(cond, body, gx.Const(g, int32(0)), p[0])[1])}
	}, []shapes.Shape{halves(20, 6), halves(6, 6)}, []any{x, w}, 2, "While")
}

// Products say in what to sum and what to give.
func TestHalfProductTypes(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	a, b := halfData(r, 40*70), halfData(r, 70*50)
	fine := func(x []bfloat16.BFloat16) []float32 {
		f := asFloats(x)
		for i := range f {
			f[i] += float32(r.NormFloat64()) / 300
		}
		return f
	}
	all := []dtypes.DType{dtypes.InvalidDType, dtypes.Float32, dtypes.BFloat16}
	for _, c := range []struct {
		shape func(dims ...int) shapes.Shape
		args  []any
	}{{halves, []any{a, b}}, {floats, []any{fine(a), fine(b)}}} {
		for _, acc := range all {
			if acc == dtypes.BFloat16 && c.shape().DType != acc {
				continue // the Go backend has no such product
			}
			for _, out := range all {
				t.Run(fmt.Sprint(c.shape().DType, acc, out), func(t *testing.T) {
					compareHalves(t, func(p []*gx.Node) []*gx.Node {
						return []*gx.Node{gx.Dot(p[0], p[1]).WithAccumulatorDType(acc).WithOutputDType(out).Product()}
					}, []shapes.Shape{c.shape(40, 70), c.shape(70, 50)}, c.args, 1)
				})
			}
		}
	}
	t.Run("float64", func(t *testing.T) { // more than floats have
		compareHalves(t, func(p []*gx.Node) []*gx.Node {
			return []*gx.Node{
				gx.Dot(p[0], p[1]).WithAccumulatorDType(dtypes.Float64).WithOutputDType(dtypes.BFloat16).Product()}
		}, []shapes.Shape{halves(40, 70), halves(70, 50)}, []any{a, b}, 1, "DotGeneral")
	})
}

// All of the 65536 numbers, there and back, and rounded where they are in between.
func TestHalfNumbers(t *testing.T) {
	x, mid := make([]bfloat16.BFloat16, 1<<16), make([]float32, 1<<16)
	for i := range x {
		x[i] = bfloat16.FromBits(uint16(i))
		if mid[i] = math.Float32frombits(uint32(i)<<16 | 0x8000); mid[i] != mid[i] {
			mid[i] = float32(math.NaN()) // some are infinite once the Go backend has cut them
		}
	}
	compareHalves(t, func(p []*gx.Node) []*gx.Node {
		return []*gx.Node{p[0], gx.Neg(p[0]), gx.ConvertDType(p[0], dtypes.Float32),
			gx.ConvertDType(p[1], dtypes.BFloat16),
			gx.MulScalar(p[0], 1), gx.IsFinite(p[0]), gx.Where(gx.IsFinite(p[0]), p[0], gx.ZerosLike(p[0]))}
	}, []shapes.Shape{halves(1 << 16), floats(1 << 16)}, []any{x, mid}, 0)
}

// The results of a call may be written where the arguments are, in two bytes each.
func TestHalfResultsInPlace(t *testing.T) {
	for name, b := range backends(t) {
		t.Run(name, func(t *testing.T) {
			p := compiled(t, b, func(in []*gx.Node) []*gx.Node {
				return []*gx.Node{gx.Sub(in[0], gx.Mul(in[1], in[1])), gx.MulScalar(in[1], 0.5)}
			}, halves(1000, 3), halves(1000, 3))
			if p.outputs[0].donor != 0 || p.outputs[1].donor != 1 {
				t.Fatalf("results take the memory of %d and %d; want 0 and 1", p.outputs[0].donor, p.outputs[1].donor)
			}
			ones := make([]bfloat16.BFloat16, 3000)
			for i := range ones {
				ones[i] = bfloat16.FromFloat32(1)
			}
			var args []compute.Buffer
			for range 2 {
				buf, err := b.BufferFromFlatData(0, ones, p.inputs[0])
				if err != nil {
					t.Fatal(err)
				}
				args = append(args, buf)
			}
			for _, want := range [][2]float32{{0, 0.5}, {-0.25, 0.25}, {-0.3125, 0.125}} {
				if err := p.ExecuteInto(args, args); err != nil {
					t.Fatal(err)
				}
				for i, a := range args {
					flat := make([]bfloat16.BFloat16, 3000)
					if err := a.ToFlatData(flat); err != nil {
						t.Fatal(err)
					}
					for k, v := range flat {
						if v.Float32() != want[i] {
							t.Fatalf("result %d at %d: %v; want %g", i, k, v, want[i])
						}
					}
				}
			}
		})
	}
}
