package manifold

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// SPD is the symmetric positive definite matrices of order n with the affine-invariant metric,
// <U, V>_X = tr(X⁻¹UX⁻¹V): a point is a matrix, row after row. Congruence X ↦ AXAᵀ moves every
// matrix to the identity, where all is computed.
type SPD struct{ N int }

// String implements [Manifold], as the other methods do.
func (m SPD) String() string {
	return fmt.Sprintf("symmetric positive definite matrices of order %d", m.N)
}

// Ambient returns n².
func (m SPD) Ambient() int { return m.N * m.N }

// Dim returns n(n+1)/2.
func (m SPD) Dim() int { return m.N * (m.N + 1) / 2 }

// Origin is the identity.
func (m SPD) Origin(x []float64) {
	clear(x)
	for i := range m.N {
		x[i*m.N+i] = 1
	}
}

// Check reports matrices that are not symmetric, up to the size of an entry times 1e-3, and
// those with an eigenvalue that is not positive.
func (m SPD) Check(x []float64) error {
	if !finite(x) {
		return noPoint(m, "a number of the matrix is not finite")
	}
	large := 0.0
	for _, v := range x {
		large = math.Max(large, math.Abs(v))
	}
	for i := range m.N {
		for j := range i {
			if a, b := x[i*m.N+j], x[j*m.N+i]; math.Abs(a-b) > near*large {
				return noPoint(m, "entries %g and %g, which mirror one another, differ", a, b)
			}
		}
	}
	if e, ok := m.eigen(x); !ok || !(e.values[0] > 1e-13*e.values[m.N-1]) {
		return noPoint(m, "its eigenvalues are %.4g; all must be above 0, and within 1e13 of one another", e.values)
	}
	return nil
}

// Project makes the matrix symmetric; one that is not positive definite has no nearest.
func (m SPD) Project(x []float64) error {
	m.Tangent(x, nil)
	return m.Check(x)
}

// Tangent makes v symmetric.
func (m SPD) Tangent(v, _ []float64) {
	for i := range m.N {
		for j := range i {
			a := (v[i*m.N+j] + v[j*m.N+i]) / 2
			v[i*m.N+j], v[j*m.N+i] = a, a
		}
	}
}

// eigen is a symmetric matrix as Q diag(values) Qᵀ, values rising.
type eigen struct {
	values []float64
	q      *mat.Dense
	n      int
}

// eigen returns that of x; not ok of numbers that are not finite.
func (m SPD) eigen(x []float64) (e eigen, ok bool) {
	e = eigen{values: make([]float64, m.N), q: mat.NewDense(m.N, m.N, nil), n: m.N}
	for i := range e.values {
		e.values[i] = math.NaN()
	}
	if !finite(x) {
		return e, false
	}
	s := mat.NewSymDense(m.N, nil)
	for i := range m.N {
		for j := i; j < m.N; j++ {
			s.SetSym(i, j, (x[i*m.N+j]+x[j*m.N+i])/2)
		}
	}
	var f mat.EigenSym
	if !f.Factorize(s, true) {
		return e, false
	}
	f.Values(e.values)
	f.VectorsTo(e.q)
	return e, true
}

// of returns Q diag(f(values)) Qᵀ.
func (e eigen) of(f func(float64) float64) *mat.Dense {
	d := mat.NewDense(e.n, e.n, nil)
	for j, v := range e.values {
		for i := range e.n {
			d.Set(i, j, e.q.At(i, j)*f(v))
		}
	}
	out := mat.NewDense(e.n, e.n, nil)
	out.Mul(d, e.q.T())
	return out
}

// roots returns X^{1/2} and X^{-1/2}, NaN of a matrix that is not positive definite.
func (m SPD) roots(x []float64) (root, inverse *mat.Dense) {
	e, _ := m.eigen(x)
	return e.of(math.Sqrt), e.of(func(v float64) float64 { return 1 / math.Sqrt(v) })
}

// moved writes A V A into to, with A symmetric.
func (m SPD) moved(to []float64, a *mat.Dense, v []float64) {
	out := mat.NewDense(m.N, m.N, to)
	var half mat.Dense
	half.Mul(a, mat.NewDense(m.N, m.N, v))
	out.Mul(&half, a)
	m.Tangent(to, nil)
}

// Geodesic is X^{1/2} exp(tS) X^{1/2} with S = X^{-1/2} V X^{-1/2}.
func (m SPD) Geodesic(y, u, x, v []float64, t float64) {
	root, inverse := m.roots(x)
	s := make([]float64, len(x))
	m.moved(s, inverse, v)
	e, _ := m.eigen(s)
	m.moved(y, root, e.of(func(l float64) float64 { return math.Exp(t * l) }).RawMatrix().Data)
	if u != nil {
		m.moved(u, root, e.of(func(l float64) float64 { return l * math.Exp(t*l) }).RawMatrix().Data)
	}
}

// Log is X^{1/2} log(X^{-1/2} Y X^{-1/2}) X^{1/2}.
func (m SPD) Log(v, x, y []float64) error {
	for _, p := range [][]float64{x, y} {
		if err := m.Check(p); err != nil {
			return err
		}
	}
	root, inverse := m.roots(x)
	m.moved(v, inverse, y)
	e, _ := m.eigen(v)
	m.moved(v, root, e.of(math.Log).RawMatrix().Data)
	return nil
}

// Pull is the derivative of the logarithm in the basis of S, by divided differences: entry ij
// times (s_i - s_j) / (exp s_i - exp s_j).
func (m SPD) Pull(w, x, v []float64) {
	root, inverse := m.roots(x)
	s := make([]float64, len(x))
	m.moved(s, inverse, v)
	e, _ := m.eigen(s)
	m.moved(s, inverse, w)
	var in, half mat.Dense
	half.Mul(e.q.T(), mat.NewDense(m.N, m.N, s))
	in.Mul(&half, e.q)
	for i, a := range e.values {
		for j, b := range e.values {
			in.Set(i, j, in.At(i, j)*math.Exp(-(a+b)/2)/sinhc((a-b)/2))
		}
	}
	half.Mul(e.q, &in)
	in.Mul(&half, e.q.T())
	m.moved(w, root, in.RawMatrix().Data)
}

// Inner is tr(X⁻¹UX⁻¹V).
func (m SPD) Inner(x, u, v []float64) float64 {
	_, inverse := m.roots(x)
	a, b := make([]float64, len(x)), make([]float64, len(x))
	m.moved(a, inverse, u)
	m.moved(b, inverse, v)
	return dot(a, b)
}

// LogVolume is -(n+1)/2 log det X.
func (m SPD) LogVolume(x []float64) float64 {
	e, _ := m.eigen(x)
	sum := 0.0
	for _, v := range e.values {
		sum += math.Log(v)
	}
	return -float64(m.N+1) / 2 * sum
}

// Curvature is 0: the matrices are a piece of the symmetric ones.
func (m SPD) Curvature(h, _ []float64) { clear(h) }

// LogJacobian is the sum over i < j of log(sinh(s/2) / (s/2)) with s = s_i - s_j.
func (m SPD) LogJacobian(x, v []float64) float64 {
	_, inverse := m.roots(x)
	s := make([]float64, len(x))
	m.moved(s, inverse, v)
	e, _ := m.eigen(s)
	sum := 0.0
	for i, a := range e.values {
		for _, b := range e.values[:i] {
			sum += math.Log(sinhc((a - b) / 2))
		}
	}
	return sum
}

// Inside is 1: there is no cut locus.
func (m SPD) Inside(float64) float64 { return 1 }
