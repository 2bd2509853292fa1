package kernel

import (
	"fmt"
	"math"
	"sync"
	"unsafe"
)

//go:generate go run ./gen/double -out double_amd64.s -stubs double_stub_amd64.go -pkg kernel

// Doubles multiplies and adds rows of float64, and takes exponentials, at a level. It has no state: goroutines may
// share it.
type Doubles struct {
	rows, cols int // of a tile, at most doubleRows and doubleCols
	// tile writes the products of rows a with rows b, all of k numbers, into sums, row by row.
	tile func(k int, a, b **float64, sums *float64)
	// add adds w[l] rows[l], of n numbers, to y, for l from 0 to before count, which is at least 1.
	add func(n int, y *float64, count int, w *float64, rows **float64)
	// exp writes the exponentials of max(x-top, leastExp) into y, all of n numbers, which are at most top.
	exp func(n int, y, x *float64, top float64)
}

// leastExp is the least number that the exponential is taken of: it is 1e-304.
const leastExp = -700

// fewDoubles is up to how many numbers rows are added in Go: a masked vector for each takes longer.
const fewDoubles = 4

// doubleRows and doubleCols are the most rows of a tile.
const doubleRows, doubleCols = 4, 4

// DoublesAt returns the products of a level, which must be one of [Levels].
func DoublesAt(l Level) *Doubles {
	if d := assemblyDoubles(l); d != nil {
		return d
	}
	return &Doubles{2, 4, portableDoubles, portableAddDoubles, portableExpDoubles}
}

// BestDoubles returns the products of [Best], or of [Portable] where that is an error.
func BestDoubles() *Doubles { return bestDoubles() }

var bestDoubles = sync.OnceValue(func() *Doubles {
	l, err := Best()
	if err != nil {
		l = Portable
	}
	return DoublesAt(l)
})

// Products writes a_i·b_j into dst[i*stride+j], of rows a and b of k numbers, one after the other. Each
// product is the same bits whatever stands beside its rows. Lengths that do not fit panic.
func (t *Doubles) Products(dst []float64, stride int, a, b []float64, k int) {
	n, m := rowsOf(a, k), rowsOf(b, k)
	if n == 0 || m == 0 {
		return
	}
	if stride < m || len(dst) < (n-1)*stride+m {
		panic(fmt.Sprintf("kernel: %d numbers are no room for %d x %d products, %d from row to row", len(dst), n, m,
			stride))
	}
	var rows [doubleRows]*float64
	var cols [doubleCols]*float64
	var sums [doubleRows * doubleCols]float64
	for j := 0; j < m; j += t.cols {
		for c := range t.cols { // at the end the last row stands for those that are not there
			cols[c] = &b[min(j+c, m-1)*k]
		}
		for i := 0; i < n; i += t.rows {
			for r := range t.rows {
				rows[r] = &a[min(i+r, n-1)*k]
			}
			t.tile(k, &rows[0], &cols[0], &sums[0])
			width := min(t.cols, m-j)
			for r := range min(t.rows, n-i) {
				copy(dst[(i+r)*stride+j:][:width], sums[r*t.cols:])
			}
		}
	}
}

// AddRows adds w[l] times rows[l] to y, in the order of l. Each of rows is the first of as many numbers as y
// has; there are as many as w has.
func (t *Doubles) AddRows(y, w []float64, rows []*float64) {
	if len(rows) != len(w) {
		panic(fmt.Sprintf("kernel: %d weights of %d rows", len(w), len(rows)))
	}
	if len(y) == 0 || len(w) == 0 {
		return
	}
	add := t.add
	if len(y) <= fewDoubles {
		add = portableAddDoubles
	}
	add(len(y), &y[0], len(w), &w[0], &rows[0])
}

// Exps writes exp(x-top) into y, which may be x, to within an ulp: of numbers that are at most top, or NaN, and of less
// than top-700 as if they were that. They are as many in x as in y.
func (t *Doubles) Exps(y, x []float64, top float64) {
	if len(x) != len(y) {
		panic(fmt.Sprintf("kernel: the exponentials of %d numbers into %d", len(x), len(y)))
	}
	if len(x) > 0 {
		t.exp(len(x), &y[0], &x[0], top)
	}
}

// rowsOf returns how many rows of k numbers x has.
func rowsOf(x []float64, k int) int {
	if k < 1 || len(x)%k != 0 {
		panic(fmt.Sprintf("kernel: %d numbers are no rows of %d", len(x), k))
	}
	return len(x) / k
}

// portableDoubles is a tile of two rows and four others: eight sums in registers for six loads.
func portableDoubles(k int, a, b **float64, sums *float64) {
	row := func(at **float64, i int) []float64 { return unsafe.Slice(unsafe.Slice(at, i+1)[i], k) }
	p, q := row(a, 0), row(a, 1)
	b0, b1, b2, b3 := row(b, 0), row(b, 1), row(b, 2), row(b, 3)
	q, b0, b1, b2, b3 = q[:len(p)], b0[:len(p)], b1[:len(p)], b2[:len(p)], b3[:len(p)]
	var r0, r1, r2, r3, s0, s1, s2, s3 float64
	for c, e := range p {
		f := q[c]
		c0, c1, c2, c3 := b0[c], b1[c], b2[c], b3[c]
		r0 += e * c0
		r1 += e * c1
		r2 += e * c2
		r3 += e * c3
		s0 += f * c0
		s1 += f * c1
		s2 += f * c2
		s3 += f * c3
	}
	copy(unsafe.Slice(sums, 8), []float64{r0, r1, r2, r3, s0, s1, s2, s3})
}

// portableAddDoubles adds rows one after the other.
func portableAddDoubles(n int, y *float64, count int, w *float64, rows **float64) {
	sum, weights := unsafe.Slice(y, n), unsafe.Slice(w, count)
	for l, row := range unsafe.Slice(rows, count) {
		f := weights[l]
		for i, x := range unsafe.Slice(row, n)[:len(sum)] {
			sum[i] += f * x
		}
	}
}

// portableExpDoubles takes exponentials one after the other.
func portableExpDoubles(n int, y, x *float64, top float64) {
	to := unsafe.Slice(y, n)
	for i, v := range unsafe.Slice(x, n) {
		to[i] = math.Exp(max(v-top, leastExp))
	}
}
