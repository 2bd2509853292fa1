package native

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// recorded compiles what f makes of parameters.
func recorded(t testing.TB, b compute.Backend, params []shapes.Shape,
	f func(g compute.Function, p []compute.Value) []compute.Value) compute.Executable {
	t.Helper()
	bd := b.Builder("test")
	g := bd.Main()
	var ps []compute.Value
	for i, s := range params {
		ps = append(ps, must(t)(g.Parameter(string(rune('a'+i)), s, nil)))
	}
	if err := g.Return(f(g, ps), nil); err != nil {
		t.Fatal(err)
	}
	e, err := bd.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// must returns a function that returns a value, or fails.
func must(t testing.TB) func(v compute.Value, err error) compute.Value {
	return func(v compute.Value, err error) compute.Value {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newBuffer(t testing.TB, b compute.Backend, flat []float32, dims ...int) compute.Buffer {
	t.Helper()
	buf, err := b.BufferFromFlatData(0, flat, floats(dims...))
	if err != nil {
		t.Fatal(err)
	}
	return buf
}

// contents returns the floats of a buffer.
func contents(t testing.TB, b compute.Buffer) []float32 {
	t.Helper()
	s, err := b.Shape()
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, s.Size())
	if err := b.ToFlatData(x); err != nil {
		t.Fatal(err)
	}
	return x
}

func execute(t testing.TB, e compute.Executable, donate []bool, args ...compute.Buffer) []compute.Buffer {
	t.Helper()
	outs, err := e.Execute(args, donate, 0)
	if err != nil {
		t.Fatal(err)
	}
	return outs
}

func TestZeroSizes(t *testing.T) {
	inf := float32(math.Inf(1))
	cases := []struct {
		name   string
		params [][]int
		f      func(g compute.Function, p []compute.Value) (compute.Value, error)
		dims   []int
		want   float32 // everywhere
	}{
		{"unary", [][]int{{0, 3}},
			func(g compute.Function, p []compute.Value) (compute.Value, error) { return g.Exp(p[0]) },
			[]int{0, 3}, 0},
		{"binary", [][]int{{3, 0}, {3, 0}},
			func(g compute.Function, p []compute.Value) (compute.Value, error) { return g.Add(p[0], p[1]) },
			[]int{3, 0}, 0},
		{"binary of rows", [][]int{{0, 3}, {0, 3}},
			func(g compute.Function, p []compute.Value) (compute.Value, error) { return g.Sub(p[1], p[0]) },
			[]int{0, 3}, 0},
		{"binary with a scalar", [][]int{{2, 0, 3}, {}},
			func(g compute.Function, p []compute.Value) (compute.Value, error) { return g.Mul(p[0], p[1]) },
			[]int{2, 0, 3}, 0},
		{"broadcast", [][]int{{}}, func(g compute.Function, p []compute.Value) (compute.Value, error) {
			return g.BroadcastInDim(p[0], floats(3, 0), nil)
		}, []int{3, 0}, 0},
		{"broadcast of nothing", [][]int{{0}}, func(g compute.Function, p []compute.Value) (compute.Value, error) {
			x, err := g.BroadcastInDim(p[0], floats(3, 0), []int{1})
			if err != nil {
				return nil, err
			}
			return g.Tanh(x)
		}, []int{3, 0}, 0},
		{"reshape", [][]int{{0, 3}},
			func(g compute.Function, p []compute.Value) (compute.Value, error) { return g.Reshape(p[0], 2, 0) },
			[]int{2, 0}, 0},
		{"transpose", [][]int{{0, 3, 2}},
			func(g compute.Function, p []compute.Value) (compute.Value, error) { return g.Transpose(p[0], 1, 2, 0) },
			[]int{3, 2, 0}, 0},
		{"sum", [][]int{{0, 3}},
			func(g compute.Function, p []compute.Value) (compute.Value, error) {
				return g.ReduceSum(p[0], 0)
			}, []int{3}, 0},
		{"sum of rows", [][]int{{3, 0}},
			func(g compute.Function, p []compute.Value) (compute.Value, error) {
				return g.ReduceSum(p[0], 1)
			}, []int{3}, 0},
		{"sum of all", [][]int{{3, 0}},
			func(g compute.Function, p []compute.Value) (compute.Value, error) { return g.ReduceSum(p[0]) }, nil, 0},
		{"sum of no rows", [][]int{{0, 3}},
			func(g compute.Function, p []compute.Value) (compute.Value, error) {
				return g.ReduceSum(p[0], 1)
			}, []int{0}, 0},
		{"product", [][]int{{3, 0}},
			func(g compute.Function, p []compute.Value) (compute.Value, error) {
				return g.ReduceProduct(p[0], 1)
			}, []int{3}, 1},
		{"maximum", [][]int{{3, 0}},
			func(g compute.Function, p []compute.Value) (compute.Value, error) { return g.ReduceMax(p[0], 1) },
			[]int{3}, -inf},
		{"minimum", [][]int{{0, 2}},
			func(g compute.Function, p []compute.Value) (compute.Value, error) { return g.ReduceMin(p[0], 0) },
			[]int{2}, inf},
		{"concatenation", [][]int{{0, 2}, {0, 2}},
			func(g compute.Function, p []compute.Value) (compute.Value, error) {
				return g.Concatenate(0, p...)
			}, []int{0, 2},
			0},
		{"concatenation with something", [][]int{{0, 2}, {4, 2}, {0, 2}},
			func(g compute.Function, p []compute.Value) (compute.Value, error) {
				return g.Concatenate(0, p...)
			}, []int{4, 2},
			2},
		{"concatenation of columns", [][]int{{4, 0}, {4, 2}},
			func(g compute.Function, p []compute.Value) (compute.Value, error) {
				return g.Concatenate(1, p...)
			}, []int{4, 2},
			2},
		{"pad", [][]int{{0, 2}, {}}, func(g compute.Function, p []compute.Value) (compute.Value, error) {
			c, err := g.Constant([]float32{5})
			if err != nil {
				return nil, err
			}
			return g.Pad(p[0], c, compute.PadAxis{Start: 1, End: 2}, compute.PadAxis{End: 1})
		}, []int{3, 3}, 5},
		{"slice", [][]int{{4, 2}}, func(g compute.Function, p []compute.Value) (compute.Value, error) {
			return g.Slice(p[0], []int{2, 0}, []int{2, 2}, nil)
		}, []int{0, 2}, 0},
		{"reverse", [][]int{{0, 2}},
			func(g compute.Function, p []compute.Value) (compute.Value, error) { return g.Reverse(p[0], 0, 1) },
			[]int{0, 2}, 0},
		{"product of matrices over nothing", [][]int{{3, 0}, {0, 4}},
			func(g compute.Function, p []compute.Value) (compute.Value, error) {
				return g.DotGeneral(p[0], []int{1}, nil, p[1], []int{0}, nil, compute.DotGeneralConfig{})
			}, []int{3, 4}, 0},
		{"product of no rows", [][]int{{0, 3}, {3, 4}},
			func(g compute.Function, p []compute.Value) (compute.Value, error) {
				return g.DotGeneral(p[0], []int{1}, nil, p[1], []int{0}, nil, compute.DotGeneralConfig{})
			}, []int{0, 4}, 0},
		{"no products", [][]int{{0, 3, 2}, {0, 2, 4}},
			func(g compute.Function, p []compute.Value) (compute.Value, error) {
				return g.DotGeneral(p[0], []int{2}, []int{0}, p[1], []int{1}, []int{0}, compute.DotGeneralConfig{})
			}, []int{0, 3, 4}, 0},
		{"truth values", [][]int{{0, 3}}, func(g compute.Function, p []compute.Value) (compute.Value, error) {
			c, err := g.LessThan(p[0], p[0])
			if err != nil {
				return nil, err
			}
			return g.Where(c, p[0], p[0])
		}, []int{0, 3}, 0},
	}
	for name, b := range backends(t) {
		for _, c := range cases {
			t.Run(name+" "+c.name, func(t *testing.T) {
				var ps []shapes.Shape
				var args []compute.Buffer
				for _, d := range c.params {
					ps = append(ps, floats(d...))
					args = append(args, newBuffer(t, b, slices.Repeat([]float32{2}, size(d)), d...))
				}
				e := recorded(t, b, ps, func(g compute.Function, p []compute.Value) []compute.Value {
					return []compute.Value{must(t)(c.f(g, p)), p[0]}
				})
				for range 2 {
					out := execute(t, e, nil, args...)[0]
					if s, _ := out.Shape(); !s.Equal(floats(c.dims...)) {
						t.Fatalf("shape %s; want %v", s, c.dims)
					}
					for _, v := range contents(t, out) {
						if v != c.want {
							t.Fatalf("%v; want %v", v, c.want)
						}
					}
				}
			})
		}
	}
}

// TestSpecialValues compares functions of NaN, infinities, zeros and numbers
// close to these with the Go backend.
func TestSpecialValues(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	special := []float32{nan, inf, -inf, 0, float32(math.Copysign(0, -1)), 1e-45, -1e-45, 1e-39, 1.1754944e-38, -1e-38,
		math.MaxFloat32, -math.MaxFloat32,
		1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 88, 89, -88, -104, 1e-7, 3e38, 8388609, 1e10, 3.1415927}
	var xs, ys []float32
	for _, a := range special {
		for _, c := range special {
			xs, ys = append(xs, a), append(ys, c)
		}
	}
	n := len(xs)
	build := func(g compute.Function, p []compute.Value) (out []compute.Value) {
		m := must(t)
		for _, u := range slices.Concat(tame, wild) {
			out = append(out, m(u.f(g, p[0])))
		}
		for _, op := range slices.Concat(sums, comparisons) {
			out = append(out, m(op.f(g, p[0], p[1])))
		}
		both := m(g.LessThan(p[0], p[1]))
		return append(out, m(g.Div(p[0], p[1])), m(g.IsNaN(p[0])), m(g.IsFinite(p[0])), m(g.Where(both, p[0], p[1])),
			m(g.ReduceMax(m(g.Reshape(p[0], len(special), len(special))), 1)),
			m(g.ReduceMin(m(g.Reshape(p[0], len(special), len(special))), 0)),
			m(g.Clamp(m(g.Constant([]float32{-1})), p[0], m(g.Constant([]float32{1})))))
	}
	ps := []shapes.Shape{floats(n), floats(n)}
	ref := goBackend(t)
	want := execute(t, recorded(t, ref, ps, build), nil, newBuffer(t, ref, xs, n), newBuffer(t, ref, ys, n))
	for name, b := range backends(t) {
		got := execute(t, recorded(t, b, ps, build), nil, newBuffer(t, b, xs, n), newBuffer(t, b, ys, n))
		for i := range got {
			s, _ := got[i].Shape()
			x, y := zeros(s), zeros(s)
			if err := got[i].ToFlatData(x); err != nil {
				t.Fatal(err)
			}
			if err := want[i].ToFlatData(y); err != nil {
				t.Fatal(err)
			}
			if f, ok := x.([]float32); ok {
				for k, v := range f {
					w := y.([]float32)[k]
					if d := math.Abs(float64(v) - float64(w)); v != w && !(v != v && w != w) &&
						!(d <= 4e-6*math.Abs(float64(w))+1e-44) {
						t.Errorf("%s: result %d of %g, %g: %g; want %g", name, i, xs[k%n], ys[k%n], v, w)
					}
				}
			} else if !sameBits(x, y) {
				t.Errorf("%s: result %d: %v; want %v", name, i, x, y)
			}
		}
	}
}

func TestDonation(t *testing.T) {
	for name, b := range backends(t) {
		t.Run(name, func(t *testing.T) {
			const n = 5000
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(i%13) - 6
			}
			step := recorded(t, b, []shapes.Shape{floats(n), floats(n)},
				func(g compute.Function, p []compute.Value) []compute.Value {
					m := must(t)
					return []compute.Value{m(g.Sub(p[0], m(g.Tanh(p[1])))), m(g.Add(p[0], p[1])), m(g.Reverse(p[0], 0))}
				})
			arg := func() compute.Buffer { return newBuffer(t, b, x, n) }
			want := execute(t, step, nil, arg(), arg())
			check := func(what string, got []compute.Buffer) {
				t.Helper()
				for i := range got {
					if !slices.Equal(contents(t, got[i]), contents(t, want[i])) {
						t.Errorf("%s: result %d differs", what, i)
					}
				}
			}
			u, v := arg(), arg()
			check("donated", execute(t, step, []bool{true, true}, u, v))
			if _, err := step.Execute([]compute.Buffer{u, arg()}, nil, 0); err == nil {
				t.Error("a donated buffer was taken again")
			}
			same := arg()
			check("one buffer twice", execute(t, step, nil, same, same))
			check("one buffer twice, donated once", execute(t, step, []bool{true, false}, same, same))
			same = arg()
			check("one buffer twice, donated twice", execute(t, step, []bool{true, true}, same, same))
			if _, err := step.Execute([]compute.Buffer{arg(), arg()}, []bool{true}, 0); err == nil {
				t.Error("a list of donations that is too short was taken")
			}
			if outs, err := step.Execute([]compute.Buffer{arg(), arg()}, []bool{}, 0); err != nil {
				t.Error(err)
			} else {
				check("no donations", outs)
			}
		})
	}
}

// TestDonatedShape donates the memory of a matrix to a vector, which an operation
// that is not compiled reads then.
func TestDonatedShape(t *testing.T) {
	for name, b := range backends(t) {
		t.Run(name, func(t *testing.T) {
			flat := recorded(t, b, []shapes.Shape{floats(4, 6)},
				func(g compute.Function, p []compute.Value) []compute.Value {
					return []compute.Value{must(t)(g.Neg(must(t)(g.Reshape(p[0], 24))))}
				})
			find := recorded(t, b, []shapes.Shape{floats(24)},
				func(g compute.Function, p []compute.Value) []compute.Value {
					return []compute.Value{
						must(t)(g.ConvertDType(must(t)(g.ArgMinMax(p[0], 0, dtypes.Int32, true)), dtypes.Float32))}
				})
			x := make([]float32, 24)
			x[17] = 1
			out := execute(t, flat, []bool{true}, newBuffer(t, b, x, 4, 6))
			if got := contents(t, execute(t, find, nil, out...)[0]); got[0] != 17 {
				t.Errorf("%v; want 17", got)
			}
		})
	}
}

// TestInPlace takes steps whose results replace their arguments, beside steps that
// do not.
func TestInPlace(t *testing.T) {
	for name, b := range backends(t) {
		t.Run(name, func(t *testing.T) {
			fn, inputs := descent(300, 5, 64, 3)
			p := compiled(t, b, fn, inputs...)
			r := rand.New(rand.NewPCG(3, 4))
			var args, copies []compute.Buffer
			for _, s := range inputs {
				x := make([]float32, s.Size())
				for i := range x {
					x[i] = float32(r.NormFloat64()) / 4
				}
				args, copies = append(args, newBuffer(t, b, x, s.Dimensions...)),
					append(copies, newBuffer(t, b, x, s.Dimensions...))
			}
			loss := newBuffer(t, b, []float32{0})
			for k := range 4 {
				if err := p.ExecuteInto([]compute.Buffer{args[0], args[1], loss}, args); err != nil {
					t.Fatal(err)
				}
				outs := execute(t, p, nil, copies...)
				copies[0], copies[1] = outs[0], outs[1]
				for i, o := range []compute.Buffer{args[0], args[1], loss} {
					if !slices.Equal(contents(t, o), contents(t, outs[i])) {
						t.Fatalf("step %d, result %d: other bits", k, i)
					}
				}
			}
		})
	}
}
