package manifold

import "fmt"

// Euclidean is R^D: a factor of a [Product] of which the others are curved.
type Euclidean struct{ D int }

// String implements [Manifold], as the other methods do.
func (m Euclidean) String() string { return fmt.Sprintf("euclidean space of dimension %d", m.D) }

// Ambient returns D.
func (m Euclidean) Ambient() int { return m.D }

// Dim returns D.
func (m Euclidean) Dim() int { return m.D }

// Origin writes 0.
func (m Euclidean) Origin(x []float64) { clear(x) }

// Check reports numbers that are not finite.
func (m Euclidean) Check(x []float64) error {
	if !finite(x) {
		return noPoint(m, "a number is not finite")
	}
	return nil
}

// Project does nothing.
func (m Euclidean) Project([]float64) error { return nil }

// Tangent does nothing.
func (m Euclidean) Tangent(_, _ []float64) {}

// Geodesic is x + t·v.
func (m Euclidean) Geodesic(y, u, x, v []float64, t float64) {
	copy(y, x)
	add(y, t, v)
	copy(u, v)
}

// Log is y - x.
func (m Euclidean) Log(v, x, y []float64) error {
	copy(v, y)
	add(v, -1, x)
	return nil
}

// Pull does nothing.
func (m Euclidean) Pull(_, _, _ []float64) {}

// Inner is the product of vectors.
func (m Euclidean) Inner(_, u, v []float64) float64 { return dot(u, v) }

// LogVolume is 0.
func (m Euclidean) LogVolume([]float64) float64 { return 0 }

// Curvature is 0.
func (m Euclidean) Curvature(h, _ []float64) { clear(h) }

// LogJacobian is 0.
func (m Euclidean) LogJacobian(_, _ []float64) float64 { return 0 }

// Inside is 1.
func (m Euclidean) Inside(float64) float64 { return 1 }
