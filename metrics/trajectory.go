package metrics

import (
	"fmt"
	"math"

	"flowmatch/flow"
)

// PathEnergy returns the mean kinetic energy of the trajectories of f that start
// from the points x0, [N, D], at t=0:
//
//	PE = ∫_0^1 E |v_t(x_t)|² dt,   dx/dt = v_t(x), x_0 given,
//
// by Euler's method with so many equal steps, the protocol of Tong et al.
// (2302.00482, 100 steps): the velocity is evaluated at t = k/steps, k < steps, so
// never at t=1. In squared units of the points. By Benamou and Brenier PE is at
// least W_2² between the law of x_0 and that of x_1; see [NPE]. x0 is not changed,
// and all points are evaluated together, in order, so f may be bound to their
// labels.
func PathEnergy(f flow.Field, x0 flow.Batch, steps int) (float64, error) {
	energy := 0.0
	err := euler("PathEnergy", f, x0, steps, func(_ int, v []float64) {
		square := 0.0
		for _, u := range v {
			square += u * u
		}
		energy += square / float64(x0.N) / float64(steps)
	})
	return energy, err
}

// NPE returns the normalised path energy |PE − W_2²| / W_2² of Tong et al., given
// the [PathEnergy] from x_0 and the [W2] between x_0 and the data: zero for a flow
// along optimal transport. It has no unit. w2 = 0 gives +Inf or NaN.
func NPE(pathEnergy, w2 float64) float64 {
	return math.Abs(pathEnergy-w2*w2) / (w2 * w2)
}

// Straightness returns how far the trajectories of f from the points x0, [N, D],
// are from straight lines run at constant speed (Liu et al. 2209.03003, rectified
// flow):
//
//	S = ∫_0^1 E |(x_1 − x_0) − v_t(x_t)|² dt
//
// by Euler's method as in [PathEnergy], x_1 being its end. In squared units of the
// points; zero if and only if the velocity is constant along every trajectory, and
// then one Euler step is exact.
func Straightness(f flow.Field, x0 flow.Batch, steps int) (float64, error) {
	// Of Euler's method x_1 − x_0 is the mean of the velocities, so S is their
	// variance, summed as by Welford: one pass, nothing stored, no cancellation.
	average := make([]float64, len(x0.X))
	sum := 0.0
	err := euler("Straightness", f, x0, steps, func(k int, v []float64) {
		for i, u := range v {
			before := u - average[i]
			average[i] += before / float64(k+1)
			sum += before * (u - average[i])
		}
	})
	return sum / float64(x0.N) / float64(steps), err
}

// euler follows f from x0 and shows the velocities of step k to visit.
func euler(name string, f flow.Field, x0 flow.Batch, steps int, visit func(k int, v []float64)) error {
	if f.Dim() != x0.D || x0.N < 1 {
		return fmt.Errorf("metrics: %s of a field on R^%d from %d points of R^%d: %w: it wants at least one point of the field's dimension", name, f.Dim(), x0.N, x0.D, ErrSize)
	}
	if steps < 1 {
		return fmt.Errorf("metrics: %s in %d steps: it wants at least 1; 100 are usual", name, steps)
	}
	x, v := x0.Clone(), make([]float64, len(x0.X))
	for k := range steps {
		t := float64(k) / float64(steps)
		if err := f.Velocity(v, t, x.X); err != nil {
			return fmt.Errorf("metrics: %s at t=%g, step %d of %d: %w", name, t, k, steps, err)
		}
		for i, u := range v {
			if math.IsNaN(u) || math.IsInf(u, 0) {
				return fmt.Errorf("metrics: %s: the velocity of point %d is %g at t=%g, step %d of %d", name, i/x.D, u, t, k, steps)
			}
			x.X[i] += u / float64(steps)
		}
		visit(k, v)
	}
	return nil
}
