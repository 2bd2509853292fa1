package path

import (
	"errors"
	"fmt"
	"math"

	"flowmatch/flow"
	"flowmatch/internal/absent"
)

// ErrSingular is wrapped by the fields of [AsVelocity] and [Reschedule] when they
// are asked for a time at which their conversion divides by zero.
var ErrSingular = errors.New("path: singular conversion")

// AsVelocity turns a field f that predicts p (a network trained on data, noise or
// score) into the velocity field of the path s,
//
//	v_t(x) = a x + b f_t(x)    with a, b = s.At(t).Convert(p, Velocity)
//
// It is Differentiable or a Diverger when f is: its Jacobian is a I + b ∂f/∂x.
// Use it on [Span](s, p); elsewhere it may return [ErrSingular]. With a nil f or s, or a p
// that is no prediction, every evaluation is an error.
func AsVelocity(f flow.Field, s Scheduler, p Prediction) flow.Field {
	if p == Velocity && !absent.Is(f) {
		return f
	}
	_, fault := ParsePrediction(p.String())
	if fault == nil {
		fault = usable(s)
	}
	if absent.Is(f) {
		f, fault = noField{}, errors.New("path: AsVelocity: the field is nil")
	}
	return wrap(&affine{f: f, at: func(t float64) (affineCoef, error) {
		if fault != nil {
			return affineCoef{}, fault
		}
		c := s.At(t)
		a, b := c.Convert(p, Velocity)
		if !finite(a) || !finite(b) {
			return affineCoef{}, fmt.Errorf("%w of %v at t = %g (alpha %g, sigma %g): keep t in path.Span",
				ErrSingular, p, t, c.Alpha, c.Sigma)
		}
		return affineCoef{t: t, scale: 1, a: a, b: b}, nil
	}})
}

// noField stands for a field that is not there.
type noField struct{}

func (noField) Dim() int                                     { return 0 }
func (noField) Velocity([]float64, float64, []float64) error { return nil }

// affineCoef are the numbers of a wrapped field at one time r:
//
//	v̄_r(x) = a x + b f_t(x/scale)
type affineCoef struct{ t, scale, a, b float64 }

// affine is a field that is an affine function of another one, with the
// coefficients depending on time only.
type affine struct {
	f  flow.Field
	at func(r float64) (affineCoef, error)

	// Of points with a time each, [N]; nil: all have that of the evaluation.
	times []float64
	inner []float64 // those of f
}

// The upgrades are separate types, so that the wrapped field has exactly those
// that f has: a type switch on it must not find a method that cannot work.
type (
	affineVJP  struct{ *affine }
	affineDiv  struct{ *affine }
	affineBoth struct {
		*affine
		affineVJP
		affineDiv
	}
)

func wrap(w *affine) flow.Field {
	_, vjp := w.f.(flow.Differentiable)
	_, div := w.f.(flow.Diverger)
	switch {
	case vjp && div:
		return affineBoth{w, affineVJP{w}, affineDiv{w}}
	case vjp:
		return affineVJP{w}
	case div:
		return affineDiv{w}
	}
	return w
}

// AtTimes implements [flow.Timed], where f does.
func (w *affine) AtTimes(rows []int, ts []float64) (flow.Field, error) {
	inner := make([]float64, len(ts))
	f, err := flow.AtTimes(w.f, rows, inner)
	if err != nil {
		return nil, err
	}
	return wrap(&affine{f: f, at: w.at, times: ts, inner: inner}), nil
}

// Dim returns the dimension of the points.
func (w *affine) Dim() int { return w.f.Dim() }

// Velocity writes a x + b f_t(x/scale) into v.
func (w *affine) Velocity(v []float64, t float64, x []float64) error {
	c, err := w.coefs(t, x)
	if err != nil {
		return err
	}
	if err := w.f.Velocity(v, c[0].t, c.input(x)); err != nil {
		return err
	}
	c.output(v, x)
	return nil
}

// VJP writes the velocity and a e + (b/scale) eᵀ ∂f/∂x.
func (w affineVJP) VJP(v, g []float64, t float64, x, e []float64) error {
	c, err := w.coefs(t, x)
	if err != nil {
		return err
	}
	if err := w.f.(flow.Differentiable).VJP(v, g, c[0].t, c.input(x), e); err != nil {
		return err
	}
	c.output(v, x)
	c.each(len(g), func(k affineCoef, i, j int) {
		for ; i < j; i++ {
			g[i] = k.a*e[i] + k.b/k.scale*g[i]
		}
	})
	return nil
}

// VelocityDiv writes the velocity and a D + (b/scale) ∇·f.
func (w affineDiv) VelocityDiv(v, div []float64, t float64, x []float64) error {
	c, err := w.coefs(t, x)
	if err != nil {
		return err
	}
	if err := w.f.(flow.Diverger).VelocityDiv(v, div, c[0].t, c.input(x)); err != nil {
		return err
	}
	c.output(v, x)
	c.each(len(div), func(k affineCoef, i, j int) {
		for ; i < j; i++ {
			div[i] = k.a*float64(w.Dim()) + k.b/k.scale*div[i]
		}
	})
	return nil
}

// affineCoefs are those of points: one for all, or one for each.
type affineCoefs []affineCoef

// coefs returns the coefficients of points x at time t, or at times of their own.
func (w *affine) coefs(t float64, x []float64) (affineCoefs, error) {
	if w.times == nil {
		c, err := w.at(t)
		return affineCoefs{c}, err
	}
	if n := len(w.times); n == 0 || len(x) != n*w.Dim() {
		return nil, fmt.Errorf("path: %d numbers for points of dimension %d, of which %d have a time",
			len(x), w.Dim(), n)
	}
	cs := make(affineCoefs, len(w.times))
	for k, r := range w.times {
		var err error
		if cs[k], err = w.at(r); err != nil {
			return nil, err
		}
		w.inner[k] = cs[k].t
	}
	return cs, nil
}

// each calls fn with the coefficients of numbers i to j of an array of n, as many for each
// point.
func (c affineCoefs) each(n int, fn func(k affineCoef, i, j int)) {
	for p, k := range c {
		fn(k, p*n/len(c), (p+1)*n/len(c))
	}
}

func (c affineCoefs) input(x []float64) []float64 {
	if len(c) == 1 && c[0].scale == 1 {
		return x
	}
	y := make([]float64, len(x))
	c.each(len(x), func(k affineCoef, i, j int) {
		for ; i < j; i++ {
			y[i] = x[i] / k.scale
		}
	})
	return y
}

func (c affineCoefs) output(v, x []float64) {
	c.each(len(v), func(k affineCoef, i, j int) {
		for ; i < j; i++ {
			v[i] = k.a*x[i] + k.b*v[i]
		}
	})
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
