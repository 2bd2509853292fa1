package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// eachLevel runs a test at every level of this CPU that has loops of its own.
func eachLevel(t *testing.T, f func(t *testing.T, v *Vector)) {
	for _, l := range Levels() {
		if l == AMX { // its loops are those of AVX512
			continue
		}
		t.Run(l.String(), func(t *testing.T) { f(t, VectorAt(l)) })
	}
}

func newRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// sizes are lengths around the widths of vectors and of unrolled loops, and long ones.
func sizes() []int {
	var out []int
	for n := range 71 {
		out = append(out, n)
	}
	return append(out, 127, 128, 129, 1000, 1024, 1027)
}

// special are numbers that loops tend to get wrong.
var special = []float32{
	0, float32(math.Copysign(0, -1)), 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-45, -1e-45, 1e-40, -1e-40, 1.1754944e-38,
	math.MaxFloat32, -math.MaxFloat32, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()),
	88.72, 88.73, 89, -87.3, -88, -95, -103.9, -104, -105, 1e5, -1e5, 1.1e5, 3e10, -3e10, 1e38, 8388608, 8388609,
	4194303.5,
}

// numbers returns a slice that starts off an alignment of 64 bytes, with numbers
// of all kinds.
func numbers(r *rand.Rand, n, offset int) []float32 {
	x := make([]float32, n+offset)[offset:]
	for i := range x {
		switch r.IntN(4) {
		case 0:
			x[i] = special[r.IntN(len(special))]
		case 1:
			x[i] = math.Float32frombits(r.Uint32())
		default:
			x[i] = float32(r.NormFloat64() * 3)
		}
	}
	return x
}

// plain returns normal numbers.
func plain(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// addressOf returns the address of the first element, also of an empty slice.
func addressOf[T any](x []T) *T {
	if len(x) == 0 {
		return new(T)
	}
	return &x[0]
}

const guard = 0x5a5a5a5a

// guarded is a destination between guards.
type guarded struct {
	all []float32
	n   int
}

const guardWidth = 40

func newGuarded(n int) guarded {
	g := guarded{make([]float32, n+2*guardWidth), n}
	for i := range g.all {
		g.all[i] = math.Float32frombits(guard)
	}
	return g
}

func (g guarded) body() []float32 { return g.all[guardWidth : guardWidth+g.n] }
func (g guarded) ptr() *float32   { return &g.all[guardWidth] }

func (g guarded) check(t *testing.T) {
	t.Helper()
	for i, x := range g.all {
		if (i < guardWidth || i >= guardWidth+g.n) && math.Float32bits(x) != guard {
			t.Fatalf("write outside, at %d of %d", i-guardWidth, g.n)
		}
	}
}

// ulps returns the distance of got from want in units in the last place of a float32.
func ulps(got float32, want float64) float64 {
	g := float64(got)
	w := float32(want)
	switch {
	case got == w || got != got && want != want:
		return 0
	case got != got || want != want:
		return math.Inf(1)
	case math.IsInf(want, 0) || math.IsInf(g, 0):
		// Next to the largest number, infinity counts as 2^128.
		g, want = math.Min(math.Max(g, -0x1p128), 0x1p128), math.Min(math.Max(want, -0x1p128), 0x1p128)
	}
	_, e := math.Frexp(want)
	unit := math.Ldexp(1, min(max(e-24, -149), 104))
	return math.Abs(g-want) / unit
}

// bounds are the errors that the documentation of UnaryOp states.
var bounds = [numUnary]float64{
	Sqrt: 0.5, Rsqrt: 1.5, Recip: 0.5, Square: 0.5, Exp: 1, Expm1: 1.5, Log: 1, Log1p: 1.5, Sin: 2, Cos: 2,
	Tanh: 1.5, Sigmoid: 2, SiLU: 2, Erf: 1.5,
}

// reference64 are the functions with a bound, in float64.
var reference64 = map[UnaryOp]func(float64) float64{
	Sqrt: math.Sqrt, Rsqrt: func(x float64) float64 { return 1 / math.Sqrt(x) },
	Recip:  func(x float64) float64 { return 1 / x },
	Square: func(x float64) float64 { return x * x },
	Exp:    math.Exp, Expm1: math.Expm1, Log: math.Log, Log1p: math.Log1p, Sin: math.Sin, Cos: math.Cos,
	Tanh: math.Tanh, Sigmoid: func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, SiLU: siluGo, Erf: math.Erf,
}

var unaryNames = [numUnary]string{"Neg", "Abs", "Sign", "Square", "Sqrt", "Rsqrt", "Recip", "Exp", "Expm1", "Log",
	"Log1p",
	"Sin", "Cos", "Tanh", "Sigmoid", "SiLU", "Erf", "Floor", "Ceil", "Round", "IsFinite", "IsNaN", "Not", "Copy",
	"RoundBF16"}

var binaryNames = [numBinary]string{"Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Rem", "Atan2",
	"Eq", "Ne", "Lt", "Le", "Gt", "Ge", "And", "Or", "Xor"}

// sameNumber says whether two numbers are the same, all NaN being one.
func sameNumber(a, b float32) bool {
	return a != a && b != b || math.Float32bits(a) == math.Float32bits(b)
}

func TestUnary(t *testing.T) {
	eachLevel(t, func(t *testing.T, v *Vector) {
		r := newRand()
		for op, f := range v.Unary {
			for _, n := range sizes() {
				x := numbers(r, n, r.IntN(16))
				dst := newGuarded(n)
				f(n, dst.ptr(), addressOf(x))
				dst.check(t)
				for i, got := range dst.body() {
					checkUnary(t, UnaryOp(op), x[i], got)
				}
				same := newGuarded(n)
				copy(same.body(), x)
				f(n, same.ptr(), same.ptr())
				same.check(t)
				for i, got := range same.body() {
					if !sameNumber(got, dst.body()[i]) {
						t.Fatalf("%s(%g) in place: %g, not %g", unaryNames[op], x[i], got, dst.body()[i])
					}
				}
			}
		}
	})
}

func checkUnary(t *testing.T, op UnaryOp, x, got float32) {
	t.Helper()
	if f, ok := reference64[op]; ok {
		want := f(float64(x))
		if e := ulps(got, want); e > bounds[op] {
			t.Errorf("%s(%g) = %g, want %g: off by %.3g ulp", unaryNames[op], x, got, want, e)
		}
		if want == 0 && got == 0 && math.Signbit(want) != math.Signbit(float64(got)) {
			t.Errorf("%s(%g) = %g, want %g", unaryNames[op], x, got, want)
		}
		return
	}
	if want := unaryGo[op](x); !sameNumber(got, want) {
		t.Errorf("%s(%g) = %g, want %g", unaryNames[op], x, got, want)
	}
}

// TestAccuracy goes through one float32 of every few hundred.
func TestAccuracy(t *testing.T) {
	step := uint64(1021)
	if testing.Short() {
		step = 8191
	}
	eachLevel(t, func(t *testing.T, v *Vector) {
		x := make([]float32, 1<<12)
		y := make([]float32, len(x))
		for op := range reference64 {
			worst, at := 0.0, float32(0)
			for u := uint64(0); u < 1<<32; {
				for i := range x {
					x[i] = math.Float32frombits(uint32(u))
					u += step
				}
				v.Unary[op](len(x), &y[0], &x[0])
				for i, got := range y {
					if e := ulps(got, reference64[op](float64(x[i]))); e > worst {
						worst, at = e, x[i]
					}
				}
			}
			t.Logf("%-8s %.3f ulp at %g", unaryNames[op], worst, at)
			if worst > bounds[op] {
				t.Errorf("%s is off by %.3f ulp at %g, want %g", unaryNames[op], worst, at, bounds[op])
			}
		}
	})
}

func TestBinary(t *testing.T) {
	eachLevel(t, func(t *testing.T, v *Vector) {
		r := newRand()
		for op := range BinaryOp(numBinary) {
			for _, n := range sizes() {
				a, b := numbers(r, n, r.IntN(16)), numbers(r, n, r.IntN(16))
				for i := range a {
					if r.IntN(4) == 0 {
						a[i] = b[i]
					}
				}
				s := numbers(r, 1, 0)[0]
				check := func(what string, f func(dst *float32), a, b func(i int) float32) {
					t.Helper()
					dst := newGuarded(n)
					f(dst.ptr())
					dst.check(t)
					for i, got := range dst.body() {
						checkBinary(t, op, what, a(i), b(i), got)
					}
				}
				at := func(x []float32) func(int) float32 { return func(i int) float32 { return x[i] } }
				scalar := func(int) float32 { return s }
				check("", func(dst *float32) { v.Binary[op](n, dst, addressOf(a), addressOf(b)) }, at(a), at(b))
				check("VS", func(dst *float32) { v.BinaryVS[op](n, dst, addressOf(a), s) }, at(a), scalar)
				check("SV", func(dst *float32) { v.BinarySV[op](n, dst, s, addressOf(b)) }, scalar, at(b))
				into := append([]float32{0}, a...)[1:]
				v.Binary[op](n, addressOf(into), addressOf(into), addressOf(b))
				for i, got := range into {
					checkBinary(t, op, " into a", a[i], b[i], got)
				}
				into = append([]float32{0}, b...)[1:]
				v.Binary[op](n, addressOf(into), addressOf(a), addressOf(into))
				for i, got := range into {
					checkBinary(t, op, " into b", a[i], b[i], got)
				}
			}
		}
	})
}

func checkBinary(t *testing.T, op BinaryOp, what string, a, b, got float32) {
	t.Helper()
	want := binaryGo[op](a, b)
	if (op == Max || op == Min) && a == 0 && b == 0 && got == 0 {
		return // either zero will do
	}
	if !sameNumber(got, want) {
		t.Fatalf("%s%s(%g, %g) = %g, want %g", binaryNames[op], what, a, b, got, want)
	}
}

func TestFused(t *testing.T) {
	eachLevel(t, func(t *testing.T, v *Vector) {
		r := newRand()
		for _, n := range sizes() {
			a, b, c := plain(r, n), plain(r, n), plain(r, n)
			s, u := float32(r.NormFloat64()), float32(r.NormFloat64())
			pa, pb, pc := addressOf(a), addressOf(b), addressOf(c)
			for name, k := range map[string]struct {
				run  func(dst *float32)
				want func(i int) float64
			}{
				"MulAdd": {func(d *float32) { v.MulAdd(n, d, pa, pb, pc) },
					func(i int) float64 { return f64(a[i])*f64(b[i]) + f64(c[i]) }},
				"MulSub": {func(d *float32) { v.MulSub(n, d, pa, pb, pc) },
					func(i int) float64 { return f64(a[i])*f64(b[i]) - f64(c[i]) }},
				"NegMulAdd": {func(d *float32) { v.NegMulAdd(n, d, pa, pb, pc) },
					func(i int) float64 { return f64(c[i]) - f64(a[i])*f64(b[i]) }},
				"MulAddS": {func(d *float32) { v.MulAddS(n, d, pa, s, pc) },
					func(i int) float64 { return f64(a[i])*f64(s) + f64(c[i]) }},
				"Affine": {func(d *float32) { v.Affine(n, d, pa, s, u) },
					func(i int) float64 { return f64(a[i])*f64(s) + f64(u) }},
				"Lerp2": {func(d *float32) { v.Lerp2(n, d, pa, s, pb, u) },
					func(i int) float64 { return f64(a[i])*f64(s) + f64(b[i]*u) }},
				"Fill": {func(d *float32) { v.Fill(n, d, s) }, func(int) float64 { return f64(s) }},
			} {
				dst := newGuarded(n)
				k.run(dst.ptr())
				dst.check(t)
				for i, got := range dst.body() {
					if e := ulps(got, k.want(i)); e > 0.5 {
						t.Fatalf("%s: %g, want %g: off by %g ulp", name, got, k.want(i), e)
					}
				}
			}
		}
	})
}

func f64(x float32) float64 { return float64(x) }

func TestSelect(t *testing.T) {
	eachLevel(t, func(t *testing.T, v *Vector) {
		r := newRand()
		for _, n := range sizes() {
			c, a, b := numbers(r, n, 1), numbers(r, n, 2), numbers(r, n, 3)
			dst := newGuarded(n)
			v.Select(n, dst.ptr(), addressOf(c), addressOf(a), addressOf(b))
			dst.check(t)
			for i, got := range dst.body() {
				want := b[i]
				if c[i] != 0 {
					want = a[i]
				}
				if math.Float32bits(got) != math.Float32bits(want) {
					t.Fatalf("Select(%g, %g, %g) = %g", c[i], a[i], b[i], got)
				}
			}
		}
	})
}

func TestAdam(t *testing.T) {
	h := &AdamConfig{LR: 0.01, Beta1: 0.9, Beta2: 0.99, Eps: 1e-3, WeightDecay: 0.1, C1: 1.5, C2: 1.25, Decay: 0.95}
	eachLevel(t, func(t *testing.T, v *Vector) {
		r := newRand()
		for _, n := range sizes() {
			var got [4]guarded
			var old [4][]float32
			for i := range got {
				got[i], old[i] = newGuarded(n), plain(r, n)
				if i == 3 {
					v.Unary[Abs](n, addressOf(old[i]), addressOf(old[i]))
				}
				copy(got[i].body(), old[i])
			}
			g := plain(r, n)
			v.Adam(n, got[0].ptr(), got[1].ptr(), got[2].ptr(), got[3].ptr(), addressOf(g), h)
			for i := range got {
				got[i].check(t)
			}
			for i, d := range g {
				p, e := f64(old[0][i]), f64(old[1][i])
				m := 0.9*f64(old[2][i]) + 0.1*f64(d)
				w := 0.99*f64(old[3][i]) + 0.01*f64(d)*f64(d)
				p -= 0.01 * (m*1.5/(math.Sqrt(w*1.25)+1e-3) + 0.1*p)
				e += (p - e) * 0.05
				for j, want := range []float64{p, e, m, w} {
					if x := f64(got[j].body()[i]); math.Abs(x-want) > 1e-6 {
						t.Fatalf("result %d: %g, want %g", j, x, want)
					}
				}
			}
		}
	})
}

func TestVectorAtIsOne(t *testing.T) {
	for _, l := range Levels() {
		v, again := VectorAt(l), VectorAt(l)
		if v != again || v.Level != l {
			t.Errorf("two tables, or that of another level, for %s", l)
		}
	}
}
