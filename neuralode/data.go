package neuralode

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"flowmatch/flow"
	"flowmatch/internal/absent"
	"flowmatch/ode"
)

// Trajectories are N trajectories in R^D at common times.
type Trajectories struct {
	T []float64    // rising
	X []flow.Batch // X[i] is [N, D], the states at T[i]
}

// Validate reports the first thing that does not fit.
func (tr Trajectories) Validate() error {
	if len(tr.T) == 0 || len(tr.X) != len(tr.T) {
		return fmt.Errorf("neuralode: %w: trajectories have %d times and %d batches of states; "+
			"there must be as many, and one at least", ErrInvalid, len(tr.T), len(tr.X))
	}
	if tr.X[0].N < 1 || tr.X[0].D < 1 {
		return fmt.Errorf("neuralode: %w: the states are [%d, %d]; there must be a point and a coordinate at least",
			ErrInvalid, tr.X[0].N, tr.X[0].D)
	}
	for i, x := range tr.X {
		if x.N != tr.X[0].N || x.D != tr.X[0].D || len(x.X) != x.N*x.D {
			return fmt.Errorf("neuralode: %w: the states at T[%d] are [%d, %d], those at T[0] are [%d, %d]",
				ErrInvalid, i, x.N, x.D, tr.X[0].N, tr.X[0].D)
		}
		if i > 0 && !(tr.T[i] > tr.T[i-1]) {
			return fmt.Errorf("neuralode: %w: times must rise, but T[%d]=%g comes after %g", ErrInvalid, i, tr.T[i],
				tr.T[i-1])
		}
	}
	return nil
}

// Times returns n times at equal distances, t0 and t1 included; of fewer than 2 there are
// none.
func Times(t0, t1 float64, n int) []float64 {
	if n < 2 {
		return nil
	}
	ts := make([]float64, n)
	for i := range ts {
		ts[i] = t0 + (t1-t0)*float64(i)/float64(n-1)
	}
	ts[n-1] = t1
	return ts
}

// like reports trajectories that are not as many, at as many times, as others.
func (tr Trajectories) like(other Trajectories) error {
	if len(tr.X) != len(other.X) {
		return fmt.Errorf("neuralode: %w: trajectories at %d times beside others at %d", ErrInvalid, len(tr.X),
			len(other.X))
	}
	for i, x := range tr.X {
		if o := other.X[i]; x.N != o.N || x.D != o.D || len(x.X) != len(o.X) {
			return fmt.Errorf("neuralode: %w: states [%d, %d] beside others [%d, %d] at time %d", ErrInvalid, x.N, x.D,
				o.N, o.D, i)
		}
	}
	return nil
}

// RMSE returns the root mean square of the differences of all coordinates at all
// times but the first, where solutions start together. It is NaN where the others are not
// as many, or at other times.
func (tr Trajectories) RMSE(other Trajectories) float64 {
	if tr.like(other) != nil {
		return math.NaN()
	}
	sum, n := 0.0, 0
	for i := 1; i < len(tr.X); i++ {
		for j, v := range tr.X[i].X {
			d := v - other.X[i].X[j]
			sum += d * d
			n++
		}
	}
	return math.Sqrt(sum / float64(max(n, 1)))
}

// Simulate solves x' = f(t, x) from x0 at ts[0] and returns the states at ts; f is
// asked at the times as they are.
func Simulate(ctx context.Context, s ode.Solver, f flow.Field, x0 flow.Batch, ts []float64) (Trajectories, error) {
	switch {
	case absent.Is(f):
		return Trajectories{}, fmt.Errorf("neuralode: %w: the field to simulate is nil", ErrInvalid)
	case f.Dim() < 1 || x0.D != f.Dim() || len(x0.X) != x0.N*x0.D:
		return Trajectories{}, fmt.Errorf("neuralode: %w: x0 is [%d, %d] with %d numbers; the field takes points of "+
			"dimension %d, which must be at least 1", ErrInvalid, x0.N, x0.D, len(x0.X), f.Dim())
	}
	tr := Trajectories{T: slices.Clone(ts)}
	_, err := s.SolveVia(ctx, f.Velocity, slices.Clone(x0.X), ts, func(_ int, x []float64) error {
		tr.X = append(tr.X, flow.Batch{N: x0.N, D: x0.D, X: slices.Clone(x)})
		return nil
	})
	if err != nil {
		return Trajectories{}, fmt.Errorf("neuralode: simulating: %w", err)
	}
	return tr, nil
}

// every returns every n-th time, the first included.
func (tr Trajectories) every(n int) Trajectories {
	var out Trajectories
	for i := 0; i < len(tr.T); i += n {
		out.T, out.X = append(out.T, tr.T[i]), append(out.X, tr.X[i])
	}
	return out
}

// uniform reports whether neighbouring times are at equal distances, but for rounding.
func (tr Trajectories) uniform() bool {
	n := len(tr.T) - 1
	for i, t := range tr.T {
		want := tr.T[0] + (tr.T[n]-tr.T[0])*float64(i)/float64(max(n, 1))
		if math.Abs(t-want) > 1e-6*(tr.T[n]-tr.T[0])/float64(max(n, 1)) {
			return false
		}
	}
	return true
}

// Segments draws n pieces of length times, with replacement. For an autonomous field
// each begins anywhere, as in the demonstration of Chen et al., for its own time does
// not matter: the times of the pieces are T[0], ..., T[length-1], and T must be at
// equal distances. Else all begin at one drawn time. length is from 1 to len(T).
func (tr Trajectories) Segments(rng *rand.Rand, n, length int, autonomous bool) (Trajectories, error) {
	if err := tr.Validate(); err != nil {
		return Trajectories{}, err
	}
	starts := len(tr.T) - length + 1
	if rng == nil || n < 1 || length < 1 || starts < 1 {
		return Trajectories{}, fmt.Errorf("neuralode: %w: %d segments of %d times from trajectories of %d: there must "+
			"be one at least, of 1 to %d times, and a generator", ErrInvalid, n, length, len(tr.T), len(tr.T))
	}
	common := rng.IntN(starts)
	out := Trajectories{T: tr.T[common : common+length]}
	if autonomous {
		out.T = tr.T[:length]
	}
	for range length {
		out.X = append(out.X, flow.NewBatch(n, tr.X[0].D))
	}
	for k := range n {
		row, from := rng.IntN(tr.X[0].N), common
		if autonomous {
			from = rng.IntN(starts)
		}
		for i := range length {
			copy(out.X[i].Row(k), tr.X[from+i].Row(row))
		}
	}
	return out, nil
}

// System is an autonomous system with a formula, to learn from.
type System struct {
	Name  string
	Start []float64 // x(0)
	End   float64   // the time to solve to
	F     func(dx, x []float64)
}

var _ flow.Field = System{}

// Dim returns D.
func (s System) Dim() int { return len(s.Start) }

// Velocity writes F(x) of each point into v; t has no part in it.
func (s System) Velocity(v []float64, _ float64, x []float64) error {
	d := s.Dim()
	if s.F == nil || d == 0 || len(x)%d != 0 || len(v) != len(x) {
		return fmt.Errorf("neuralode: %w: %d numbers of a system %q of dimension %d: it needs a Start, an F, and "+
			"whole points", ErrInvalid, len(x), s.Name, d)
	}
	for i := 0; i < len(x); i += d {
		s.F(v[i:i+d], x[i:i+d])
	}
	return nil
}

// Spiral is the example of Chen et al.'s demonstration: x' = A x³ (cubes by
// coordinate), A = [[-0.1, 2], [-2, -0.1]], from (2, 0) to t=25.
func Spiral() System {
	return System{Name: "spiral", Start: []float64{2, 0}, End: 25, F: func(dx, x []float64) {
		u, v := x[0]*x[0]*x[0], x[1]*x[1]*x[1]
		dx[0], dx[1] = -0.1*u+2*v, -2*u-0.1*v
	}}
}

// LotkaVolterra is predators and prey, x' = 1.5x - xy, y' = xy - 3y, from (1, 1) to
// t=10: closed orbits.
func LotkaVolterra() System {
	return System{Name: "lotka-volterra", Start: []float64{1, 1}, End: 10, F: func(dx, x []float64) {
		dx[0], dx[1] = 1.5*x[0]-x[0]*x[1], x[0]*x[1]-3*x[1]
	}}
}

// Pendulum is a damped pendulum, x = (φ, dφ/dt): d²φ/dt² = -2 sin φ - 0.15 dφ/dt, from
// (2.5, 0) to t=20.
func Pendulum() System {
	return System{Name: "pendulum", Start: []float64{2.5, 0}, End: 20, F: func(dx, x []float64) {
		dx[0], dx[1] = x[1], -2*math.Sin(x[0])-0.15*x[1]
	}}
}
