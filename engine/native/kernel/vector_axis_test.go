package kernel

import (
	"fmt"
	"math"
	"testing"
)

func TestReductions(t *testing.T) {
	eachLevel(t, func(t *testing.T, v *Vector) {
		r := newRand()
		for _, n := range sizes() {
			x, y := plain(r, n+3)[3:], plain(r, n+1)[1:]
			px, py := addressOf(x), addressOf(y)
			var sum, dot, sq, size float64
			prod, high, low := 1.0, math.Inf(-1), math.Inf(1)
			for i := range x {
				a, b := f64(x[i]), f64(y[i])
				sum, dot, sq, prod = sum+a, dot+a*b, sq+a*a, prod*a
				high, low = max(high, a), min(low, a)
				size += math.Abs(a) + math.Abs(a*b)
			}
			near := func(what string, got float32, want, size float64) {
				if math.Abs(f64(got)-want) > 1e-6*size {
					t.Fatalf("%s of %d: %g, want %g", what, n, got, want)
				}
			}
			near("Sum", v.Sum(n, px), sum, size)
			near("Dot", v.Dot(n, px, py), dot, size)
			near("SumSq", v.SumSq(n, px), sq, sq)
			near("Prod", v.Prod(n, px), prod, 10*math.Abs(prod)+1e-30)
			if got := v.MaxOf(n, px); f64(got) != high {
				t.Fatalf("MaxOf: %g, want %g", got, high)
			}
			if got := v.MinOf(n, px); f64(got) != low {
				t.Fatalf("MinOf: %g, want %g", got, low)
			}
			if n == 0 {
				continue
			}
			x[r.IntN(n)] = float32(math.NaN())
			for i, f := range []func(int, *float32) float32{v.Sum, v.SumSq, v.Prod, v.MaxOf, v.MinOf} {
				if got := f(n, px); got == got {
					t.Fatalf("reduction %d of %d numbers with NaN: %g", i, n, got)
				}
			}
		}
	})
}

func TestAxis(t *testing.T) {
	eachLevel(t, func(t *testing.T, v *Vector) {
		for _, outer := range []int{0, 1, 3} {
			for _, red := range []int{0, 1, 2, 3, 5, 16, 31, 32, 33, 100, 257} {
				for _, inner := range []int{0, 1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 64, 77, 130} {
					testAxis(t, v, outer, red, inner)
				}
			}
		}
	})
}

func testAxis(t *testing.T, v *Vector, outer, red, inner int) {
	t.Helper()
	r := newRand()
	x := plain(r, outer*red*inner+1)[1:]
	n := outer * inner
	before := plain(r, n)
	axis := func(f func(outer, red, inner int, dst, x *float32)) func(dst *float32) {
		return func(dst *float32) { f(outer, red, inner, dst, addressOf(x)) }
	}
	for _, k := range []struct {
		name string
		k    reduction
		acc  bool
		run  func(dst *float32)
	}{
		{"SumAxis", sums, false, func(dst *float32) { v.SumAxis(outer, red, inner, dst, addressOf(x), false) }},
		{"SumAxis acc", sums, true, func(dst *float32) { v.SumAxis(outer, red, inner, dst, addressOf(x), true) }},
		{"MaxAxis", maxima, false, axis(v.MaxAxis)},
		{"MinAxis", minima, false, axis(v.MinAxis)},
		{"ProdAxis", products, false, axis(v.ProdAxis)},
	} {
		dst := newGuarded(n)
		copy(dst.body(), before)
		k.run(dst.ptr())
		dst.check(t)
		for i, got := range dst.body() {
			want, size := f64(neutral[k.k]), 0.0
			if k.acc {
				want = f64(before[i])
			}
			for j := range red {
				y := f64(x[(i/inner*red+j)*inner+i%inner])
				want = k.k.join64(want, y)
				size += math.Abs(y)
			}
			if k.k == products {
				size = 100 * math.Abs(want)
			}
			if f64(got) != want && math.Abs(f64(got)-want) > 1e-6*(size+math.Abs(want))+1e-40 {
				t.Fatalf("%s of [%d %d %d] at %d: %g, want %g", k.name, outer, red, inner, i, got, want)
			}
		}
	}
}

func TestMaxAxisKeepsNaN(t *testing.T) {
	eachLevel(t, func(t *testing.T, v *Vector) {
		for _, shape := range [][2]int{{40, 1}, {40, 3}, {5, 3}, {7, 16}, {40, 70}} {
			red, inner := shape[0], shape[1]
			for at := range red * inner {
				x := plain(newRand(), red*inner)
				x[at] = float32(math.NaN())
				dst := make([]float32, inner)
				v.MaxAxis(1, red, inner, &dst[0], &x[0])
				for i, got := range dst {
					if (got != got) != (i == at%inner) {
						t.Fatalf("[%d %d] with NaN at %d: %g at %d", red, inner, at, got, i)
					}
				}
			}
		}
	})
}

func TestMovement(t *testing.T) {
	eachLevel(t, func(t *testing.T, v *Vector) {
		for _, rows := range []int{0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 70} {
			for _, cols := range []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 70, 150} {
				testMovement(t, v, rows, cols)
			}
		}
	})
}

// span is how many elements a matrix with a stride covers.
func span(rows, cols, stride int) int {
	if rows == 0 || cols == 0 {
		return 0
	}
	return (rows-1)*stride + cols
}

func testMovement(t *testing.T, v *Vector, rows, cols int) {
	t.Helper()
	r := newRand()
	for _, wider := range []int{0, 1, 5} {
		ss, ds, ts := cols+wider, cols+2*wider, rows+wider
		src := numbers(r, span(rows, cols, ss), 3)
		list := numbers(r, rows+cols, 1)
		p := addressOf(src)
		for _, k := range []struct {
			name         string
			h, w, stride int // of the result
			run          func(dst *float32)
			want         func(r, c int, old float32) float32
		}{
			{"CopyRows", rows, cols, ds, func(d *float32) { v.CopyRows(rows, cols, d, ds, p, ss) },
				func(r, c int, _ float32) float32 { return src[r*ss+c] }},
			{"AddRows", rows, cols, ds, func(d *float32) { v.AddRows(rows, cols, d, ds, p, ss) },
				func(r, c int, old float32) float32 { return old + src[r*ss+c] }},
			{"Transpose", cols, rows, ts, func(d *float32) { v.Transpose(rows, cols, d, ts, p, ss) },
				func(r, c int, _ float32) float32 { return src[c*ss+r] }},
			{"Expand", rows, cols, cols, func(d *float32) { v.Expand(rows, cols, d, addressOf(list)) },
				func(r, _ int, _ float32) float32 { return list[r] }},
			{"Tile", rows, cols, cols, func(d *float32) { v.Tile(rows, cols, d, addressOf(list)) },
				func(_, c int, _ float32) float32 { return list[c] }},
		} {
			dst := newGuarded(span(k.h, k.w, k.stride))
			old := plain(r, len(dst.body()))
			copy(dst.body(), old)
			k.run(dst.ptr())
			dst.check(t)
			for i, got := range dst.body() {
				want := old[i]
				if i%k.stride < k.w {
					want = k.want(i/k.stride, i%k.stride, want)
				}
				if !sameNumber(got, want) {
					t.Fatalf("%s of [%d %d] with stride %d: %g at %d, want %g", k.name, rows, cols,
						k.stride, got, i, want)
				}
			}
		}
	}
}

func TestTileLong(t *testing.T) {
	eachLevel(t, func(t *testing.T, v *Vector) {
		list := plain(newRand(), 3)
		dst := make([]float32, 3*5000)
		v.Tile(5000, 3, &dst[0], &list[0])
		for i, x := range dst {
			if x != list[i%3] {
				t.Fatalf("%g at %d", x, i)
			}
		}
	})
}

func TestConversions(t *testing.T) {
	eachLevel(t, func(t *testing.T, v *Vector) {
		r := newRand()
		for _, n := range sizes() {
			x := numbers(r, n, 1)
			wide, ints, halves, bools := make([]float64, n+1), make([]int32, n+1), make([]uint16, n+1),
				make([]uint8, n+1)
			wide[n], ints[n], halves[n], bools[n] = 7, 7, 7, 7
			v.ToF64(n, &wide[0], addressOf(x))
			v.ToBF16(n, &halves[0], addressOf(x))
			v.ToBool(n, &bools[0], addressOf(x))
			small := plain(r, n)
			v.ToI32(n, &ints[0], addressOf(small))
			for i, y := range x {
				if wide[i] != f64(y) && y == y {
					t.Fatalf("ToF64(%g) = %g", y, wide[i])
				}
				if bools[i] != uint8(truth(y != 0)) {
					t.Fatalf("ToBool(%g) = %d", y, bools[i])
				}
				if ints[i] != int32(small[i]) {
					t.Fatalf("ToI32(%g) = %d", small[i], ints[i])
				}
				checkBF16(t, y, halves[i])
			}
			if wide[n] != 7 || ints[n] != 7 || halves[n] != 7 || bools[n] != 7 {
				t.Fatalf("write beyond %d", n)
			}
			for i := range wide {
				wide[i] *= 1 + 1e-8
			}
			from := func(name string, run func(dst *float32), want func(i int) float32) {
				dst := newGuarded(n)
				run(dst.ptr())
				dst.check(t)
				for i, got := range dst.body() {
					if !sameNumber(got, want(i)) {
						t.Fatalf("%s: %g, want %g", name, got, want(i))
					}
				}
			}
			from("FromF64", func(d *float32) { v.FromF64(n, d, &wide[0]) },
				func(i int) float32 { return float32(wide[i]) })
			from("FromI32", func(d *float32) { v.FromI32(n, d, &ints[0]) },
				func(i int) float32 { return float32(ints[i]) })
			from("FromBool", func(d *float32) { v.FromBool(n, d, &bools[0]) },
				func(i int) float32 { return float32(bools[i]) })
			from("FromBF16", func(d *float32) { v.FromBF16(n, d, &halves[0]) },
				func(i int) float32 { return math.Float32frombits(uint32(halves[i]) << 16) })
		}
	})
}

// checkBF16 compares with the two neighbours that have 16 bits.
func checkBF16(t *testing.T, x float32, h uint16) {
	t.Helper()
	y := f64(math.Float32frombits(uint32(h) << 16))
	if x != x {
		if y == y {
			t.Fatalf("ToBF16(NaN) = %g", y)
		}
		return
	}
	down := math.Float32bits(x) &^ 0xffff
	lo, hi := f64(math.Float32frombits(down)), f64(math.Float32frombits(down+0x10000))
	if math.IsInf(hi, 0) && !math.IsInf(lo, 0) {
		hi = math.Copysign(0x1p128, hi)
		if math.IsInf(y, 0) {
			y = hi
		}
	}
	dl, dh := math.Abs(f64(x)-lo), math.Abs(f64(x)-hi)
	want := lo
	if dh < dl || dh == dl && down>>16&1 == 1 {
		want = hi
	}
	if y != want && fmt.Sprint(y) != fmt.Sprint(want) {
		t.Fatalf("ToBF16(%g) = %g, want %g", x, y, want)
	}
}
