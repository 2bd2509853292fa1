package path_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/flowtest"
	"flowmatch/internal/seed"
	"flowmatch/path"
)

// predictor is a perfect network of kind p: the target's conditional mean, as an
// affine function of the exact velocity, Jacobian included.
type predictor struct {
	*field.Mixture
	s path.Scheduler
	p path.Prediction
}

func (f predictor) VJP(v, g []float64, t float64, x, e []float64) error {
	err := f.Mixture.VJP(v, g, t, x, e)
	a, b := f.s.At(t).Convert(path.Velocity, f.p)
	for i := range v {
		v[i], g[i] = a*x[i]+b*v[i], a*e[i]+b*g[i]
	}
	return err
}

func (f predictor) VelocityDiv(v, div []float64, t float64, x []float64) error {
	err := f.Mixture.VelocityDiv(v, div, t, x)
	a, b := f.s.At(t).Convert(path.Velocity, f.p)
	for i := range v {
		v[i] = a*x[i] + b*v[i]
	}
	for i := range div {
		div[i] = a*float64(f.Dim()) + b*div[i]
	}
	return err
}

func (f predictor) Velocity(v []float64, t float64, x []float64) error {
	return f.VelocityDiv(v, make([]float64, len(x)/f.Dim()), t, x)
}

func TestAnyPredictionBecomesTheVelocity(t *testing.T) {
	const seedOf = 5
	for _, s := range flowtest.Schedules() {
		exact := flowtest.TwoModes(s)
		for p := path.Velocity; p <= path.Score; p++ {
			t.Run(fmt.Sprint(s.Name, " ", p), func(t *testing.T) {
				f := path.AsVelocity(predictor{exact, s, p}, s, p)
				lo, hi := path.Span(s, p)
				rng := seed.Rand(seedOf, "predictions", 0)
				for i := range 11 {
					at := lo + (hi-lo)*float64(i)/10
					if a, _ := s.At(at).Convert(path.Velocity, p); math.IsNaN(a) || math.IsInf(a, 0) {
						continue // the stand-in for a network cannot be made from a velocity here: t^N at 0
					}
					x := make([]float64, 8)
					path.Source(s).Sample(flow.Batch{N: 4, D: 2, X: x}, rng)
					compareFields(t, f, exact, at, x, 1e-8)
				}
			})
		}
	}
}

// compareFields compares velocity, VJP and divergence of two fields that have all.
func compareFields(t *testing.T, got, want flow.Field, at float64, x []float64, tol float64) {
	t.Helper()
	e := make([]float64, len(x))
	for i := range e {
		e[i] = math.Cos(float64(i))
	}
	v, w, g, h := make([]float64, len(x)), make([]float64, len(x)), make([]float64, len(x)), make([]float64, len(x))
	div, wantDiv := make([]float64, len(x)/got.Dim()), make([]float64, len(x)/got.Dim())
	for _, err := range []error{
		got.(flow.Differentiable).VJP(v, g, at, x, e), want.(flow.Differentiable).VJP(w, h, at, x, e),
		got.(flow.Diverger).VelocityDiv(v, div, at, x), want.(flow.Diverger).VelocityDiv(w, wantDiv, at, x),
		got.Velocity(v, at, x),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range v {
		within(t, fmt.Sprintf("velocity[%d] at t = %g", i, at), v[i], w[i], tol*(1+math.Abs(w[i])))
		within(t, fmt.Sprintf("VJP[%d] at t = %g", i, at), g[i], h[i], tol*(1+math.Abs(h[i])))
	}
	for i := range div {
		within(t, fmt.Sprintf("divergence[%d] at t = %g", i, at), div[i], wantDiv[i], tol*(1+math.Abs(wantDiv[i])))
	}
}

func TestAConversionThatDividesByZeroIsAnError(t *testing.T) {
	s := path.CondOT{}
	f := path.AsVelocity(flowtest.TwoModes(s), s, path.Data)
	x := make([]float64, 2)
	if err := f.Velocity(make([]float64, 2), 1, x); !errors.Is(err, path.ErrSingular) {
		t.Errorf("got error %v, want ErrSingular", err)
	}
}

// bare hides the upgrades of a field; vjpOnly and divOnly hide one.
type bare struct{ f flow.Field }

func (b bare) Dim() int                                           { return b.f.Dim() }
func (b bare) Velocity(v []float64, t float64, x []float64) error { return b.f.Velocity(v, t, x) }

type vjpOnly struct {
	bare
	d flow.Differentiable
}

func (o vjpOnly) VJP(v, g []float64, t float64, x, e []float64) error { return o.d.VJP(v, g, t, x, e) }

type divOnly struct {
	bare
	d flow.Diverger
}

func (o divOnly) VelocityDiv(v, div []float64, t float64, x []float64) error {
	return o.d.VelocityDiv(v, div, t, x)
}

func TestAWrappedFieldHasExactlyTheUpgradesOfItsField(t *testing.T) {
	s := path.VP{}
	m := flowtest.TwoModes(s)
	for _, c := range []struct {
		name     string
		f        flow.Field
		vjp, div bool
	}{
		{"neither", bare{m}, false, false},
		{"VJP", vjpOnly{bare{m}, m}, true, false},
		{"divergence", divOnly{bare{m}, m}, false, true},
		{"both", m, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			moved, err := path.Reschedule(c.f, s, path.CondOT{})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range []flow.Field{path.AsVelocity(c.f, s, path.Noise), moved} {
				if _, ok := f.(flow.Differentiable); ok != c.vjp {
					t.Errorf("%T: Differentiable is %v, want %v", f, ok, c.vjp)
				}
				if _, ok := f.(flow.Diverger); ok != c.div {
					t.Errorf("%T: Diverger is %v, want %v", f, ok, c.div)
				}
			}
			flowtest.TestField(t, path.AsVelocity(c.f, s, path.Noise), flowtest.FieldOptions{Hi: 0.99, Tol: 1e-5})
			flowtest.TestField(t, moved, flowtest.FieldOptions{Lo: 0.02, Hi: 0.99, Tol: 1e-5})
		})
	}
}

// The marginal field of any schedule must come out of that of any other.
func TestAChangeOfScheduleGivesTheOtherSchedulesExactField(t *testing.T) {
	const seedOf = 6
	for _, from := range flowtest.Schedules() {
		for _, to := range flowtest.Schedules() {
			t.Run(from.Name+" to "+to.Name, func(t *testing.T) {
				f, err := path.Reschedule(flowtest.TwoModes(from), from, to)
				if err != nil {
					t.Fatal(err)
				}
				want := flowtest.TwoModes(to)
				rng := seed.Rand(seedOf, "reschedule", 0)
				compared := 0
				for i := range 21 {
					lo, hi := to.Domain()
					r := lo + (hi-lo)*float64(i)/20
					if !reached(from, to.At(r)) {
						continue
					}
					compared++
					// Points where p_r lives: of its own standard deviation.
					x := make([]float64, 8)
					c := to.At(r)
					flow.Gaussian{Std: math.Hypot(c.Alpha, c.Sigma)}.Sample(flow.Batch{N: 4, D: 2, X: x}, rng)
					compareFields(t, f, want, r, x, 1e-6)
				}
				if compared < 5 {
					t.Errorf("only %d times could be compared", compared)
				}
			})
		}
	}
}

// reached says whether s has the signal to noise ratio of c, with room to spare.
func reached(s path.Scheduler, c path.Coef) bool {
	lo, hi := s.Domain()
	a, b := s.At(lo), s.At(hi)
	angle := math.Atan2(c.Alpha, c.Sigma)
	return angle >= math.Atan2(a.Alpha, a.Sigma) && angle <= math.Atan2(b.Alpha, b.Sigma)
}

func TestASchedulesOwnFieldIsUnchangedByReschedulingToItself(t *testing.T) {
	s := path.Cosine{}
	f, err := path.Reschedule(flowtest.TwoModes(s), s, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []float64{0, 1e-3, 0.3, 0.7, 1} {
		compareFields(t, f, flowtest.TwoModes(s), at, []float64{0.1, -0.2, 1, 2}, 1e-7)
	}
}

func TestReschedulingByABrokenScheduleIsAnError(t *testing.T) {
	broken := path.Func{Fn: func(t float64) path.Coef { return path.Coef{Alpha: t, Sigma: 1 - t} }}
	for _, pair := range [][2]path.Scheduler{{broken, path.CondOT{}}, {path.CondOT{}, broken}} {
		_, err := path.Reschedule(flowtest.TwoModes(path.CondOT{}), pair[0], pair[1])
		if !errors.Is(err, path.ErrSchedule) {
			t.Errorf("got error %v, want ErrSchedule", err)
		}
	}
}
