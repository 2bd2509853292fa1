package field

import "flowmatch/flow"

// Guided is classifier-free guidance (Ho and Salimans 2022) of a velocity:
//
//	v = v(x|∅) + Scale (v(x|y) − v(x|∅))
//
// Scale 1 is the conditional field, 0 the unconditional one, and more pushes samples
// towards what marks the class; they then follow no path of densities any more that
// the training knew. Every evaluation is one of each field: two of the network.
//
// The fields may be predictions of any kind, the same for both: the kinds are affine in
// each other, so mixing the predictions mixes the velocities and the scores alike, and
// sde.Sampler can sample a guided prediction.
type Guided struct {
	Conditional, Unconditional flow.Field
	Scale                      float64
}

// Dim returns D.
func (g Guided) Dim() int { return g.Conditional.Dim() }

// Velocity writes the guided velocity into v; see [flow.Field].
func (g Guided) Velocity(v []float64, t float64, x []float64) error {
	if err := g.Conditional.Velocity(v, t, x); err != nil {
		return err
	}
	free := make([]float64, len(v))
	if err := g.Unconditional.Velocity(free, t, x); err != nil {
		return err
	}
	for i, u := range free {
		v[i] = u + g.Scale*(v[i]-u)
	}
	return nil
}

// AtTimes implements [flow.Timed], where both fields do.
func (g Guided) AtTimes(rows []int, ts []float64) (flow.Field, error) {
	with, err := flow.AtTimes(g.Conditional, rows, ts)
	if err != nil {
		return nil, err
	}
	without, err := flow.AtTimes(g.Unconditional, rows, ts)
	return Guided{Conditional: with, Unconditional: without, Scale: g.Scale}, err
}
