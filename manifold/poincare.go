package manifold

import (
	"fmt"
	"math"
)

// Poincare is the hyperbolic space of curvature -1 as the open unit ball of R^d, with the
// metric 4|dx|²/(1-|x|²)². Every point can be moved to the middle, x ↦ (-p) ⊕ x, where
// geodesics are straight: all is computed there.
type Poincare struct{ D int }

// String implements [Manifold], as the other methods do.
func (m Poincare) String() string { return fmt.Sprintf("Poincaré ball of dimension %d", m.D) }

// Ambient returns d.
func (m Poincare) Ambient() int { return m.D }

// Dim returns d.
func (m Poincare) Dim() int { return m.D }

// Origin is the middle of the ball.
func (m Poincare) Origin(x []float64) { clear(x) }

// edge is how near to the boundary, which is infinitely far, float64 tells points apart: 1-|x|²
// below it has lost all but three digits.
const edge = 1e-13

// Check reports points outside of the open ball, and those too near to its boundary.
func (m Poincare) Check(x []float64) error {
	if r := dot(x, x); !(1-r > edge) {
		return noPoint(m, "its distance from the middle is %.16g; it must be less than 1", math.Sqrt(r))
	}
	return nil
}

// Project refuses what Check does: the nearest point of the ball is none inside.
func (m Poincare) Project(x []float64) error { return m.Check(x) }

// Tangent does nothing: the ball is open.
func (m Poincare) Tangent(_, _ []float64) {}

// mobius writes a ⊕ z into y and, unless they are nil, the derivative of it at z, of w, into u:
//
//	a ⊕ z = ((1 + 2a·z + |z|²) a + (1 - |a|²) z) / (1 + 2a·z + |a|²|z|²).
//
// sign multiplies a.
func mobius(y, u []float64, sign float64, a, z, w []float64) {
	az, zz, aa := sign*dot(a, z), dot(z, z), dot(a, a)
	along, below := 1+2*az+zz, 1+2*az+aa*zz
	for i := range y {
		y[i] = (along*sign*a[i] + (1-aa)*z[i]) / below
	}
	if u == nil {
		return
	}
	aw, zw := sign*dot(a, w), dot(z, w)
	dAlong, dBelow := 2*aw+2*zw, 2*aw+2*aa*zw
	for i := range u {
		u[i] = (dAlong*sign*a[i] + (1-aa)*w[i] - dBelow*y[i]) / below
	}
}

// Geodesic moves x to the middle, goes straight and moves back.
func (m Poincare) Geodesic(y, u, x, v []float64, t float64) {
	// |v0|, half the length: at the middle the metric is 4.
	half := math.Sqrt(dot(v, v)) / (1 - dot(x, x))
	z, w := make([]float64, m.D), make([]float64, m.D)
	if half > 0 {
		n := math.Sqrt(dot(v, v))
		to, cosh := math.Tanh(t*half), math.Cosh(t*half)
		for i, c := range v {
			z[i], w[i] = to*c/n, half/(cosh*cosh)*c/n
		}
	}
	mobius(y, u, 1, x, z, w)
}

// Log moves x to the middle.
func (m Poincare) Log(v, x, y []float64) error {
	if err := m.Check(x); err != nil {
		return err
	}
	if err := m.Check(y); err != nil {
		return err
	}
	mobius(v, nil, -1, x, y, nil)
	if n := math.Sqrt(dot(v, v)); n > 0 {
		// 1 - |z|² = (1-|x|²)(1-|y|²)/below is exact where 1 - n is not.
		rest := (1 - dot(x, x)) * (1 - dot(y, y)) / (1 - 2*dot(x, y) + dot(x, x)*dot(y, y))
		half := math.Log((1+n)*(1+n)/rest) / 2 // artanh n
		if n < 0.1 {
			half = math.Atanh(n)
		}
		scale(v, half/n*(1-dot(x, x)))
	}
	return nil
}

// Pull keeps what is along the geodesic, and multiplies what is across by r/sinh r, once all is
// at the middle.
func (m Poincare) Pull(w, x, v []float64) {
	n := math.Sqrt(dot(v, v))
	inner := 1 - dot(x, x)
	if n == 0 {
		return
	}
	half := n / inner
	y, z, u := make([]float64, m.D), make([]float64, m.D), make([]float64, m.D)
	m.Geodesic(y, nil, x, v, 1)
	mobius(z, u, -1, x, y, w)
	// Along a ray parallel vectors have one direction, and a length that the metric keeps.
	cosh := math.Cosh(half)
	scale(u, cosh*cosh)
	along := dot(u, v) / n
	across := 1 / sinhc(2*half)
	for i := range w {
		e := v[i] / n
		w[i] = inner * (along*e + across*(u[i]-along*e))
	}
}

// Inner is 4 u·v / (1-|x|²)².
func (m Poincare) Inner(x, u, v []float64) float64 {
	r := 1 - dot(x, x)
	return 4 * dot(u, v) / (r * r)
}

// LogVolume is d log(2 / (1-|x|²)).
func (m Poincare) LogVolume(x []float64) float64 {
	return float64(m.D) * math.Log(2/(1-dot(x, x)))
}

// Curvature is 0: the ball is a piece of R^d.
func (m Poincare) Curvature(h, _ []float64) { clear(h) }

// LogJacobian is (d-1) log(sinh r / r) with r the length of v.
func (m Poincare) LogJacobian(x, v []float64) float64 {
	r := Norm(m, x, v)
	// sinh r = e^r (1 - e^{-2r})/2, which does not overflow.
	if r < 1e-4 {
		return float64(m.D-1) * r * r / 6
	}
	return float64(m.D-1) * (r + math.Log(-math.Expm1(-2*r)/(2*r)))
}

// Inside is 1: there is no cut locus.
func (m Poincare) Inside(float64) float64 { return 1 }
