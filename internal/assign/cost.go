package assign

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"flowmatch/engine/native/kernel"
)

// Parallel calls f on disjoint ranges [lo, hi) that cover [0, n), each of grain
// elements at most (grain < 1 means 1), from up to GOMAXPROCS goroutines, and
// returns when all are done. f must write only what belongs to its range; then
// the result does not depend on the scheduling.
func Parallel(n, grain int, f func(lo, hi int)) {
	grain = max(grain, 1)
	chunks := (n + grain - 1) / grain
	workers := min(runtime.GOMAXPROCS(0), chunks)
	if workers <= 1 {
		for lo := 0; lo < n; lo += grain {
			f(lo, min(lo+grain, n))
		}
		return
	}
	var next atomic.Int64
	work := func() {
		for {
			lo := int(next.Add(1)-1) * grain
			if lo >= n {
				return
			}
			f(lo, min(lo+grain, n))
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}

// SquaredDistances fills dst, of length (len(a)/d)·(len(b)/d) and row-major,
// with |a_i - b_j|², on all cores. a and b are points of R^d, row-major. The
// differences are formed before they are squared, so coinciding points are at
// distance zero exactly, which |a|² + |b|² - 2 a·b would not give.
func SquaredDistances(dst, a, b []float64, d int) {
	n, m := len(a)/d, len(b)/d
	if len(dst) != n*m || len(a) != n*d || len(b) != m*d {
		panic(fmt.Sprintf("assign: %d distances for %d and %d coordinates in dimension %d", len(dst),
			len(a), len(b), d))
	}
	const rows = 16 // of a that share each pass over b
	Parallel(n, rows, func(lo, hi int) {
		if d <= 4 {
			for i := lo; i < hi; i++ {
				squaredRow(dst[i*m:(i+1)*m], a[i*d:(i+1)*d], b)
			}
			return
		}
		squaredBlock(dst, a, b, lo, hi, m, d)
	})
}

// squaredRow fills dst with |x - b_j|² for one point x.
func squaredRow(dst, x, b []float64) {
	d := len(x)
	if d == 2 {
		x0, x1 := x[0], x[1]
		b = b[:2*len(dst)]
		for j := range dst {
			e0, e1 := x0-b[2*j], x1-b[2*j+1]
			dst[j] = e0*e0 + e1*e1
		}
		return
	}
	for j := range dst {
		s := 0.0
		for k, y := range b[j*d : (j+1)*d] {
			e := x[k] - y
			s += e * e
		}
		dst[j] = s
	}
}

// squaredBlock does rows lo to hi, two rows by four columns at a time: eight
// sums in registers for six loads.
func squaredBlock(dst, a, b []float64, lo, hi, m, d int) {
	j := 0
	for ; j+4 <= m; j += 4 {
		b0, b1, b2, b3 := b[j*d:(j+1)*d], b[(j+1)*d:(j+2)*d], b[(j+2)*d:(j+3)*d], b[(j+3)*d:(j+4)*d]
		i := lo
		for ; i+2 <= hi; i += 2 {
			squared2x4(dst[i*m+j:i*m+j+4], dst[(i+1)*m+j:(i+1)*m+j+4], a[i*d:(i+1)*d], a[(i+1)*d:(i+2)*d],
				b0, b1, b2, b3)
		}
		for ; i < hi; i++ {
			squaredRow(dst[i*m+j:i*m+j+4], a[i*d:(i+1)*d], b[j*d:(j+4)*d])
		}
	}
	for i := lo; i < hi && j < m; i++ {
		squaredRow(dst[i*m+j:(i+1)*m], a[i*d:(i+1)*d], b[j*d:])
	}
}

func squared2x4(r, s, x, y, b0, b1, b2, b3 []float64) {
	n := len(x)
	y, b0, b1, b2, b3 = y[:n], b0[:n], b1[:n], b2[:n], b3[:n]
	var r0, r1, r2, r3, s0, s1, s2, s3 float64
	for k, p := range x {
		q := y[k]
		c0, c1, c2, c3 := b0[k], b1[k], b2[k], b3[k]
		e0, e1, e2, e3 := p-c0, p-c1, p-c2, p-c3
		f0, f1, f2, f3 := q-c0, q-c1, q-c2, q-c3
		r0 += e0 * e0
		r1 += e1 * e1
		r2 += e2 * e2
		r3 += e3 * e3
		s0 += f0 * f0
		s1 += f1 * f1
		s2 += f2 * f2
		s3 += f3 * f3
	}
	r[0], r[1], r[2], r[3] = r0, r1, r2, r3
	s[0], s[1], s[2], s[3] = s0, s1, s2, s3
}

// productDistances fills dst with |a_i - b_j|² as |a_i|² + |b_j|² - 2 a_i·b_j, which
// takes a fraction of the time of differences and is exact up to the rounding of
// squared distances from center, the middle of the points.
func productDistances(dst, a, b, center []float64) {
	d := len(center)
	n := len(a) / d
	var moved, square [2][]float64
	Parallel(2, 1, func(s, _ int) {
		x := [2][]float64{a, b}[s]
		y, norm := make([]float64, n*d), make([]float64, n)
		for i := range n {
			for c, z := range center {
				e := x[i*d+c] - z
				y[i*d+c] = e
				norm[i] += e * e
			}
		}
		moved[s], square[s] = y, norm
	})
	x, y := moved[0], moved[1]
	const rows = 16
	products := kernel.BestDoubles()
	Parallel(n, rows, func(lo, hi int) {
		products.Products(dst[lo*n:hi*n], n, x[lo*d:hi*d], y, d)
		for i := lo; i < hi; i++ {
			row := dst[i*n : (i+1)*n]
			for j, q := range square[1][:len(row)] {
				row[j] = max(square[0][i]+q-2*row[j], 0)
			}
		}
	})
}

// Power is the exponent p of the cost |a - b|^p between points.
type Power int

// The costs of the 1-Wasserstein and the 2-Wasserstein distance.
const (
	Distance Power = 1
	Squared  Power = 2
)

// power turns squared distances into distances to the power p, in place.
func power(s []float64, p Power) {
	if p == Distance {
		for i, c := range s {
			s[i] = math.Sqrt(c)
		}
	}
}
