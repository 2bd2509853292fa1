package manifold

import (
	"fmt"
	"math"

	"flowmatch/flow"
)

// Interpolate writes the points at times t of the geodesics from x0 to x1 into xt, and their
// velocities there into ut, all [N, D]: the conditional path of Riemannian flow matching. xt and ut
// may alias x0 and x1.
func Interpolate(m Manifold, xt, ut flow.Batch, t []float64, x0, x1 flow.Batch) error {
	d := m.Ambient()
	v, y, u := make([]float64, d), make([]float64, d), make([]float64, d)
	for i := range x0.N {
		if err := m.Log(v, x0.Row(i), x1.Row(i)); err != nil {
			return fmt.Errorf("pair %d: %w", i, err)
		}
		m.Geodesic(y, u, x0.Row(i), v, t[i])
		copy(xt.Row(i), y)
		copy(ut.Row(i), u)
	}
	return nil
}

// Stretch returns the mean of the metric over tangent vectors at x that the space around measures as
// of unit length: the square of an error of a velocity counts that much. Where the metric is not a
// multiple of that of the space around, as of [SPD] and of products, it is a mean over directions.
func Stretch(m Manifold, x []float64) float64 {
	switch m.(type) {
	case Sphere, Torus, Euclidean:
		return 1
	case SO3:
		return 0.5
	}
	dim, d := m.Ambient(), m.Dim()
	e := make([]float64, d*dim)
	Frame(m, e, x)
	sum := 0.0
	for k := range d {
		one := e[k*dim : (k+1)*dim]
		sum += m.Inner(x, one, one)
	}
	return sum / float64(d)
}

// Squared is the cost of a coupling by geodesics.
type Squared struct{ M Manifold }

// Cost returns the square of the length of the shortest geodesic and, of rows longer than points, the
// squared differences of what is behind them. It is NaN where no geodesic is the shortest.
func (s Squared) Cost(x0, x1 []float64) float64 {
	d := s.M.Ambient()
	v := make([]float64, d)
	if err := s.M.Log(v, x0[:d], x1[:d]); err != nil {
		return math.NaN()
	}
	sum := s.M.Inner(x0[:d], v, v)
	for i := d; i < len(x0); i++ {
		sum += (x0[i] - x1[i]) * (x0[i] - x1[i])
	}
	return sum
}
