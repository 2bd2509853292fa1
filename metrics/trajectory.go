package metrics

import (
	"fmt"
	"math"

	"flowmatch/flow"
)

// Trajectories returns two means over the trajectories of f that start from the
// points x0, [N, D], at t=0. The energy is the kinetic energy along them,
//
//	PE = ∫_0^1 E |v_t(x_t)|² dt,   dx/dt = v_t(x), x_0 given,
//
// at least W_2² between the law of x_0 and that of x_1 by Benamou and Brenier; see
// [NPE]. The straightness is how far trajectories are from straight lines run at
// constant speed (Liu et al. 2209.03003, rectified flow),
//
//	S = ∫_0^1 E |(x_1 − x_0) − v_t(x_t)|² dt,
//
// zero if and only if the velocity is constant along every trajectory, and then one
// Euler step is exact. Both are in squared units of the points.
//
// They are taken along Euler's method with so many equal steps, the protocol of
// Tong et al. (2302.00482, 100 steps): the velocity is evaluated at t = k/steps,
// k < steps, so never at t=1, and x_1 is the end of the last step. x0 is not changed,
// and all points are evaluated together, in order, so f may be bound to their
// labels.
func Trajectories(f flow.Field, x0 flow.Batch, steps int) (energy, straightness float64, err error) {
	// Of Euler's method x_1 − x_0 is the mean of the velocities, so S is their
	// variance, summed as by Welford: one pass, nothing stored, no cancellation.
	average := make([]float64, len(x0.X))
	squares, spread := 0.0, 0.0
	err = euler(f, x0, steps, func(k int, v []float64) {
		for i, u := range v {
			squares += u * u
			before := u - average[i]
			average[i] += before / float64(k+1)
			spread += before * (u - average[i])
		}
	})
	n := float64(x0.N) * float64(steps)
	return squares / n, spread / n, err
}

// NPE returns the normalised path energy |PE − W_2²| / W_2² of Tong et al., given
// the energy of [Trajectories] from x_0 and the [W2] between x_0 and the data: zero for a flow
// along optimal transport. It has no unit. w2 = 0 gives +Inf or NaN.
func NPE(pathEnergy, w2 float64) float64 {
	return math.Abs(pathEnergy-w2*w2) / (w2 * w2)
}

// euler follows f from x0 and shows the velocities of step k to visit.
func euler(f flow.Field, x0 flow.Batch, steps int, visit func(k int, v []float64)) error {
	if f.Dim() != x0.D || x0.N < 1 {
		return fmt.Errorf("metrics: trajectories of a field on R^%d from %d points of R^%d: %w: it wants at least one "+
			"point of the field's dimension", f.Dim(), x0.N, x0.D, ErrSize)
	}
	if err := whole("trajectories", "the batch of starts", x0); err != nil {
		return err
	}
	if steps < 1 {
		return fmt.Errorf("metrics: trajectories in %d steps: it wants at least 1; 100 are usual", steps)
	}
	x, v := x0.Clone(), make([]float64, len(x0.X))
	for k := range steps {
		t := float64(k) / float64(steps)
		if err := f.Velocity(v, t, x.X); err != nil {
			return fmt.Errorf("metrics: trajectories at t=%g, step %d of %d: %w", t, k, steps, err)
		}
		for i, u := range v {
			if math.IsNaN(u) || math.IsInf(u, 0) {
				return fmt.Errorf("metrics: trajectories: the velocity of point %d is %g at t=%g, step %d of %d",
					i/x.D, u, t, k, steps)
			}
			x.X[i] += u / float64(steps)
		}
		visit(k, v)
	}
	return nil
}
