package manifold

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// Manifold is a Riemannian manifold of dimension d whose points are rows of D numbers. It is
// that of a flow: training needs its geodesics, a solver [Manifold].Pull, and a density the
// rest. Methods are safe for concurrent use. Slices have length D; those written must not
// alias those read, unless a method says so. A user's own is held to the laws of
// flowtest.TestManifold.
type Manifold interface {
	// String names it, with its dimension.
	String() string
	// Ambient returns D, and Dim d.
	Ambient() int
	Dim() int
	// Origin writes a point that stands for the middle into x.
	Origin(x []float64)

	// Check reports numbers that are no point, up to errors of rounding in a file (1e-3).
	Check(x []float64) error
	// Project moves x to the nearest point, in place. The error is [ErrNoPoint] where none is
	// nearest.
	Project(x []float64) error
	// Tangent projects v, in place, to the tangent vectors at x.
	Tangent(v, x []float64)

	// Geodesic writes into y the point at time t of the geodesic that leaves x with velocity v,
	// and into u, unless it is nil, its velocity there. At t = 1 y is Exp_x(v).
	Geodesic(y, u, x, v []float64, t float64)
	// Log writes into v the velocity of the shortest geodesic from x to y in unit time. The
	// error is [ErrCutLocus] where there is none that is shortest.
	Log(v, x, y []float64) error
	// Pull brings w, a tangent vector at y = Exp_x(v), to the tangent vector at x whose image
	// under the derivative of Exp_x at v it is, in place. It is not finite where the
	// derivative has no inverse.
	Pull(w, x, v []float64)

	// Inner returns the metric of two tangent vectors at x.
	Inner(x, u, v []float64) float64
	// LogVolume returns log of the Riemannian volume at x by the volume that the space around
	// it gives the manifold.
	LogVolume(x []float64) float64
	// Curvature writes the mean curvature vector of the manifold in the space around it into h:
	// the sum of the accelerations of the curves that leave x straight in d orthogonal
	// directions of unit length, as the space around measures it.
	Curvature(h, x []float64)
	// LogJacobian returns log |det| of the derivative of Exp_x at v, in the metrics of both ends.
	LogJacobian(x, v []float64) float64
	// Inside returns the probability that a normal tangent vector of standard deviation std is
	// within the cut locus.
	Inside(std float64) float64
}

// Compact is a Manifold of finite volume, on which there is a uniform distribution.
type Compact interface {
	Manifold
	// Uniform writes a draw into x.
	Uniform(x []float64, rng *rand.Rand)
	// LogTotal returns log of the Riemannian volume of all of it.
	LogTotal() float64
}

// ErrNoPoint is returned for numbers that are no point of a manifold, and [ErrCutLocus] for
// two points that no shortest geodesic joins, such as antipodes.
var (
	ErrNoPoint  = errors.New("no point of the manifold")
	ErrCutLocus = errors.New("no geodesic between the points is the shortest")
)

// noPoint is an [ErrNoPoint] of a manifold.
func noPoint(m Manifold, format string, args ...any) error {
	return fmt.Errorf("manifold: %w %s: %s", ErrNoPoint, m, fmt.Sprintf(format, args...))
}

// cutLocus is an [ErrCutLocus] of a manifold.
func cutLocus(m Manifold, how string) error {
	return fmt.Errorf("manifold: %w: on %s they are %s", ErrCutLocus, m, how)
}

// near is how far numbers of a file may be from a point of a manifold.
const near = 1e-3

// Exp writes Exp_x(v) into y.
func Exp(m Manifold, y, x, v []float64) { m.Geodesic(y, nil, x, v, 1) }

// Norm returns the length of a tangent vector at x.
func Norm(m Manifold, x, v []float64) float64 { return math.Sqrt(math.Max(0, m.Inner(x, v, v))) }

// Distance returns the length of the shortest geodesic between x and y. Where several are the
// shortest it is an error, as of [Manifold].Log.
func Distance(m Manifold, x, y []float64) (float64, error) {
	v := make([]float64, m.Ambient())
	if err := m.Log(v, x, y); err != nil {
		return 0, err
	}
	return Norm(m, x, v), nil
}

// Frame writes d tangent vectors at x into e, [d, D], that are orthogonal and of unit length as
// the space around measures it.
func Frame(m Manifold, e, x []float64) { frame(m, e, x, dot) }

// MetricFrame is [Frame] by the metric of the manifold.
func MetricFrame(m Manifold, e, x []float64) {
	frame(m, e, x, func(u, v []float64) float64 { return m.Inner(x, u, v) })
}

// frame orthogonalises the projections of the axes, the longest that is left first.
func frame(m Manifold, e, x []float64, inner func(u, v []float64) float64) {
	dim, d := m.Ambient(), m.Dim()
	rest := make([]float64, dim*dim)
	for k := range dim {
		row := rest[k*dim : (k+1)*dim]
		row[k] = 1
		m.Tangent(row, x)
	}
	for i := range d {
		best, longest := 0, -1.0
		for k := range dim {
			row := rest[k*dim : (k+1)*dim]
			if n := inner(row, row); n > longest {
				best, longest = k, n
			}
		}
		to := e[i*dim : (i+1)*dim]
		copy(to, rest[best*dim:(best+1)*dim])
		for range 2 { // once more takes away what rounding left
			for j := range i {
				before := e[j*dim : (j+1)*dim]
				add(to, -inner(before, to), before)
			}
			scale(to, 1/math.Sqrt(inner(to, to)))
		}
		for k := range dim {
			row := rest[k*dim : (k+1)*dim]
			add(row, -inner(to, row), to)
		}
	}
}

func dot(u, v []float64) float64 {
	sum := 0.0
	for i, a := range u {
		sum += a * v[i]
	}
	return sum
}

// add adds c·v to u.
func add(u []float64, c float64, v []float64) {
	for i, a := range v {
		u[i] += c * a
	}
}

func scale(u []float64, c float64) {
	for i := range u {
		u[i] *= c
	}
}

// sinc returns sin(x)/x.
func sinc(x float64) float64 {
	if math.Abs(x) < 1e-4 {
		return 1 - x*x/6
	}
	return math.Sin(x) / x
}

// sinhc returns sinh(x)/x.
func sinhc(x float64) float64 {
	if math.Abs(x) < 1e-4 {
		return 1 + x*x/6
	}
	return math.Sinh(x) / x
}

// finite reports whether no number is NaN or infinite.
func finite(x []float64) bool {
	for _, v := range x {
		if v-v != 0 {
			return false
		}
	}
	return true
}

// Points says in words what the points of a manifold are: "points of a sphere of dimension 2", "rotations of space".
func Points(m Manifold) string {
	switch m.(type) {
	case SO3, SPD: // which are named so
		return m.String()
	}
	return "points of a " + m.String()
}
