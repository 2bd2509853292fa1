package manifold

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// SO3 is the rotations of R³: a point is a rotation matrix R, row after row. The distance of
// two is the angle by which one turns into the other, in radians. A tangent vector at R is RΩ
// with Ω antisymmetric.
type SO3 struct{}

type vec3 = [3]float64

// String implements [Manifold], as the other methods do.
func (m SO3) String() string { return "rotations of space" }

// Ambient returns 9.
func (m SO3) Ambient() int { return 9 }

// Dim returns 3.
func (m SO3) Dim() int { return 3 }

// Origin is no rotation.
func (m SO3) Origin(x []float64) {
	clear(x)
	x[0], x[4], x[8] = 1, 1, 1
}

// Check reports matrices that are not orthogonal, or turn space over.
func (m SO3) Check(x []float64) error {
	if worst := unorthogonal(x); !(worst <= near) || det3(x) < 0 {
		return noPoint(m, "a matrix R with determinant %.4g of which RᵀR differs from 1 by %.3g", det3(x), worst)
	}
	return nil
}

// unorthogonal is the largest entry of RᵀR - 1.
func unorthogonal(x []float64) (worst float64) {
	for i := range 3 {
		for j := range 3 {
			e := 0.0
			for k := range 3 {
				e += x[3*k+i] * x[3*k+j]
			}
			if i == j {
				e--
			}
			worst = math.Max(worst, math.Abs(e)) // NaN stays
		}
	}
	return worst
}

func det3(x []float64) float64 {
	return x[0]*(x[4]*x[8]-x[5]*x[7]) - x[1]*(x[3]*x[8]-x[5]*x[6]) + x[2]*(x[3]*x[7]-x[4]*x[6])
}

// Project is the nearest rotation: U diag(1, 1, ±1) Vᵀ of the singular vectors.
func (m SO3) Project(x []float64) error {
	if !finite(x) {
		return noPoint(m, "a number of the matrix is not finite")
	}
	if worst := unorthogonal(x); worst < 0.1 && det3(x) > 0 {
		for worst > 1e-15 { // squares the difference in each round
			polish(x)
			next := unorthogonal(x)
			if next >= worst {
				break
			}
			worst = next
		}
		return nil
	}
	var svd mat.SVD
	if !svd.Factorize(mat.NewDense(3, 3, x), mat.SVDFull) {
		return noPoint(m, "the matrix has no singular vectors")
	}
	var u, v mat.Dense
	svd.UTo(&u)
	svd.VTo(&v)
	s := svd.Values(nil)
	sign := math.Copysign(1, mat.Det(&u)*mat.Det(&v))
	if !(s[1]+sign*s[2] > 1e-12*s[0]) || s[0] == 0 {
		return noPoint(m, "several rotations are nearest to the matrix of singular values %.3g", s)
	}
	for i := range 3 {
		for j := range 3 {
			x[3*i+j] = u.At(i, 0)*v.At(j, 0) + u.At(i, 1)*v.At(j, 1) + sign*u.At(i, 2)*v.At(j, 2)
		}
	}
	return nil
}

// polish takes R to R(3 - RᵀR)/2, which is nearer to a rotation.
func polish(x []float64) {
	var g, y [9]float64
	for i := range 3 {
		for j := range 3 {
			for k := range 3 {
				g[3*i+j] -= x[3*k+i] * x[3*k+j] / 2
			}
		}
		g[4*i] += 1.5
	}
	for i := range 3 {
		for j := range 3 {
			for k := range 3 {
				y[3*i+j] += x[3*i+k] * g[3*k+j]
			}
		}
	}
	copy(x, y[:])
}

// axis is ω with Ω = the antisymmetric part of RᵀV.
func axis(v, x []float64) (w vec3) {
	var o [9]float64
	for i := range 3 {
		for j := range 3 {
			for k := range 3 {
				o[3*i+j] += x[3*k+i] * v[3*k+j]
			}
		}
	}
	return vec3{(o[7] - o[5]) / 2, (o[2] - o[6]) / 2, (o[3] - o[1]) / 2}
}

// setAxis writes RΩ into v.
func setAxis(v, x []float64, w vec3) {
	for i := range 3 {
		r := x[3*i : 3*i+3]
		v[3*i], v[3*i+1], v[3*i+2] = r[1]*w[2]-r[2]*w[1], r[2]*w[0]-r[0]*w[2], r[0]*w[1]-r[1]*w[0]
	}
}

func cross(a, b vec3) vec3 {
	return vec3{a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]}
}

// Tangent keeps the antisymmetric part of RᵀV.
func (m SO3) Tangent(v, x []float64) { setAxis(v, x, axis(v, x)) }

// Geodesic is R exp(tΩ), by the formula of Rodrigues.
func (m SO3) Geodesic(y, u, x, v []float64, t float64) {
	w := axis(v, x)
	a := t * math.Sqrt(dot(w[:], w[:]))
	// exp(tΩ) = 1 + sin(a)/a tΩ + (1 - cos a)/a² t²Ω², row after row of R.
	b, c := t*sinc(a), t*t*sinc(a/2)*sinc(a/2)/2
	for i := range 3 {
		r := vec3{x[3*i], x[3*i+1], x[3*i+2]}
		once := cross(r, w) // the row rΩ
		twice := cross(once, w)
		for j := range 3 {
			y[3*i+j] = r[j] + b*once[j] + c*twice[j]
		}
	}
	polish(y)
	if u != nil {
		setAxis(u, y, w)
	}
}

// Log refuses rotations by exactly half a turn.
func (m SO3) Log(v, x, y []float64) error {
	var q [9]float64 // RᵀY
	for i := range 3 {
		for j := range 3 {
			for k := range 3 {
				q[3*i+j] += x[3*k+i] * y[3*k+j]
			}
		}
	}
	w, u := quaternion(q[:])
	if w < 1e-15 {
		return cutLocus(m, "half a turn from one another")
	}
	sin := math.Sqrt(dot(u[:], u[:]))
	by := 2.0 // by u, for small angles
	if sin > 1e-9 {
		by = 2 * math.Atan2(sin, w) / sin
	}
	setAxis(v, x, vec3{by * u[0], by * u[1], by * u[2]})
	return nil
}

// quaternion returns the unit quaternion of a rotation matrix, w >= 0, from the largest of its
// four squares.
func quaternion(r []float64) (w float64, u vec3) {
	trace := r[0] + r[4] + r[8]
	big := 0
	for i := 1; i < 3; i++ {
		if r[4*i] > r[4*big] {
			big = i
		}
	}
	if trace > r[4*big] {
		w = math.Sqrt(1+trace) / 2
		u = vec3{(r[7] - r[5]) / (4 * w), (r[2] - r[6]) / (4 * w), (r[3] - r[1]) / (4 * w)}
	} else {
		i, j, k := big, (big+1)%3, (big+2)%3
		u[i] = math.Sqrt(math.Max(0, 1+r[4*i]-r[4*j]-r[4*k])) / 2
		w = (r[3*k+j] - r[3*j+k]) / (4 * u[i])
		u[j], u[k] = (r[3*j+i]+r[3*i+j])/(4*u[i]), (r[3*k+i]+r[3*i+k])/(4*u[i])
	}
	n := math.Copysign(math.Sqrt(w*w+dot(u[:], u[:])), w)
	return w / n, vec3{u[0] / n, u[1] / n, u[2] / n}
}

// rotation writes the matrix of a quaternion of unit length.
func rotation(x []float64, w float64, u vec3) {
	a, b, c := u[0], u[1], u[2]
	copy(x, []float64{
		1 - 2*(b*b+c*c), 2 * (a*b - w*c), 2 * (a*c + w*b),
		2 * (a*b + w*c), 1 - 2*(a*a+c*c), 2 * (b*c - w*a),
		2 * (a*c - w*b), 2 * (b*c + w*a), 1 - 2*(a*a+b*b),
	})
}

// Pull is the inverse of the right Jacobian of exp: ψ + ω×ψ/2 + c ω×(ω×ψ) with
// c = (1 - (θ/2) cot(θ/2)) / θ².
func (m SO3) Pull(w, x, v []float64) {
	var y [9]float64
	m.Geodesic(y[:], nil, x, v, 1)
	o, psi := axis(v, x), axis(w, y[:])
	a := math.Sqrt(dot(o[:], o[:]))
	c := 1.0/12 + a*a/720
	if a > 1e-2 {
		c = (1 - a/2*math.Cos(a/2)/math.Sin(a/2)) / (a * a)
	}
	once := cross(o, psi)
	twice := cross(o, once)
	for i := range psi {
		psi[i] += once[i]/2 + c*twice[i]
	}
	setAxis(w, x, psi)
}

// Inner is half the product of the matrices, so that lengths are angles.
func (m SO3) Inner(_, u, v []float64) float64 { return dot(u, v) / 2 }

// LogVolume is that of the metric: lengths in R⁹ are √2 times the angle.
func (m SO3) LogVolume([]float64) float64 { return -1.5 * math.Ln2 }

// Curvature is -R.
func (m SO3) Curvature(h, x []float64) {
	for i, v := range x {
		h[i] = -v
	}
}

// LogJacobian is 2 log(sin(θ/2) / (θ/2)).
func (m SO3) LogJacobian(x, v []float64) float64 {
	w := axis(v, x)
	return 2 * math.Log(math.Abs(sinc(math.Sqrt(dot(w[:], w[:]))/2)))
}

// Inside is the probability that a vector is shorter than π.
func (m SO3) Inside(std float64) float64 { return ball(3, math.Pi/std) }

// Uniform is the rotation of a uniform unit quaternion.
func (m SO3) Uniform(x []float64, rng *rand.Rand) {
	var q [4]float64
	Sphere{3}.Uniform(q[:], rng)
	rotation(x, q[0], vec3{q[1], q[2], q[3]})
}

// LogTotal is log 8π².
func (m SO3) LogTotal() float64 { return math.Log(8 * math.Pi * math.Pi) }
