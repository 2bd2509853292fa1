package field

import "flowmatch/flow"

// exact is what the exact fields of this package are.
type exact interface {
	flow.Differentiable
	flow.Diverger
}

// eachTime is an exact field of points with a time each, evaluated point by point.
type eachTime struct {
	exact
	ts []float64
}

// AtTimes implements [flow.Timed]. The points need not be known: the field is the same for
// all.
func (m *Mixture) AtTimes(_ []int, ts []float64) (flow.Field, error) { return eachTime{m, ts}, nil }

// timedMarginal is a Marginal of points with a time each, which share the passes over the data. Each point has the
// velocity that it has alone, bit for bit.
type timedMarginal struct {
	*Marginal
	ts []float64
}

// AtTimes implements [flow.Timed], as that of Mixture.
func (m *Marginal) AtTimes(_ []int, ts []float64) (flow.Field, error) {
	return timedMarginal{m, ts}, nil
}

// check reports points that are not as many as there are times.
func (f timedMarginal) check(x []float64) error {
	_, err := scalars("a field at times of the points", f.Dim(), x, f.ts)
	return err
}

// Velocity implements [flow.Field].
func (f timedMarginal) Velocity(v []float64, _ float64, x []float64) error {
	if err := f.check(x); err != nil {
		return err
	}
	return f.velocity(v, x, f.ts...)
}

// VJP implements [flow.Differentiable].
func (f timedMarginal) VJP(v, g []float64, _ float64, x, e []float64) error {
	if err := f.check(x); err != nil {
		return err
	}
	return f.vjp(v, g, x, e, f.ts...)
}

// VelocityDiv implements [flow.Diverger].
func (f timedMarginal) VelocityDiv(v, div []float64, _ float64, x []float64) error {
	if err := f.check(x); err != nil {
		return err
	}
	return f.velocityDiv(v, div, x, f.ts...)
}

// each calls fn for every point, at its time, with the place of its row.
func (f eachTime) each(x []float64, fn func(t float64, k, from, to int) error) error {
	d := f.Dim()
	if _, err := scalars("a field at times of the points", d, x, f.ts); err != nil {
		return err
	}
	for k, t := range f.ts {
		if err := fn(t, k, k*d, (k+1)*d); err != nil {
			return err
		}
	}
	return nil
}

// Velocity implements [flow.Field].
func (f eachTime) Velocity(v []float64, _ float64, x []float64) error {
	return f.each(x, func(t float64, _, i, j int) error { return f.exact.Velocity(v[i:j], t, x[i:j]) })
}

// VJP implements [flow.Differentiable].
func (f eachTime) VJP(v, g []float64, _ float64, x, e []float64) error {
	return f.each(x, func(t float64, _, i, j int) error {
		return f.exact.VJP(v[i:j], g[i:j], t, x[i:j], e[i:j])
	})
}

// VelocityDiv implements [flow.Diverger].
func (f eachTime) VelocityDiv(v, div []float64, _ float64, x []float64) error {
	return f.each(x, func(t float64, k, i, j int) error {
		return f.exact.VelocityDiv(v[i:j], div[k:k+1], t, x[i:j])
	})
}
