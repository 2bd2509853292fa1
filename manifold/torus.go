package manifold

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Torus is the flat torus of d angles: a point is the cosine and the sine of each, in turn.
// Lengths are in radians.
type Torus struct{ D int }

// String implements [Manifold], as the other methods do.
func (m Torus) String() string { return fmt.Sprintf("torus of dimension %d", m.D) }

// Ambient returns 2d.
func (m Torus) Ambient() int { return 2 * m.D }

// Dim returns d.
func (m Torus) Dim() int { return m.D }

// Origin has all angles 0.
func (m Torus) Origin(x []float64) {
	for k := range m.D {
		x[2*k], x[2*k+1] = 1, 0
	}
}

// Check reports cosines and sines of no angle.
func (m Torus) Check(x []float64) error {
	for k := range m.D {
		if n := math.Hypot(x[2*k], x[2*k+1]); !(math.Abs(n-1) <= near) {
			return noPoint(m, "a cosine %g and a sine %g of no angle", x[2*k], x[2*k+1])
		}
	}
	return nil
}

// Project divides each pair by its length, which must not be 0.
func (m Torus) Project(x []float64) error {
	for k := range m.D {
		pair := x[2*k : 2*k+2]
		n := math.Hypot(pair[0], pair[1])
		if !(n > 1e-150) || math.IsInf(n, 0) {
			return noPoint(m, "pair %d has length %g, and so no angle", k+1, n)
		}
		scale(pair, 1/n)
	}
	return nil
}

// turn is how fast the angle of pair k turns at x with velocity v.
func turn(v, x []float64, k int) float64 { return v[2*k+1]*x[2*k] - v[2*k]*x[2*k+1] }

// setTurn is its inverse.
func setTurn(v, x []float64, k int, by float64) { v[2*k], v[2*k+1] = -by*x[2*k+1], by*x[2*k] }

// Tangent keeps what turns each pair.
func (m Torus) Tangent(v, x []float64) {
	for k := range m.D {
		setTurn(v, x, k, turn(v, x, k))
	}
}

// Geodesic turns each pair evenly.
func (m Torus) Geodesic(y, u, x, v []float64, t float64) {
	for k := range m.D {
		by := turn(v, x, k)
		sin, cos := math.Sincos(t * by)
		c, s := cos*x[2*k]-sin*x[2*k+1], sin*x[2*k]+cos*x[2*k+1]
		n := math.Hypot(c, s)
		y[2*k], y[2*k+1] = c/n, s/n
		if u != nil {
			setTurn(u, y, k, by)
		}
	}
}

// Log refuses angles that are exactly opposite.
func (m Torus) Log(v, x, y []float64) error {
	for k := range m.D {
		by := math.Atan2(turn(y, x, k), x[2*k]*y[2*k]+x[2*k+1]*y[2*k+1])
		if math.Abs(by) == math.Pi {
			return cutLocus(m, fmt.Sprintf("opposite in angle %d", k+1))
		}
		setTurn(v, x, k, by)
	}
	return nil
}

// Pull turns back.
func (m Torus) Pull(w, x, v []float64) {
	for k := range m.D {
		sin, cos := math.Sincos(turn(v, x, k))
		c, s := cos*x[2*k]-sin*x[2*k+1], sin*x[2*k]+cos*x[2*k+1]
		setTurn(w, x, k, w[2*k+1]*c-w[2*k]*s)
	}
}

// Inner is that of R^{2d}.
func (m Torus) Inner(_, u, v []float64) float64 { return dot(u, v) }

// LogVolume is 0.
func (m Torus) LogVolume([]float64) float64 { return 0 }

// Curvature is -x.
func (m Torus) Curvature(h, x []float64) {
	for i, v := range x {
		h[i] = -v
	}
}

// LogJacobian is 0: it is flat.
func (m Torus) LogJacobian(_, _ []float64) float64 { return 0 }

// Inside is the probability that all angles are less than π.
func (m Torus) Inside(std float64) float64 {
	return math.Pow(math.Erf(math.Pi/(std*math.Sqrt2)), float64(m.D))
}

// Uniform draws each angle.
func (m Torus) Uniform(x []float64, rng *rand.Rand) {
	for k := range m.D {
		x[2*k+1], x[2*k] = math.Sincos(2 * math.Pi * rng.Float64())
	}
}

// LogTotal is d log 2π.
func (m Torus) LogTotal() float64 { return float64(m.D) * math.Log(2*math.Pi) }
