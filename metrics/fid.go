package metrics

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"flowmatch/flow"
)

// ErrExtractor is returned for statistics of the features of two extractors: their
// distance means nothing.
var ErrExtractor = errors.New("the features are of two extractors")

// FeatureStats are the mean and the covariance of features, all that [FID] needs
// to know of a set of images. Those of a reference set are computed once and kept;
// see [WriteFeatureStats].
type FeatureStats struct {
	Extractor string    // what made the features; "" is unknown, and fits any
	Split     string    // of which images they are, as "CIFAR-10 train"
	N         int       // how many images
	Mean      []float64 // [D]
	Cov       []float64 // [D, D], row-major, symmetric: Σ (x−mean)(x−mean)ᵀ / (N−1)
}

// NewFeatureStats returns the statistics of the features x, [N, D], N ≥ 2. The
// covariance is the unbiased one (N−1), as in pytorch-fid and torchmetrics. For
// N ≤ D it is singular, which FID can take, though a FID of few images is too high.
func NewFeatureStats(extractor, split string, x flow.Batch) (FeatureStats, error) {
	if x.D < 1 || x.N < 2 {
		return FeatureStats{}, fmt.Errorf("metrics: NewFeatureStats of %d features of dimension %d: %w: it wants at "+
			"least 2 of dimension at least 1", x.N, x.D, ErrSize)
	}
	if err := finite("NewFeatureStats", "the batch", x); err != nil {
		return FeatureStats{}, err
	}
	s := FeatureStats{Extractor: extractor, Split: split, N: x.N, Mean: make([]float64, x.D)}
	for i := range x.N {
		for k, v := range x.Row(i) {
			s.Mean[k] += v / float64(x.N)
		}
	}
	s.Cov = covariance(x, s.Mean)
	return s, nil
}

// covariance centres strip after strip of the points and adds up the products.
func covariance(x flow.Batch, average []float64) []float64 {
	const strip = 1024
	var sum, product mat.Dense
	sum.ReuseAs(x.D, x.D)
	for lo := 0; lo < x.N; lo += strip {
		centred := x.Slice(lo, min(lo+strip, x.N)).Clone()
		for i := range centred.N {
			row := centred.Row(i)
			for k := range row {
				row[k] -= average[k]
			}
		}
		c := mat.NewDense(centred.N, x.D, centred.X)
		product.Mul(c.T(), c)
		sum.Add(&sum, &product)
	}
	cov := sum.RawMatrix().Data
	for i := range x.D {
		for j := range i + 1 { // the two halves may differ in the last bit
			v := cov[i*x.D+j] / float64(x.N-1)
			cov[i*x.D+j], cov[j*x.D+i] = v, v
		}
	}
	return cov
}

// check reports statistics that are not whole.
func (s FeatureStats) check(name string) error {
	d := len(s.Mean)
	if d < 1 || len(s.Cov) != d*d || s.N < 2 {
		return fmt.Errorf("metrics: %s of statistics of %d images with %d means and %d covariances: %w: it wants N ≥ "+
			"2, D means and D² covariances; see NewFeatureStats",
			name, s.N, d, len(s.Cov), ErrSize)
	}
	for k, v := range s.Mean {
		if !(math.Abs(v) <= largestFeature) {
			return fmt.Errorf("metrics: %s: mean %d is %g", name, k, v)
		}
	}
	for i := range d {
		if v := s.Cov[i*d+i]; !(v >= 0 && v <= largestFeature*largestFeature) {
			return fmt.Errorf("metrics: %s: the covariance of features %d and %d is %g", name, i, i, v)
		}
	}
	for k, v := range s.Cov {
		i, j := k/d, k%d
		limit := math.Sqrt(s.Cov[i*d+i]) * math.Sqrt(s.Cov[j*d+j])
		if !(math.Abs(v) <= limit*(1+1e-9) && math.Abs(v-s.Cov[j*d+i]) <= 1e-9*limit) {
			return fmt.Errorf("metrics: %s: the covariance of features %d and %d is %g, and %g the other way; with "+
				"variances of %g and %g it cannot be that of any features", name, i, j, v, s.Cov[j*d+i],
				s.Cov[i*d+i], s.Cov[j*d+j])
		}
	}
	return nil
}

// largestFeature is beyond what any features are; sums of products of such are finite.
const largestFeature = 1e70

// FID returns the Fréchet distance between the Gaussians N(m_1, C_1) and
// N(m_2, C_2) of the statistics a and b (Heusel et al. 2017, 1706.08500, eq. 6),
//
//	FID = |m_1 − m_2|² + tr(C_1 + C_2 − 2 (C_1 C_2)^½),
//
// the square of their W_2, in squared units of the features. It is called
// inception distance because published figures are of the features of Inception-v3:
// those of another extractor are comparable among themselves only. It is not
// unbiased: it falls with N, so compare at equal N. FID is never negative.
//
// With C_i = F_i F_iᵀ the eigenvalues of C_1 C_2, but for zeros, are the squares of
// the singular values of F_1ᵀF_2. So the last trace is the sum of these singular
// values: no square root of a matrix is taken, nor of an eigenvalue that rounding
// made negative. Singular covariances are as good as others. What is below
// rounding, D·2e-16 of the largest variance, counts as zero: a feature so flat in one
// set and not in the other is seen with an error of the root of this, at most.
func FID(a, b FeatureStats) (float64, error) {
	for _, s := range []FeatureStats{a, b} {
		if err := s.check("FID"); err != nil {
			return 0, err
		}
	}
	d := len(a.Mean)
	if len(b.Mean) != d {
		return 0, fmt.Errorf("metrics: FID of features of dimension %d and %d: %w: the dimensions must be equal",
			d, len(b.Mean), ErrSize)
	}
	if a.Extractor != b.Extractor && a.Extractor != "" && b.Extractor != "" {
		return 0, fmt.Errorf("metrics: FID between %q and %q: %w", a.Extractor, b.Extractor, ErrExtractor)
	}
	fid := 0.0
	for k := range d {
		gap := a.Mean[k] - b.Mean[k]
		fid += gap*gap + a.Cov[k*d+k] + b.Cov[k*d+k]
	}
	root, err := traceRoot(a.Cov, b.Cov, d)
	if err != nil {
		return 0, err
	}
	return max(0, fid-2*root), nil
}

// traceRoot returns tr (C_1 C_2)^½.
func traceRoot(c1, c2 []float64, d int) (float64, error) {
	f1, f2 := factor(c1, d), factor(c2, d)
	if f1 == nil || f2 == nil {
		return 0, nil // a point mass
	}
	var product mat.Dense
	product.Mul(f1.T(), f2)
	var svd mat.SVD
	if !svd.Factorize(&product, mat.SVDNone) {
		return 0, errors.New("metrics: FID: the singular values of the product of the covariances were not found")
	}
	trace := 0.0
	for _, v := range svd.Values(nil) {
		trace += v
	}
	return trace, nil
}

// factor returns F, [d, rank], with F Fᵀ = c, by Cholesky's method with pivots,
// which finds the rank too: at 2048 features a hundred times faster than by
// eigenvectors. It is nil for rank 0.
func factor(c []float64, d int) *mat.Dense {
	var chol mat.PivotedCholesky
	chol.Factorize(mat.NewSymDense(d, c), -1) // false means rank < d, which is fine
	rank := chol.Rank()
	if rank == 0 {
		return nil
	}
	u, pivots := chol.RawU(), chol.ColumnPivots(nil)
	f := mat.NewDense(d, rank, nil)
	for k, row := range pivots {
		for j := range min(k+1, rank) {
			f.Set(row, j, u.At(j, k))
		}
	}
	return f
}
