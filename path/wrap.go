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

// Dim returns the dimension of the points.
func (w *affine) Dim() int { return w.f.Dim() }

// Velocity writes a x + b f_t(x/scale) into v.
func (w *affine) Velocity(v []float64, t float64, x []float64) error {
	c, err := w.at(t)
	if err != nil {
		return err
	}
	if err := w.f.Velocity(v, c.t, c.input(x)); err != nil {
		return err
	}
	c.output(v, x)
	return nil
}

// VJP writes the velocity and a e + (b/scale) eᵀ ∂f/∂x.
func (w affineVJP) VJP(v, g []float64, t float64, x, e []float64) error {
	c, err := w.at(t)
	if err != nil {
		return err
	}
	if err := w.f.(flow.Differentiable).VJP(v, g, c.t, c.input(x), e); err != nil {
		return err
	}
	c.output(v, x)
	for i := range g {
		g[i] = c.a*e[i] + c.b/c.scale*g[i]
	}
	return nil
}

// VelocityDiv writes the velocity and a D + (b/scale) ∇·f.
func (w affineDiv) VelocityDiv(v, div []float64, t float64, x []float64) error {
	c, err := w.at(t)
	if err != nil {
		return err
	}
	if err := w.f.(flow.Diverger).VelocityDiv(v, div, c.t, c.input(x)); err != nil {
		return err
	}
	c.output(v, x)
	for i := range div {
		div[i] = c.a*float64(w.Dim()) + c.b/c.scale*div[i]
	}
	return nil
}

func (c affineCoef) input(x []float64) []float64 {
	if c.scale == 1 {
		return x
	}
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = v / c.scale
	}
	return y
}

func (c affineCoef) output(v, x []float64) {
	for i := range v {
		v[i] = c.a*x[i] + c.b*v[i]
	}
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
