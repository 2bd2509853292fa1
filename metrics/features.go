package metrics

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"flowmatch/flow"
	"flowmatch/internal/assign"
	"flowmatch/internal/seed"
	"flowmatch/internal/stat"
)

// KIDOptions says how [KID] averages. The zero value is that of published figures.
type KIDOptions struct {
	Subsets int    // how many; 0 means 100
	Size    int    // of each subset; 0 means 1000
	Seed    uint64 // of the choice of the subsets
	// Full takes all points of both, which may differ in number, at once: without subsets,
	// which must not be set then, and without a deviation between them.
	Full bool
}

// KID returns the kernel inception distance (Bińkowski et al. 2018, 1801.01401)
// between the features a, [N, D], and b, [M, D]: the unbiased MMD² of the kernel
//
//	k(x, y) = (x·y/D + 1)³,
//
// its mean and its standard deviation (over the subsets, divisor Subsets) between
// random subsets of so many points, drawn without replacement. Unlike [FID]'s, its
// mean does not depend on N, and is zero between samples of one law, so it may be
// negative. Published figures are often times 1000.
func KID(a, b flow.Batch, o KIDOptions) (mean, std float64, err error) {
	if o.Full {
		return fullKID(a, b, o)
	}
	if o.Subsets == 0 {
		o.Subsets = 100
	}
	if o.Size == 0 {
		o.Size = 1000
	}
	if o.Subsets < 1 || o.Size < 2 {
		return 0, 0, fmt.Errorf(
			"metrics: KID of %d subsets of %d points: it wants at least 1 subset of at least 2 points",
			o.Subsets, o.Size)
	}
	if err := fit("KID", a, b, 2); err != nil {
		return 0, 0, err
	}
	if n := min(a.N, b.N); n < o.Size {
		return 0, 0, fmt.Errorf("metrics: KID of %d and %d points in subsets of %d: %w: set Size to %d at most, "+
			"or Full", a.N, b.N, o.Size, ErrSize, n)
	}
	values := make([]float64, o.Subsets)
	for k := range values {
		rng := seed.Rand(o.Seed, "metrics kid", uint64(k))
		x := choose(a, rng.Perm(a.N)[:o.Size])
		y := choose(b, rng.Perm(b.N)[:o.Size])
		values[k] = cubicMMD(x, y)
	}
	mean, std = meanAndStd(values)
	return mean, std, nil
}

// fullKID is KID of all points.
func fullKID(a, b flow.Batch, o KIDOptions) (mean, std float64, err error) {
	if o.Subsets != 0 || o.Size != 0 {
		return 0, 0, fmt.Errorf("metrics: KID of all points has no subsets, but %d of %d points are asked for",
			o.Subsets, o.Size)
	}
	if err := fit("KID", a, b, 2); err != nil {
		return 0, 0, err
	}
	return cubicMMD(mat.NewDense(a.N, a.D, a.X), mat.NewDense(b.N, b.D, b.X)), 0, nil
}

// choose returns the given rows of x as a matrix.
func choose(x flow.Batch, rows []int) *mat.Dense {
	m := mat.NewDense(len(rows), x.D, nil)
	for to, from := range rows {
		m.SetRow(to, x.Row(from))
	}
	return m
}

// cubicMMD is the unbiased MMD² of the kernel of [KID] between the rows of x and y.
func cubicMMD(x, y *mat.Dense) float64 {
	rows, _ := x.Dims()
	others, _ := y.Dims()
	n, m := float64(rows), float64(others)
	return cubicSum(x, x, false)/(n*(n-1)) + cubicSum(y, y, false)/(m*(m-1)) - 2*cubicSum(x, y, true)/(n*m)
}

// cubicSum is the sum of the kernel over all pairs of rows of p and q, or over those with
// i ≠ j. Strips of p bound the memory.
func cubicSum(p, q *mat.Dense, diagonal bool) (total float64) {
	const strip = 1024
	n, d := p.Dims()
	m, _ := q.Dims()
	for lo := 0; lo < n; lo += strip {
		var gram mat.Dense
		gram.Mul(p.Slice(lo, min(lo+strip, n), 0, d), q.T())
		for i := range min(strip, n-lo) {
			for j, dot := range gram.RawRowView(i)[:m] {
				if lo+i != j || diagonal {
					k := dot/float64(d) + 1
					total += k * k * k
				}
			}
		}
	}
	return total
}

// InceptionScore returns the score of Salimans et al. 2016 (1606.03498) of the class
// probabilities p, [N, K], that a classifier gives to N samples,
//
//	IS = exp( E_x KL( p(y|x) ‖ p(y) ) ),   p(y) = E_x p(y|x),
//
// from 1 (all samples look alike) to K (sure of every sample, all classes equally
// often). The rows are cut into so many parts, in order, as in the published code;
// the mean and the standard deviation (divisor splits) are over the parts. 10 are
// usual; shuffle samples that are sorted by class first. Rows must add up to 1
// within 1e-4, which a softmax in float32 does.
func InceptionScore(p flow.Batch, splits int) (mean, std float64, err error) {
	if splits < 1 {
		return 0, 0, fmt.Errorf("metrics: InceptionScore in %d splits: it wants at least 1; 10 are usual", splits)
	}
	if p.D < 1 || p.N < splits {
		return 0, 0, fmt.Errorf("metrics: InceptionScore of %d rows of %d classes in %d splits: %w: it wants at least "+
			"a row a split and a class", p.N, p.D, splits, ErrSize)
	}
	if err := whole("InceptionScore", "the batch", p); err != nil {
		return 0, 0, err
	}
	for i := range p.N {
		sum := 0.0
		for k, v := range p.Row(i) {
			if !(v >= 0) {
				return 0, 0, fmt.Errorf("metrics: InceptionScore: probability %d of row %d is %g; is it a logit?", k, i,
					v)
			}
			sum += v
		}
		if !(math.Abs(sum-1) <= 1e-4) {
			return 0, 0, fmt.Errorf("metrics: InceptionScore: the probabilities of row %d add up to %g, not to 1; "+
				"take the softmax first", i, sum)
		}
	}
	scores := make([]float64, splits)
	for s := range scores {
		scores[s] = scoreOf(p.Slice(s*p.N/splits, (s+1)*p.N/splits))
	}
	mean, std = meanAndStd(scores)
	return mean, std, nil
}

// scoreOf is the inception score of one part.
func scoreOf(p flow.Batch) float64 {
	sum := make([]float64, p.D) // N p(y), for v/N might be rounded to zero
	for i := range p.N {
		for k, v := range p.Row(i) {
			sum[k] += v
		}
	}
	kl := 0.0
	for i := range p.N {
		for k, v := range p.Row(i) {
			if v > 0 { // 0 log 0 = 0
				kl += v * math.Log(float64(p.N)*v/sum[k])
			}
		}
	}
	return math.Exp(kl / float64(p.N))
}

// PrecisionRecall returns the improved precision and recall of Kynkäänniemi et al.
// 2019 (1904.06991) of the features of samples, [M, D], against those of data,
// [N, D]. The manifold of a set is the union of the balls around its points that
// reach to the k-th nearest other point of the set (closed balls; k = 3 is usual):
//
//	precision = the part of the samples in the manifold of the data (are they real?)
//	recall    = the part of the data in the manifold of the samples (is all covered?)
//
// Both are from 0 to 1. They depend on N, M and k: compare at equal ones.
func PrecisionRecall(data, samples flow.Batch, k int) (precision, recall float64, err error) {
	if k < 1 {
		return 0, 0, fmt.Errorf("metrics: PrecisionRecall with k = %d: it wants at least 1; 3 is usual", k)
	}
	if n := min(data.N, samples.N); n < k+1 {
		return 0, 0, fmt.Errorf("metrics: PrecisionRecall of %d and %d points with k = %d: %w: a point needs k "+
			"others, so it wants at least %d of either", data.N, samples.N, k, ErrSize, k+1)
	}
	if err := fit("PrecisionRecall", data, samples, 1); err != nil {
		return 0, 0, err
	}
	ofData, ofSamples := radii(data, k), radii(samples, k)
	inside, covered := make([]bool, samples.N), make([]bool, data.N)
	distances(data, samples, func(i int, square []float64) {
		for j, d := range square {
			inside[j] = inside[j] || d <= ofData[i]
			covered[i] = covered[i] || d <= ofSamples[j]
		}
	})
	return part(inside), part(covered), nil
}

// radii returns of each point the squared distance to the k-th nearest other one.
func radii(x flow.Batch, k int) []float64 {
	r, nearest := make([]float64, x.N), make([]float64, k) // nearest ascends
	distances(x, x, func(i int, square []float64) {
		for j := range nearest {
			nearest[j] = math.Inf(1)
		}
		for j, d := range square {
			if j == i {
				continue
			}
			for at := k - 1; at >= 0 && d < nearest[at]; at-- {
				if at+1 < k {
					nearest[at+1] = nearest[at]
				}
				nearest[at] = d
			}
		}
		r[i] = nearest[k-1]
	})
	return r
}

// distances shows visit, for every point of a in order, its squared distances to
// the points of b. They are computed strip after strip, on all cores.
func distances(a, b flow.Batch, visit func(i int, square []float64)) {
	const strip = 128
	square := make([]float64, min(strip, a.N)*b.N)
	for lo := 0; lo < a.N; lo += strip {
		rows := a.Slice(lo, min(lo+strip, a.N))
		assign.SquaredDistances(square[:rows.N*b.N], rows.X, b.X, a.D)
		for i := range rows.N {
			visit(lo+i, square[i*b.N:(i+1)*b.N])
		}
	}
}

// part returns how many of yes are true, over all.
func part(yes []bool) float64 {
	count := 0.0
	for _, y := range yes {
		if y {
			count++
		}
	}
	return count / float64(len(yes))
}

// meanAndStd returns the mean and the standard deviation with divisor len(x).
func meanAndStd(x []float64) (average, std float64) {
	average = stat.Mean(x)
	for _, v := range x {
		std += (v - average) * (v - average)
	}
	return average, math.Sqrt(std / float64(len(x)))
}
