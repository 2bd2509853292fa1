package flowtest

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/path"
)

// Linear is the field v(x) = A x + b, the same at all times, whose flow is known:
// see [Linear.Flow]. Its Jacobian is A everywhere and its divergence is tr A, so a
// density carried for a time τ changes by exactly −τ tr A.
type Linear struct {
	A []float64 // [D, D], row-major
	B []float64 // [D]
}

// Dim returns D.
func (l Linear) Dim() int { return len(l.B) }

// AtTimes returns l: its time does not matter, and it is the same for all points.
func (l Linear) AtTimes([]int, []float64) (flow.Field, error) { return l, nil }

// Velocity writes A x + b.
func (l Linear) Velocity(v []float64, _ float64, x []float64) error {
	d := l.Dim()
	for i := 0; i < len(x); i += d {
		for r := range d {
			v[i+r] = l.B[r] + dot(l.A[r*d:(r+1)*d], x[i:i+d])
		}
	}
	return nil
}

// VJP writes A x + b and Aᵀ e.
func (l Linear) VJP(v, g []float64, t float64, x, e []float64) error {
	d := l.Dim()
	for i := 0; i < len(x); i += d {
		for c := range d {
			g[i+c] = 0
			for r := range d {
				g[i+c] += l.A[r*d+c] * e[i+r]
			}
		}
	}
	return l.Velocity(v, t, x)
}

// VelocityDiv writes A x + b and tr A.
func (l Linear) VelocityDiv(v, div []float64, t float64, x []float64) error {
	for i := range div {
		div[i] = l.Trace()
	}
	return l.Velocity(v, t, x)
}

// Trace returns tr A.
func (l Linear) Trace() float64 {
	tr := 0.0
	for i := range l.B {
		tr += l.A[i*l.Dim()+i]
	}
	return tr
}

// Flow moves the points x, [N, D], in place along the field for a time tau: the
// solution of x' = A x + b by the exponential of the matrix [A b; 0 0].
func (l Linear) Flow(x []float64, tau float64) {
	d := l.Dim()
	m := mat.NewDense(d+1, d+1, nil)
	for r := range d {
		for c := range d {
			m.Set(r, c, tau*l.A[r*d+c])
		}
		m.Set(r, d, tau*l.B[r])
	}
	var exp mat.Dense
	exp.Exp(m)
	y := make([]float64, d)
	for i := 0; i < len(x); i += d {
		for r := range d {
			row := exp.RawRowView(r)
			y[r] = dot(row[:d], x[i:i+d]) + row[d]
		}
		copy(x[i:i+d], y)
	}
}

// TwoModes returns the field of a plane mixture of two unequal Gaussians, one
// tilted and one round, along s: far enough from a single Gaussian to show a
// wrong sign or a missing term, smooth enough for tight tolerances.
func TwoModes(s path.Scheduler) *field.Mixture {
	m, err := field.NewMixture(s,
		field.Component{Weight: 0.3, Mean: []float64{-1.5, 0.5}, Cov: []float64{0.5, 0.2, 0.2, 0.3}},
		field.Component{Weight: 0.7, Mean: []float64{1, -0.5}, Std: 0.6})
	if err != nil {
		panic(err) // the numbers above are right for every schedule
	}
	return m
}

// Gaussian returns the field of N(mean, std² I) along s, and the exact map of its
// flow, the only one with a closed form: from time a to time b
//
//	φ(x) = α_b m + r_b/r_a (x − α_a m),   r_t² = α_t² std² + σ_t²
func Gaussian(s path.Scheduler, mean []float64, std float64) (f *field.Mixture, phi func(x []float64, a, b float64)) {
	f, err := field.NewMixture(s, field.Component{Weight: 1, Mean: mean, Std: std})
	if err != nil {
		panic(err) // a programmer's error: std <= 0 or no mean
	}
	return f, func(x []float64, a, b float64) {
		from, to := s.At(a), s.At(b)
		ratio := spread(to, std) / spread(from, std)
		for i := range x {
			m := mean[i%len(mean)]
			x[i] = to.Alpha*m + ratio*(x[i]-from.Alpha*m)
		}
	}
}

func spread(c path.Coef, std float64) float64 { return math.Hypot(c.Alpha*std, c.Sigma) }
