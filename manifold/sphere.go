package manifold

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mathext"
)

// Sphere is S^d, the unit vectors of R^{d+1}, d >= 2. The circle is a [Torus] of one angle,
// whose geodesics have no direction to lose.
type Sphere struct{ D int }

// String implements [Manifold], as the other methods do.
func (m Sphere) String() string { return fmt.Sprintf("sphere of dimension %d", m.D) }

// Ambient returns d+1.
func (m Sphere) Ambient() int { return m.D + 1 }

// Dim returns d.
func (m Sphere) Dim() int { return m.D }

// Origin is the pole, where the last coordinate is 1.
func (m Sphere) Origin(x []float64) {
	clear(x)
	x[m.D] = 1
}

// Check reports vectors that are not of unit length.
func (m Sphere) Check(x []float64) error {
	if n := math.Sqrt(dot(x, x)); !(math.Abs(n-1) <= near) {
		return noPoint(m, "a vector of length %g; it must be 1", n)
	}
	return nil
}

// Project divides by the length, which must not be 0.
func (m Sphere) Project(x []float64) error {
	n := math.Sqrt(dot(x, x))
	if !(n > 1e-150) || math.IsInf(n, 0) {
		return noPoint(m, "the vector of length %g has no direction", n)
	}
	scale(x, 1/n)
	return nil
}

// Tangent takes the part along x away.
func (m Sphere) Tangent(v, x []float64) { add(v, -dot(v, x), x) }

// Geodesic is x cos tθ + v sin(tθ)/θ with θ = |v|.
func (m Sphere) Geodesic(y, u, x, v []float64, t float64) {
	n := math.Sqrt(dot(v, v))
	a := t * n
	cos, sin := math.Cos(a), math.Sin(a)
	to := t * sinc(a)
	for i := range y {
		y[i] = cos*x[i] + to*v[i]
	}
	scale(y, 1/math.Sqrt(dot(y, y)))
	for i := range u {
		u[i] = cos*v[i] - n*sin*x[i]
	}
}

// Log refuses antipodes, up to 1e-10.
func (m Sphere) Log(v, x, y []float64) error {
	cos := dot(x, y)
	// The difference from x, or from its antipode, is what rounding spares.
	copy(v, y)
	add(v, -math.Copysign(1, cos), x)
	m.Tangent(v, x)
	m.Tangent(v, x)
	sin := math.Sqrt(dot(v, v))
	switch {
	case sin < 1e-10 && cos < 0:
		return cutLocus(m, "antipodes")
	case sin > 0:
		scale(v, math.Atan2(sin, cos)/sin)
	}
	return nil
}

// Pull keeps what is along the geodesic, and multiplies what is across by θ/sin θ.
func (m Sphere) Pull(w, x, v []float64) {
	n := math.Sqrt(dot(v, v))
	if n > 0 {
		sin, cos := math.Sincos(n)
		along := 0.0
		for i := range w {
			along += w[i] * (cos*v[i]/n - sin*x[i])
		}
		across := 1 / sinc(n)
		for i := range w {
			e := v[i] / n
			w[i] = along*e + across*(w[i]-along*(cos*e-sin*x[i]))
		}
	}
	m.Tangent(w, x)
}

// Inner is that of R^{d+1}.
func (m Sphere) Inner(_, u, v []float64) float64 { return dot(u, v) }

// LogVolume is 0.
func (m Sphere) LogVolume([]float64) float64 { return 0 }

// Curvature is -d·x.
func (m Sphere) Curvature(h, x []float64) {
	for i, v := range x {
		h[i] = -float64(m.D) * v
	}
}

// LogJacobian is (d-1) log(sin θ / θ).
func (m Sphere) LogJacobian(_, v []float64) float64 {
	return float64(m.D-1) * math.Log(math.Abs(sinc(math.Sqrt(dot(v, v)))))
}

// Inside is the probability that a vector is shorter than π.
func (m Sphere) Inside(std float64) float64 { return ball(m.D, math.Pi/std) }

// ball is the probability that a normal vector of R^d is shorter than r.
func ball(d int, r float64) float64 { return mathext.GammaIncReg(float64(d)/2, r*r/2) }

// Uniform is the direction of a normal vector.
func (m Sphere) Uniform(x []float64, rng *rand.Rand) {
	for {
		for i := range x {
			x[i] = rng.NormFloat64()
		}
		if m.Project(x) == nil {
			return
		}
	}
}

// LogTotal is log of 2 π^{(d+1)/2} / Γ((d+1)/2).
func (m Sphere) LogTotal() float64 {
	half := float64(m.D+1) / 2
	gamma, _ := math.Lgamma(half)
	return math.Ln2 + half*math.Log(math.Pi) - gamma
}
