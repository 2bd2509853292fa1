package native

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"

	"flowmatch/engine/native/kernel"
)

func halves(dims ...int) shapes.Shape { return shapes.Make(dtypes.BFloat16, dims...) }

// halfData draws numbers that bfloat16 has.
func halfData(r *rand.Rand, n int) []bfloat16.BFloat16 {
	x := make([]bfloat16.BFloat16, n)
	for i := range x {
		x[i] = bfloat16.FromFloat64(r.NormFloat64())
	}
	return x
}

// evaluate runs a function of a backend on arguments and returns its results as floats.
func evaluate(t *testing.T, b compute.Backend, fn func(in []*gx.Node) []*gx.Node, inputs []shapes.Shape, args []any,
	donate []bool) (out [][]float32, e compute.Executable) {
	t.Helper()
	g := gx.NewGraph(b, "test")
	var in []*gx.Node
	var bufs []compute.Buffer
	for i, s := range inputs {
		in = append(in, gx.Parameter(g, fmt.Sprint("p", i), s))
		buf, err := b.BufferFromFlatData(0, args[i], s)
		if err != nil {
			t.Fatal(err)
		}
		bufs = append(bufs, buf)
	}
	if err := g.Compile(fn(in)...); err != nil {
		t.Fatal(err)
	}
	e = g.Executable()
	outs, err := e.Execute(bufs, donate, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range outs {
		s, err := o.Shape()
		if err != nil {
			t.Fatal(err)
		}
		if !s.Equal(e.Outputs()[i]) {
			t.Fatalf("result %d has shape %s; want %s", i, s, e.Outputs()[i])
		}
		flat := zeros(s)
		if err := o.ToFlatData(flat); err != nil {
			t.Fatal(err)
		}
		out = append(out, numbersOf(flat))
	}
	return out, e
}

// numbersOf turns flat data into floats.
func numbersOf(flat any) []float32 {
	if b, ok := flat.([]bool); ok {
		x := make([]float32, len(b))
		for i, v := range b {
			if v {
				x[i] = 1
			}
		}
		return x
	}
	return asFloats(flat)
}

// halfUlp is the distance of bfloat16 numbers of the magnitude of x.
func halfUlp(x float32) float64 {
	_, e := math.Frexp(float64(x))
	return math.Ldexp(1, max(e, -125)-8)
}

// Each operation, compiled and not fallen back from, is the Go backend's but for
// the last bit. Sums there have errors of their own: long ones are of few numbers.
func TestHalfOperations(t *testing.T) {
	one := func(x *gx.Node) []*gx.Node { return []*gx.Node{x} }
	type in = []*gx.Node
	cases := []struct {
		name   string
		inputs []shapes.Shape
		f      func(in in) []*gx.Node
	}{
		{"Add", []shapes.Shape{halves(5, 70), halves(5, 70)}, func(p in) []*gx.Node { return one(gx.Add(p[0], p[1])) }},
		{"Sub row", []shapes.Shape{halves(50, 70), halves(70)},
			func(p in) []*gx.Node { return one(gx.Sub(p[0], gx.InsertAxes(p[1], 0))) }},
		{"Mul column", []shapes.Shape{halves(50, 70), halves(50)},
			func(p in) []*gx.Node { return one(gx.Mul(p[0], gx.InsertAxes(p[1], -1))) }},
		{"Div scalar", []shapes.Shape{halves(33), halves()}, func(p in) []*gx.Node { return one(gx.Div(p[0], p[1])) }},
		{"scalar Div", []shapes.Shape{halves(33), halves()}, func(p in) []*gx.Node { return one(gx.Div(p[1], p[0])) }},
		{"scalars", []shapes.Shape{halves(), halves()}, func(p in) []*gx.Node { return one(gx.Mul(p[1], p[0])) }},
		{"constants", []shapes.Shape{halves(77)},
			func(p in) []*gx.Node { return one(gx.AddScalar(gx.MulScalar(p[0], 1.7), 0.1)) }},
		{"constant vector", []shapes.Shape{halves(9, 3)}, func(p in) []*gx.Node {
			return one(gx.Add(p[0], gx.Const(p[0].Graph(), [][]bfloat16.BFloat16{bfloat16.FromFloat32s(1, 2.5, -3)})))
		}},
		{"unary", []shapes.Shape{halves(1500)}, func(p in) []*gx.Node {
			x := p[0]
			return []*gx.Node{gx.Exp(x), gx.Tanh(x), gx.Sigmoid(x), gx.Sin(x), gx.Cos(x), gx.Log(gx.Abs(x)),
				gx.Sqrt(gx.Abs(x)), gx.Neg(x), gx.Floor(x),
				gx.Ceil(x), gx.Round(x), gx.Sign(x), gx.Square(x), gx.Erf(x), gx.Expm1(x), gx.Log1p(gx.Abs(x)),
				gx.Rsqrt(gx.Abs(x))}
		}},
		{"comparisons", []shapes.Shape{halves(20, 30), halves(20, 30)}, func(p in) []*gx.Node {
			lt := gx.LessThan(p[0], p[1])
			return []*gx.Node{lt, gx.Equal(p[0], p[0]), gx.Where(lt, p[0], p[1]), gx.IsFinite(p[0]),
				gx.ConvertDType(lt, dtypes.BFloat16), gx.ConvertDType(p[0], dtypes.Bool)}
		}},
		{"extremes", []shapes.Shape{halves(20, 30), halves(20, 30)}, func(p in) []*gx.Node {
			return []*gx.Node{gx.Max(p[0], p[1]), gx.Min(p[0], p[1]), gx.ClipScalar(p[0], -0.5, 0.25),
				gx.ReduceMax(p[0], 0), gx.ReduceMin(p[0], 1), gx.ReduceAllMax(p[0])}
		}},
		{"sums", []shapes.Shape{halves(20, 30)}, func(p in) []*gx.Node {
			x := gx.Sign(p[0])
			return []*gx.Node{gx.ReduceSum(x, 0), gx.ReduceSum(x, 1), gx.ReduceSum(gx.ReduceSum(x, 0), 0)}
		}},
		{"to and fro", []shapes.Shape{halves(20, 30), floats(20, 30)}, func(p in) []*gx.Node {
			return []*gx.Node{gx.ConvertDType(p[0], dtypes.Float32), gx.ConvertDType(p[1], dtypes.BFloat16), p[0],
				gx.Mul(gx.ConvertDType(gx.ConvertDType(p[1], dtypes.BFloat16), dtypes.Float32), p[1])}
		}},
		{"moves", []shapes.Shape{halves(20, 30), halves(20, 7)}, func(p in) []*gx.Node {
			return []*gx.Node{gx.Transpose(p[0], 0, 1), gx.Reverse(p[0], 0),
				gx.Slice(p[0], gx.AxisRange(3, 9), gx.AxisRange(1, 20)), gx.Concatenate([]*gx.Node{p[0], p[1]}, 1),
				gx.Reshape(p[0], 5, 120), gx.Pad(p[0], gx.ScalarOne(p[0].Graph(), dtypes.BFloat16),
					compute.PadAxis{Start: 1, End: 2}, compute.PadAxis{Start: 0, End: 3}),
				gx.Slice(p[0], gx.AxisRange(3, 9)), gx.BroadcastToDims(gx.InsertAxes(p[1], 0), 3, 20, 7),
				gx.Slice(p[1], gx.AxisRange(2, 3), gx.AxisRange(3, 4))}
		}},
		{"small product", []shapes.Shape{halves(5, 7), halves(7, 3)},
			func(p in) []*gx.Node { return one(gx.Dot(p[0], p[1]).Product()) }},
		{"product", []shapes.Shape{halves(70, 65), halves(65, 130)},
			func(p in) []*gx.Node { return one(gx.Dot(p[0], p[1]).Product()) }},
		{"product to float32", []shapes.Shape{halves(70, 64), halves(64, 130)}, func(p in) []*gx.Node {
			return one(gx.Dot(p[0], p[1]).WithOutputDType(dtypes.Float32).Product())
		}},
		{"product from float32", []shapes.Shape{floats(70, 64), floats(64, 130)}, func(p in) []*gx.Node {
			return one(gx.Dot(gx.ConvertDType(p[0], dtypes.BFloat16),
				gx.ConvertDType(p[1], dtypes.BFloat16)).WithOutputDType(dtypes.Float32).Product())
		}},
		{"product of columns", []shapes.Shape{halves(150, 40), halves(150, 33)},
			func(p in) []*gx.Node { return one(gx.Einsum("bi,bj->ij", p[0], p[1])) }},
		{"product of computed columns", []shapes.Shape{halves(150, 40), halves(150, 33)}, func(p in) []*gx.Node {
			return one(gx.Einsum("bi,bj->ij", gx.MulScalar(p[0], 0.7), p[1]))
		}},
		{"products", []shapes.Shape{halves(6, 33, 40), halves(6, 40, 35)},
			func(p in) []*gx.Node { return one(gx.Einsum("bij,bjk->bik", p[0], p[1])) }},
		{"products transposed", []shapes.Shape{halves(6, 40, 33), halves(6, 35, 40)},
			func(p in) []*gx.Node { return one(gx.Einsum("bji,bkj->bik", p[0], p[1])) }},
	}
	ref := goBackend(t)
	for name, b := range backends(t) {
		for _, c := range cases {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, 2))
				var args []any
				for _, s := range c.inputs {
					x := halfData(r, s.Size())
					if s.DType == dtypes.Float32 {
						f := asFloats(x)
						for i := range f {
							f[i] += float32(r.NormFloat64()) * 1e-3
						}
						args = append(args, f)
					} else {
						args = append(args, x)
					}
				}
				want, _ := evaluate(t, ref, c.f, c.inputs, args, nil)
				got, e := evaluate(t, b, c.f, c.inputs, args, nil)
				if f := e.(*Program).Fallbacks(); len(f) > 0 {
					t.Errorf("%v fall back", f)
				}
				for i := range want {
					tol, least := 1.0, 1e-3/128
					if strings.Contains(c.name, "float32") {
						// Of sums of 64 products of a few units, which BFDOT rounds to odd, the last bits.
						tol, least = 1./128, 2e-6
					}
					for k, w := range want[i] {
						if d := math.Abs(float64(got[i][k]) - float64(w)); d > tol*halfUlp(w) && d > least {
							t.Fatalf("result %d at %d: %g; want %g", i, k, got[i][k], w)
						}
					}
				}
			})
		}
	}
}

// sketch draws graphs of bfloat16 in which nothing depends on how sums are
// ordered, so that results must be those of the Go backend bit for bit.
type sketch struct {
	r    *rand.Rand
	vals []*gx.Node
	lead int
	pool []int
}

// pick returns a recent value of a type, or one made of another.
func (s *sketch) pick(dt dtypes.DType) *gx.Node {
	for range 20 {
		x := s.vals[len(s.vals)-1-min(s.r.IntN(len(s.vals)), s.r.IntN(len(s.vals)))]
		if x.DType() == dt {
			return x
		}
	}
	x := s.vals[s.r.IntN(len(s.vals))]
	if dt == dtypes.Bool && x.DType() != dtypes.Bool {
		return gx.LessThan(x, gx.ScalarZero(x.Graph(), x.DType()))
	}
	return gx.ConvertDType(x, dt)
}

// like returns a value of shape dims.
func (s *sketch) like(dt dtypes.DType, dims []int) *gx.Node {
	for range 6 {
		if x := s.pick(dt); slices.Equal(x.Shape().Dimensions, dims) {
			return x
		}
	}
	x := s.pick(dt)
	if x.Shape().Size() == 0 {
		return gx.BroadcastToDims(gx.ScalarOne(x.Graph(), dt), dims...)
	}
	if n := size(dims); n <= x.Shape().Size() && s.r.IntN(2) == 0 {
		return gx.Reshape(gx.Slice(gx.Reshape(x, x.Shape().Size()), gx.AxisRange(0, n)), dims...)
	}
	k := s.r.IntN(x.Shape().Size())
	x = gx.Reshape(gx.Slice(gx.Reshape(x, x.Shape().Size()), gx.AxisRange(k, k+1)), make([]int, 0)...)
	if len(dims) == 0 {
		return x
	}
	return gx.BroadcastToDims(x, dims...)
}

func (s *sketch) add() {
	const half = dtypes.BFloat16
	x := s.pick(half)
	dims := x.Shape().Dimensions
	bounded := func(x *gx.Node) *gx.Node { return gx.ClipScalar(x, -100, 100) }
	var y *gx.Node
	switch k := s.r.IntN(25); {
	case k >= 22 && len(dims) == 3: // a product for each index of the first axis
		n := s.pool[len(s.pool)-1-s.r.IntN(2)]
		rhs, equation := []int{dims[0], dims[2], n}, "bij,bjk->bik"
		if s.r.IntN(2) == 0 {
			rhs, equation = []int{dims[0], n, dims[2]}, "bij,bkj->bik"
		}
		if s.r.IntN(3) == 0 { // the other way round
			rhs[0], rhs[2], equation = rhs[2], rhs[0],
				"bij,"+map[string]string{"bij,bjk->bik": "kjb", "bij,bkj->bik": "jkb"}[equation]+"->bik"
		}
		y = gx.Einsum(equation, gx.Sign(x), gx.Sign(s.like(half, rhs)))
	case k < 3:
		y = []func(*gx.Node) *gx.Node{gx.Neg, gx.Abs, gx.Floor, gx.Ceil,
			func(x *gx.Node) *gx.Node { return gx.Square(bounded(x)) },
			func(x *gx.Node) *gx.Node { return gx.Sqrt(gx.Abs(x)) }}[s.r.IntN(6)](x)
	case k < 8:
		f := []func(a, b *gx.Node) *gx.Node{gx.Add, gx.Sub, gx.Max, gx.Min,
			func(a, b *gx.Node) *gx.Node { return gx.Mul(bounded(a), bounded(b)) },
			func(a, b *gx.Node) *gx.Node { return gx.Div(a, gx.AddScalar(gx.Abs(b), 1)) }}[s.r.IntN(6)]
		y = bounded(f(x, s.like(half, dims)))
	case k == 8:
		y = gx.LessThan(x, s.like(half, dims))
	case k == 9:
		y = gx.Where(s.like(dtypes.Bool, dims), x, s.like(half, dims))
	case k == 10:
		y = gx.ConvertDType(s.pick([]dtypes.DType{dtypes.Float32, dtypes.Bool}[s.r.IntN(2)]), half)
	case k == 11:
		y = gx.Neg(gx.ConvertDType(x, dtypes.Float32))
	case k == 12:
		// to be rounded again
		y = gx.Add(gx.ConvertDType(x, dtypes.Float32), gx.Scalar(x.Graph(), dtypes.Float32, 1./1024))
	case k == 13 && len(dims) > 0:
		a := s.r.IntN(len(dims))
		ranges := make([]gx.SliceAxisSpec, len(dims))
		for i := range ranges {
			ranges[i] = gx.AxisRange()
		}
		lo := s.r.IntN(dims[a])
		ranges[a] = gx.AxisRange(lo, lo+1+s.r.IntN(dims[a]-lo))
		y = gx.Slice(x, ranges...)
	case k == 14 && len(dims) > 1:
		y = gx.TransposeAllAxes(x, s.r.Perm(len(dims))...)
	case k == 15 && len(dims) > 0:
		y = gx.Reverse(x, s.r.IntN(len(dims)))
	case k == 16 && len(dims) > 0:
		y = gx.Concatenate([]*gx.Node{x, s.like(half, dims)}, s.r.IntN(len(dims)))
	case k == 17 && len(dims) > 0:
		f := []func(*gx.Node, ...int) *gx.Node{gx.ReduceMax, gx.ReduceMin,
			func(x *gx.Node, axes ...int) *gx.Node { return gx.ReduceSum(gx.Sign(x), axes...) }}[s.r.IntN(3)]
		if a := s.r.IntN(len(dims)); dims[a] <= 256 {
			y = f(x, a)
		}
	case k == 18 && x.Shape().Size() <= 1000:
		d := s.pool[s.r.IntN(len(s.pool))]
		if y = gx.BroadcastToDims(gx.InsertAxes(x, 0), append([]int{d}, dims...)...); s.r.IntN(2) == 0 {
			y = gx.Transpose(y, 0, -1)
		}
	case k == 19 && len(dims) > 0:
		y = gx.Pad(x, gx.Scalar(x.Graph(), half, []float64{0, 1, -0.3}[s.r.IntN(3)]),
			compute.PadAxis{Start: s.r.IntN(3), End: s.r.IntN(2)})
	case len(dims) == 2:
		n := s.pool[s.r.IntN(len(s.pool))]
		to := []dtypes.DType{half, dtypes.Float32}[s.r.IntN(2)]
		if s.r.IntN(3) > 0 {
			y = gx.DotGeneral(gx.Sign(x), []int{1}, nil, gx.Sign(s.like(half, []int{n, dims[1]})), []int{1}, nil)
		} else {
			y = gx.Einsum("bi,bj->ij", gx.Sign(x), gx.Sign(s.like(half, []int{dims[0], n})))
		}
		y = gx.ConvertDType(y, to)
	}
	if y != nil && y.Shape().Size() <= 30000 {
		s.vals = append(s.vals, y)
	}
}

// Random graphs of operations that are exact but for the rounding to bfloat16.
func TestHalfGraphs(t *testing.T) {
	ref := goBackend(t)
	all := backends(t)
	n := 300
	if testing.Short() {
		n = 40
	}
	products, shrunk := 0, 0
	for seed := range n {
		r := rand.New(rand.NewPCG(uint64(seed), 3))
		lead := []int{1, 3, 16, 33, 64, 70, 200}[r.IntN(7)]
		pool := []int{1, 2, []int{3, 5, 8}[r.IntN(3)], []int{17, 32, 33}[r.IntN(3)], []int{40, 64, 65}[r.IntN(3)]}
		var inputs []shapes.Shape
		var args []any
		var donate []bool
		for range 1 + r.IntN(3) {
			dims := []int{lead}
			for range r.IntN(3) {
				dims = append(dims, pool[r.IntN(len(pool))])
			}
			inputs = append(inputs, halves(dims...))
			args = append(args, halfData(r, size(dims)))
			donate = append(donate, r.IntN(2) == 0)
		}
		again := r.Uint64()
		fn := func(in []*gx.Node) []*gx.Node {
			s := &sketch{r: rand.New(rand.NewPCG(again, 1)), vals: slices.Clone(in), lead: lead, pool: pool}
			for range 25 {
				s.add()
			}
			used := map[*gx.Node]bool{}
			for _, v := range s.vals {
				for _, u := range v.Inputs() {
					used[u] = true
				}
			}
			var outs []*gx.Node
			for _, v := range s.vals {
				if !used[v] || s.r.IntN(6) == 0 {
					outs = append(outs, v)
				}
			}
			return outs
		}
		want, _ := evaluate(t, ref, fn, inputs, args, nil)
		for name, b := range all {
			got, e := evaluate(t, b, fn, inputs, args, donate)
			p := e.(*Program)
			for _, u := range p.graph.tensors {
				if u.kind == kindDot && u.dot.half {
					products++
				}
				if u.isRounded() && u.typ == dtypes.BFloat16 {
					shrunk++
				}
			}
			for i := range want {
				for k, w := range want[i] {
					if v := got[i][k]; v != w && !(v != v && w != w) {
						t.Fatalf("seed %d at %s: result %d of %d at %d is %g; want %g\n%v", seed, name, i,
							len(want), k, v, w, p)
					}
				}
			}
			if f := p.Fallbacks(); len(f) > 0 {
				t.Errorf("seed %d: %v fall back", seed, f)
			}
		}
	}
	if shrunk == 0 {
		t.Error("nothing lay in two bytes between regions")
	}
	t.Logf("%d products in bfloat16, %d tensors in two bytes between regions", products, shrunk)
	if all[kernel.AVX512.String()] != nil && all[kernel.AVX512.String()].mat.HasBF16() && products == 0 {
		t.Error("no product was done in bfloat16")
	}
}
