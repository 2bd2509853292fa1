package kernel

import (
	"math/bits"
	"unsafe"
)

// The portable panel: products of 4 rows with 4 columns at a time, whose sums
// a compiler can keep in registers.
const (
	portablePanel = 8
	portableLanes = 4
)

func portableMatrix() *Matrix {
	wide := []productFunc{nil}
	for r := 1; r <= 4; r++ {
		wide = append(wide, portableProduct(r))
	}
	return &Matrix{
		panel: portablePanel, lanes: portableLanes, wide: wide, slim: wide,
		copyWide: portableCopy(portablePanel), copySlim: portableCopy(portableLanes),
		transpose: portableTranspose, peak: portablePeak, peakWork: 8 * 2,
	}
}

// portableProduct multiplies rows of A with up to portablePanel columns.
func portableProduct(rows int) productFunc {
	return func(k int, a *float32, ars, acs int, b *float32, brs int,
		c *float32, ldc int, mask uint32, mode int, bias *float32) {
		n := bits.Len32(mask)
		for j := 0; j < n; j += 4 {
			var sum [4][4]float32
			w := min(4, n-j)
			if rows == 4 && w == 4 {
				sum = square(k, a, ars, acs, elem(b, j), brs)
			} else {
				for l := range k {
					row := unsafe.Slice(elem(b, l*brs+j), w)
					for i := range rows {
						x := *elem(a, i*ars+l*acs)
						for q, y := range row {
							sum[i][q] += x * y
						}
					}
				}
			}
			for i := range rows {
				portableFinish(sum[i][:w], elem(c, i*ldc+j), mode, bias, j)
			}
		}
	}
}

// portableFinish puts sums of one row from column j on into C.
func portableFinish(sum []float32, c *float32, mode int, bias *float32, j int) {
	out := unsafe.Slice(c, len(sum))
	switch mode {
	case modeAdd:
		for q, s := range sum {
			out[q] += s
		}
	case modeBias:
		for q, s := range sum {
			out[q] = s + *elem(bias, j+q)
		}
	default:
		copy(out, sum)
	}
}

// square multiplies 4 rows of A with 4 columns of B.
func square(k int, a *float32, ars, acs int, b *float32, brs int) [4][4]float32 {
	var r [4][4]float32
	if k == 0 {
		return r
	}
	// Two rows at a time: 8 sums and 6 operands fit in 16 registers.
	for h := 0; h < 4; h += 2 {
		var p0, p1, p2, p3, q0, q1, q2, q3 float32
		x, y, z := elem(a, h*ars), elem(a, (h+1)*ars), b
		for l := 1; ; l++ {
			b := (*[4]float32)(unsafe.Pointer(z))
			u, v := *x, *y
			p0 += u * b[0]
			p1 += u * b[1]
			p2 += u * b[2]
			p3 += u * b[3]
			q0 += v * b[0]
			q1 += v * b[1]
			q2 += v * b[2]
			q3 += v * b[3]
			if l == k {
				break // no pointer may go past the end of its matrix
			}
			x, y, z = elem(x, acs), elem(y, acs), elem(z, brs)
		}
		r[h] = [4]float32{p0, p1, p2, p3}
		r[h+1] = [4]float32{q0, q1, q2, q3}
	}
	return r
}

func portableCopy(width int) copyFunc {
	return func(k int, src *float32, ss int, dst *float32, ds int, mask uint32) {
		n := bits.Len32(mask)
		for l := range k {
			out := unsafe.Slice(elem(dst, l*ds), width)
			clear(out[copy(out, unsafe.Slice(elem(src, l*ss), n)):])
		}
	}
}

func portableTranspose(src *float32, ss int, dst *float32, ds int, rows, cols int) {
	for j := range cols {
		out := unsafe.Slice(elem(dst, j*ds), portableLanes)
		for i := range rows {
			out[i] = *elem(src, i*ss+j)
		}
		clear(out[rows:])
	}
}

func portablePeak(n int) {
	var s [8]float32
	x := float32(n) * 0
	for range n {
		for i := range s {
			s[i] += x * x
		}
	}
	peakSink(s)
}

//go:noinline
func peakSink([8]float32) {}
