package field

import (
	"math"
	"slices"

	"flowmatch/flow"
)

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
	// Interval, if not nil, are the first and the last time of guidance (Kynkäänniemi et al., arXiv
	// 2404.07724): outside the field is Conditional, and an evaluation is one of it.
	Interval *[2]float64
	// Rescale, from 0 to 1, is how much of the standard deviation over the coordinates of a point is
	// that of Conditional, which guidance makes larger (φ of Lin et al., arXiv 2305.08891, equations
	// 15 and 16).
	Rescale float64

	ts []float64 // of the rows, where each has its own
}

// Dim returns D.
func (g Guided) Dim() int { return g.Conditional.Dim() }

// At says whether there is guidance at time t.
func (g Guided) At(t float64) bool {
	return g.Interval == nil || g.Interval[0] <= t && t <= g.Interval[1]
}

// Cost returns how many evaluations of the fields one at time t is.
func (g Guided) Cost(t float64) int {
	if g.At(t) {
		return 2
	}
	return 1
}

// Velocity writes the guided velocity into v; see [flow.Field].
func (g Guided) Velocity(v []float64, t float64, x []float64) error {
	if err := g.Conditional.Velocity(v, t, x); err != nil || !g.somewhere(t) {
		return err
	}
	free := make([]float64, len(v))
	if err := g.Unconditional.Velocity(free, t, x); err != nil {
		return err
	}
	d := g.Dim()
	for i := 0; i < len(v); i += d {
		if g.ts == nil || g.At(g.ts[i/d]) {
			g.mix(v[i:i+d], free[i:i+d])
		}
	}
	return nil
}

// somewhere says whether any point is guided.
func (g Guided) somewhere(t float64) bool {
	if g.ts == nil {
		return g.At(t)
	}
	return slices.ContainsFunc(g.ts, g.At)
}

// mix makes the conditional velocity v of a point the guided one; free is the unconditional one.
func (g Guided) mix(v, free []float64) {
	if g.Rescale == 0 {
		for i, u := range free {
			v[i] = u + g.Scale*(v[i]-u)
		}
		return
	}
	was := deviation(v)
	for i, u := range free {
		v[i] = u + g.Scale*(v[i]-u)
	}
	factor := 1.0
	if is := deviation(v); is > 0 { // else there is nothing to make larger
		factor += g.Rescale * (was/is - 1)
	}
	for i := range v {
		v[i] *= factor
	}
}

// deviation returns the standard deviation of the numbers of v.
func deviation(v []float64) float64 {
	mean, sum := 0.0, 0.0
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		sum += (x - mean) * (x - mean)
	}
	return math.Sqrt(sum / float64(len(v)))
}

// AtTimes implements [flow.Timed], where both fields do.
func (g Guided) AtTimes(rows []int, ts []float64) (flow.Field, error) {
	var err error
	if g.Conditional, err = flow.AtTimes(g.Conditional, rows, ts); err != nil {
		return nil, err
	}
	g.Unconditional, err = flow.AtTimes(g.Unconditional, rows, ts)
	g.ts = ts
	return g, err
}
