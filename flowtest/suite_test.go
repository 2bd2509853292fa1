package flowtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/ode"
	"flowmatch/path"
)

var rotation = Linear{A: []float64{0.3, -1, 1.2, -0.5}, B: []float64{1, 2}}

func TestTheFieldSuiteAcceptsAFieldThatIsRight(t *testing.T) {
	TestField(t, rotation, FieldOptions{})
}

// broken is a right field with one method replaced by a wrong one.
type broken struct {
	Linear
	velocity func(v []float64, t float64, x []float64) error
	vjp      func(v, g []float64, t float64, x, e []float64) error
	div      func(v, div []float64, t float64, x []float64) error
}

func (b broken) Velocity(v []float64, t float64, x []float64) error {
	if b.velocity != nil {
		return b.velocity(v, t, x)
	}
	return b.Linear.Velocity(v, t, x)
}

func (b broken) VJP(v, g []float64, t float64, x, e []float64) error {
	if b.vjp != nil {
		return b.vjp(v, g, t, x, e)
	}
	return b.Linear.VJP(v, g, t, x, e)
}

func (b broken) VelocityDiv(v, div []float64, t float64, x []float64) error {
	if b.div != nil {
		return b.div(v, div, t, x)
	}
	return b.Linear.VelocityDiv(v, div, t, x)
}

func TestTheFieldSuiteFindsEveryKindOfFault(t *testing.T) {
	right := rotation
	for _, c := range []struct {
		name string
		f    broken
		want string
	}{
		{"a velocity that is not written",
			broken{velocity: func(v []float64, t float64, x []float64) error { return nil }},
			"element 0 is NaN"},
		{"an error for no points", broken{velocity: func(v []float64, t float64, x []float64) error {
			if len(x) == 0 {
				return errors.New("empty")
			}
			return right.Velocity(v, t, x)
		}}, "Velocity of no points: empty"},
		{"points that are changed", broken{velocity: func(v []float64, t float64, x []float64) error {
			err := right.Velocity(v, t, x)
			for i := range x {
				x[i]++
			}
			return err
		}}, "Velocity changed x"},
		{"points that see each other", broken{velocity: func(v []float64, t float64, x []float64) error {
			err := right.Velocity(v, t, x)
			for i := range v {
				v[i] += float64(len(x))
			}
			return err
		}}, "point alone"},
		{"the Jacobian and not its transpose", broken{vjp: func(v, g []float64, t float64, x, e []float64) error {
			return Linear{A: []float64{0.3, 1.2, -1, -0.5}, B: right.B}.VJP(v, g, t, x, e)
		}}, "velocity of VJP"},
		{"a transposed VJP beside the right velocity",
			broken{vjp: func(v, g []float64, t float64, x, e []float64) error {
				if err := (Linear{A: []float64{0.3, 1.2, -1, -0.5}, B: right.B}).VJP(v, g, t, x, e); err != nil {
					return err
				}
				return right.Velocity(v, t, x)
			}}, "VJP beside finite differences"},
		{"a divergence of the wrong sign", broken{div: func(v, div []float64, t float64, x []float64) error {
			err := right.VelocityDiv(v, div, t, x)
			for i := range div {
				div[i] = -div[i]
			}
			return err
		}}, "divergence beside finite differences"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.f.Linear = right
			if err := checkField(c.f, FieldOptions{Seed: 3}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one that says %q", err, c.want)
			}
		})
	}
}

// scaled is v = θ x, a field with one parameter, and with a fault that can be chosen.
type scaled struct {
	Linear
	fault string
}

func (s scaled) NumParams() int { return 1 }

func (s scaled) VJPParams(v, gx, gtheta []float64, t float64, x, a []float64) error {
	if s.fault == "writes" {
		clear(gx)
	}
	theta := s.A[0]
	for i := range x {
		gx[i] += theta * a[i]
		gtheta[0] += a[i] * x[i]
	}
	if s.fault == "velocity" {
		return nil
	}
	return s.Velocity(v, t, x)
}

func (s scaled) VJPAug(gx, gtheta []float64, t float64, x []float64, a flow.Adjoint) error {
	if err := s.VJPParams(make([]float64, len(x)), gx, gtheta, t, x, a.Velocity); err != nil {
		return err
	}
	if s.fault == "theta" {
		gtheta[0]++
	}
	for _, l := range a.Div {
		gtheta[0] += 2 * l
	}
	return nil
}

func TestTheFieldSuiteLooksAtParameters(t *testing.T) {
	for fault, want := range map[string]string{
		"": "", "writes": "gx of VJPParams", "velocity": "velocity of VJPParams", "theta": "gtheta of VJPAug",
	} {
		err := checkField(scaled{Linear{A: []float64{0.7, 0, 0, 0.7}, B: []float64{0, 0}}, fault}, FieldOptions{})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("fault %q: got error %v, want %q", fault, err, want)
		}
	}
}

func TestTheSchedulerSuiteFindsAFault(t *testing.T) {
	wrong := path.Func{Fn: func(t float64) path.Coef {
		return path.Coef{Alpha: t, Sigma: 1 - t, DAlpha: 1, DSigma: -0.9}
	}}
	if err := checkScheduler(wrong); !errors.Is(err, path.ErrSchedule) {
		t.Errorf("got error %v, want path.ErrSchedule", err)
	}
	if err := checkTheorem3(wrong, 0.5, 1, 0); err == nil || !strings.Contains(err.Error(), "numerically") {
		t.Errorf("Theorem 3: got error %v, want one that compares with the numeric derivative", err)
	}
}

func TestTheLinearFieldsFlowIsWhatASolverFinds(t *testing.T) {
	x := []float64{0.3, -1, 2, 0.5}
	want := append([]float64(nil), x...)
	rotation.Flow(want, 1.3)
	if _, err := (ode.Solver{Method: ode.RK4, Control: ode.Fixed(400)}).
		Solve(context.Background(), rotation.Velocity, x, 0, 1.3); err != nil {
		t.Fatal(err)
	}
	for i := range x {
		if math.Abs(x[i]-want[i]) > 1e-9 { // RK4's own error at h = 0.003 is 1e-11
			t.Errorf("element %d: solver %.12g, closed form %.12g", i, x[i], want[i])
		}
	}
}

func TestTheGaussiansMapUndoesItself(t *testing.T) {
	for _, s := range Schedules() {
		_, phi := Gaussian(s, []float64{1, -2}, 0.5)
		x := []float64{0.3, 0.7}
		lo, hi := s.Domain()
		phi(x, lo, hi)
		phi(x, hi, lo)
		if math.Abs(x[0]-0.3)+math.Abs(x[1]-0.7) > 1e-11*50 { // VE widens and narrows by a factor of 100
			t.Errorf("%s: there and back gives %v, want [0.3 0.7]", s.Name, x)
		}
	}
}

func Example() {
	// A density carried by v(x) = A x + b for a time 2 changes by exactly −2 tr A.
	f := Linear{A: []float64{0.5, 1, 0, -0.25}, B: []float64{0, 1}}
	x := []float64{0, 0}
	f.Flow(x, 2)
	fmt.Printf("x = %.4f, change of log density %g\n", x, -2*f.Trace())
	// Output: x = [2.4836 1.5739], change of log density -0.5
}

var (
	_ flow.Differentiable = Linear{}
	_ flow.Diverger       = Linear{}
)
