package assign

import (
	"cmp"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
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
		panic(fmt.Sprintf("assign: %d distances for %d and %d coordinates in dimension %d", len(dst), len(a), len(b), d))
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
			squared2x4(dst[i*m+j:i*m+j+4], dst[(i+1)*m+j:(i+1)*m+j+4], a[i*d:(i+1)*d], a[(i+1)*d:(i+2)*d], b0, b1, b2, b3)
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

// Power is the exponent p of the cost |a - b|^p between points.
type Power int

// The costs of the 1-Wasserstein and the 2-Wasserstein distance.
const (
	Distance Power = 1
	Squared  Power = 2
)

// onTheFly is the dimension up to which a row of costs is as cheap to compute as
// to read from memory, and matrixMax the n above which it must be (2 GiB).
const (
	onTheFly  = 4
	matrixMax = 16384
)

// SolvePoints fills perm, of length n = len(a)/d, with the permutation that
// minimises Σ_i |a_i - b_perm[i]|^p over n points a and n points b of R^d,
// row-major, and returns that sum. A coordinate that is not finite is an error
// that names point and coordinate. For d <= 4 and n > 384, and for any d where
// n > 16384, no matrix of n² costs is stored.
func (w *Workspace) SolvePoints(perm []int, a, b []float64, d int, p Power) (total float64, err error) {
	n := len(perm)
	if len(a) != n*d || len(b) != n*d || p != Distance && p != Squared {
		panic(fmt.Sprintf("assign: %d pairs in dimension %d from %d and %d coordinates, power %d", n, d, len(a), len(b), p))
	}
	scale, err := extent(a, b, d, p)
	if err != nil {
		return 0, err
	}
	switch {
	case d == 1:
		w.solveLine(a, b, p)
	case n <= denseMax || d > onTheFly && n <= matrixMax:
		w.cost = grow(w.cost, n*n)
		SquaredDistances(w.cost, a, b, d)
		Parallel(n*n, 1<<16, func(lo, hi int) { power(w.cost[lo:hi], p) })
		w.solveMatrix(w.cost, n, scale)
	default:
		w.solveCore(n, pointRows(a, b, d, p), scale)
	}
	copy(perm, w.x)
	var one [1]float64
	for i, j := range perm {
		squaredRow(one[:], a[i*d:(i+1)*d], b[j*d:(j+1)*d])
		power(one[:], p)
		total += one[0]
	}
	return total, nil
}

// pointRows returns the rows |a_i - b_j|^p of the cost matrix, computed when asked for.
func pointRows(a, b []float64, d int, p Power) rowFunc {
	if d != 2 {
		return func(buf []float64, i int) []float64 {
			squaredRow(buf, a[i*d:(i+1)*d], b)
			power(buf, p)
			return buf
		}
	}
	// In the plane, the case of every toy problem, coordinates side by side make
	// a row twice as fast.
	n := len(b) / 2
	b0, b1 := make([]float64, n), make([]float64, n)
	for j := range b0 {
		b0[j], b1[j] = b[2*j], b[2*j+1]
	}
	return func(buf []float64, i int) []float64 {
		x0, x1 := a[2*i], a[2*i+1]
		buf, b1 := buf[:len(b0)], b1[:len(b0)]
		for j, y0 := range b0 {
			e0, e1 := x0-y0, x1-b1[j]
			buf[j] = e0*e0 + e1*e1
		}
		power(buf, p)
		return buf
	}
}

// power turns squared distances into distances to the power p, in place.
func power(s []float64, p Power) {
	if p == Distance {
		for i, c := range s {
			s[i] = math.Sqrt(c)
		}
	}
}

// extent returns an upper bound of every |a_i - b_j|^p, the diagonal of the box
// that holds all points, or an error where a coordinate is not finite or so large
// that the bound is not.
func extent(a, b []float64, d int, p Power) (float64, error) {
	square := 0.0
	for k := range d {
		least, most := math.Inf(1), math.Inf(-1)
		for s, set := range [2][]float64{a, b} {
			for i := k; i < len(set); i += d {
				if c := set[i]; !(math.Abs(c) <= 1e150) {
					return 0, fmt.Errorf("assign: point %d of the %s set has coordinate %d = %v: it must be finite, and its square too", i/d, [2]string{"first", "second"}[s], k, c)
				}
				least, most = min(least, set[i]), max(most, set[i])
			}
		}
		if most > least {
			square += (most - least) * (most - least)
		}
	}
	if p == Distance {
		return math.Sqrt(square), nil
	}
	return square, nil
}

// solveLine solves the problem of points on the line: for the cost is a convex
// function of the difference, the k-th smallest a goes with the k-th smallest b.
// Such costs have the Monge property, which makes prices that are tight between
// neighbours, v_(k+1) - v_(k) = c_(k)(k+1) - c_(k)(k), feasible for all pairs.
func (w *Workspace) solveLine(a, b []float64, p Power) {
	n := len(a)
	w.reset(n)
	order := func(x []float64) []int {
		at := make([]int, n)
		for i := range at {
			at[i] = i
		}
		slices.SortStableFunc(at, func(i, j int) int { return cmp.Compare(x[i], x[j]) })
		return at
	}
	cost := func(i, j int) float64 {
		e := math.Abs(a[i] - b[j])
		if p == Squared {
			e *= e
		}
		return e
	}
	rows, cols := order(a), order(b)
	for k, i := range rows {
		j := cols[k]
		w.x[i], w.y[j] = j, i
		if k > 0 {
			before := w.y[cols[k-1]]
			w.v[j] = w.v[cols[k-1]] + cost(before, j) - cost(before, cols[k-1])
		}
		w.u[i] = cost(i, j) - w.v[j]
	}
}
