package kernel

import (
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"unsafe"
)

// fence is memory between two pages that nobody may touch: a kernel that reads outside of what it
// is given crashes the test.
type fence struct{ inside []float32 }

func newFence(t *testing.T, floats int) fence {
	t.Helper()
	page := os.Getpagesize()
	size := (4*floats + page - 1) / page * page
	all, err := syscall.Mmap(-1, 0, size+2*page, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(all); err != nil {
			t.Error(err)
		}
	})
	for _, outside := range [][]byte{all[:page], all[page+size:]} {
		if err := syscall.Mprotect(outside, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return fence{unsafe.Slice((*float32)(unsafe.Pointer(&all[page])), size/4)}
}

// floats returns n numbers that begin, or end, at the fence.
func (f fence) floats(r *rand.Rand, n int, atEnd bool) []float32 {
	x := f.inside[:n:n]
	if atEnd {
		x = f.inside[len(f.inside)-n:]
	}
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// TestProductsStayInside multiplies matrices of all widths and heights of tiles beside fences.
func TestProductsStayInside(t *testing.T) {
	const most, deep = 20, 300
	eachBF16(t, func(t *testing.T, m *Matrix) {
		r := newRand()
		fa, fb, fc, fbias := newFence(t, most*deep), newFence(t, most*deep), newFence(t, most*most), newFence(t, most)
		var work Work
		for rows := 1; rows <= 13; rows++ {
			for n := 1; n <= 18; n++ {
				for _, k := range []int{1, 2, 3, 9} {
					for form := range 8 {
						atEnd, acc := form&1 != 0, form&2 != 0
						a, b := fa.floats(r, rows*k, atEnd), fb.floats(r, k*n, atEnd)
						c, bias := fc.floats(r, rows*n, atEnd), fbias.floats(r, n, atEnd)
						ars, acs := k, 1
						if form&4 != 0 {
							ars, acs = 1, rows
						}
						m.Mul(rows, n, k, head(a), ars, acs, head(b), n, head(c), n, head(bias), acc, &work)
						m.MulBF16(rows, n, k, BF16{Float: head(a)}, ars, acs, BF16{Float: head(b)}, n, 1, head(c), n,
							head(bias), acc, &work)
					}
				}
			}
		}
		// Large enough to be packed.
		for _, atEnd := range []bool{false, true} {
			a, b := fa.floats(r, 19*deep, atEnd), fb.floats(r, deep*19, atEnd)
			c := fc.floats(r, 19*19, atEnd)
			bp := make([]float32, m.PackedLen(deep, 19))
			m.Pack(head(bp), deep, 19, head(b), 19, 1, 0, m.panels(19))
			m.Pack(head(bp), deep, 19, head(b), 1, deep, 0, m.panels(19))
			m.MulPacked(19, 19, deep, head(a), deep, 1, head(bp), head(c), 19, nil, false, &work)
			m.MulPacked(19, 19, deep, head(a), 1, 19, head(bp), head(c), 19, nil, false, &work)
		}
	})
}

// TestLoopsStayInside runs loops of all short lengths beside fences.
func TestLoopsStayInside(t *testing.T) {
	eachLevel(t, func(t *testing.T, v *Vector) {
		r := newRand()
		fd, fx, fy := newFence(t, 4000), newFence(t, 4000), newFence(t, 4000)
		for n := 1; n <= 70; n++ {
			for _, atEnd := range []bool{false, true} {
				d, x, y := head(fd.floats(r, n, atEnd)), head(fx.floats(r, n, atEnd)), head(fy.floats(r, n, atEnd))
				for _, f := range v.Unary {
					f(n, d, x)
				}
				for _, f := range v.Binary {
					f(n, d, x, y)
				}
				v.MulAdd(n, d, x, y, d)
				v.Fill(n, d, 1)
				v.Dot(n, x, y)
				for _, f := range []func(int, *float32) float32{v.Sum, v.Prod, v.MaxOf, v.MinOf, v.SumSq} {
					f(n, x)
				}
				v.ToI32(n, as[int32](d), x)
				v.FromI32(n, d, as[int32](x))
			}
		}
		for rows := 1; rows <= 10; rows++ {
			for cols := 1; cols <= 20; cols++ {
				for _, atEnd := range []bool{false, true} {
					matrix := head(fx.floats(r, rows*cols, atEnd))
					d := head(fd.floats(r, rows*cols, atEnd))
					v.CopyRows(rows, cols, d, cols, matrix, cols)
					v.AddRows(rows, cols, d, cols, matrix, cols)
					v.Transpose(rows, cols, d, rows, matrix, cols)
					v.Expand(rows, cols, d, head(fy.floats(r, rows, atEnd)))
					v.SumAxis(1, rows, cols, head(fy.floats(r, cols, atEnd)), matrix, true)
					v.SumAxis(rows, cols, 1, head(fy.floats(r, rows, atEnd)), matrix, true)
				}
			}
		}
	})
}
