package ode

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
)

// pendulum is a damped, driven pendulum with parameters θ = (length, damping, drive).
type pendulum struct {
	theta [3]float64
	grad  [3]float64 // gathered by vjp
}

func (p *pendulum) f(dx []float64, t float64, x []float64) error {
	dx[0] = x[1]
	dx[1] = -p.theta[0]*math.Sin(x[0]) - p.theta[1]*x[1] + p.theta[2]*math.Cos(3*t)
	return nil
}

func (p *pendulum) vjp(gx []float64, t float64, x, a []float64) error {
	gx[0] = -a[1] * p.theta[0] * math.Cos(x[0])
	gx[1] = a[0] - a[1]*p.theta[1]
	p.grad[0] -= a[1] * math.Sin(x[0])
	p.grad[1] -= a[1] * x[1]
	p.grad[2] += a[1] * math.Cos(3*t)
	return nil
}

// loss is x_0² + sin x_1, a nonlinear function of the final state.
func loss(x []float64) float64 { return x[0]*x[0] + math.Sin(x[1]) }

func lossGrad(x []float64) []float64 { return []float64{2 * x[0], math.Cos(x[1])} }

func TestBackpropIsTheGradientOfTheDiscreteSolution(t *testing.T) {
	theta, x0 := [3]float64{1.3, 0.2, 0.7}, []float64{0.9, -0.4}
	for _, m := range methods() {
		for _, c := range []struct {
			name   string
			ctl    Control
			t0, t1 float64
		}{
			// Few, long steps: far from the exact solution, so that only the gradient of
			// the discrete one can agree.
			{"five long steps", Fixed(5), 0, 2},
			{"an uneven grid, backward", Grid{2, 1.9, 1, 0.75, 0}, 2, 0},
			{"adaptive", Adaptive{RTol: 1e-2, ATol: 1e-2}, 0, 2},
		} {
			if _, ok := c.ctl.(Adaptive); ok && m.BErr == nil {
				continue
			}
			x := slices.Clone(x0)
			p := &pendulum{theta: theta}
			tape, st, err := Solver{Method: m, Control: c.ctl}.Record(context.Background(), p.f, x, c.t0, c.t1)
			if err != nil || tape.Steps() != st.Accepted {
				t.Fatalf("%s: %d steps taped of %d, %v", m.Name, tape.Steps(), st.Accepted, err)
			}
			// For finite differences the steps must not move: replay them as a grid.
			replay := Solver{Method: m, Control: Grid(tape.ts)}
			value := func(theta [3]float64, x0 []float64) float64 {
				x := slices.Clone(x0)
				q := &pendulum{theta: theta}
				if _, err := replay.Solve(context.Background(), q.f, x, c.t0, c.t1); err != nil {
					t.Fatal(err)
				}
				return loss(x)
			}
			a := lossGrad(x)
			back, err := tape.Backprop(context.Background(), p.f, p.vjp, a)
			if err != nil || back.Accepted != st.Accepted || back.LastT != c.t0 {
				t.Fatalf("%s, %s: Backprop %+v, %v", m.Name, c.name, back, err)
			}
			const h = 1e-5 // central differences: error h² ≈ 1e-10 and 1e-16/h ≈ 1e-11
			check := func(what string, i int, got, plus, minus float64) {
				if want := (plus - minus) / (2 * h); math.Abs(got-want) > 2e-9*(1+math.Abs(want)) {
					t.Errorf("%s, %s: ∂L/∂%s[%d] got %.12g, want %.12g within 2e-9", m.Name, c.name, what, i, got, want)
				}
			}
			for i := range x0 {
				up, down := slices.Clone(x0), slices.Clone(x0)
				up[i] += h
				down[i] -= h
				check("x0", i, a[i], value(theta, up), value(theta, down))
			}
			for i := range theta {
				up, down := theta, theta
				up[i] += h
				down[i] -= h
				check("θ", i, p.grad[i], value(up, x0), value(down, x0))
			}
		}
	}
}

func TestBackpropCountsItsEvaluations(t *testing.T) {
	for _, m := range methods() {
		p := &pendulum{theta: [3]float64{1, 1, 1}}
		tape, _, err := Solver{Method: m, Control: Fixed(7)}.Record(context.Background(), p.f, []float64{1, 0}, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		nf, nv := 0, 0
		f := func(dx []float64, tt float64, x []float64) error { nf++; return p.f(dx, tt, x) }
		vjp := func(gx []float64, tt float64, x, a []float64) error { nv++; return p.vjp(gx, tt, x, a) }
		st, err := tape.Backprop(context.Background(), f, vjp, []float64{1, 1})
		if err != nil || st.NFE != nf || st.VJPs != nv {
			t.Errorf("%s: NFE %d of %d, VJPs %d of %d, %v", m.Name, st.NFE, nf, st.VJPs, nv, err)
		}
		stages := m.Stages()
		if m.fsal() {
			stages-- // the last stage has no part in this step's solution
		}
		switch m {
		case Euler, Midpoint, Heun2, RK4, Bosh3: // every stage feeds a later one
			if nv != 7*stages || nf != 7*(stages-1) {
				t.Errorf("%s: %d evaluations and %d VJPs in 7 steps, want %d and %d", m.Name, nf, nv,
					7*(stages-1), 7*stages)
			}
		default:
			if nv > 7*stages || nv < 7*(stages-2) {
				t.Errorf("%s: %d VJPs in 7 steps of %d stages", m.Name, nv, stages)
			}
		}
	}
}

func TestBackpropStopsOnCancellationAndErrors(t *testing.T) {
	p := &pendulum{theta: [3]float64{1, 1, 1}}
	tape, _, err := Solver{Method: RK4, Control: Fixed(7)}.Record(context.Background(), p.f, []float64{1, 0}, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if st, err := tape.Backprop(ctx, p.f, p.vjp, []float64{1}); !errors.Is(err, ErrInvalid) || st.NFE != 0 {
		t.Errorf("a gradient of another length than the state: got %+v, %v, want ErrInvalid", st, err)
	}
	if _, err := tape.Backprop(ctx, p.f, p.vjp, []float64{1, 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	broken := errors.New("broken")
	fail := func([]float64, float64, []float64, []float64) error { return broken }
	if st, err := tape.Backprop(context.Background(), p.f, fail, []float64{1, 1}); !errors.Is(err, broken) ||
		st.LastT != 1 {
		t.Errorf("vjp fails: got %v at t=%g", err, st.LastT)
	}
}

func TestTheTapeOfNoStepsHasTheIdentityAsGradient(t *testing.T) {
	p := &pendulum{}
	tape, _, err := Solver{Method: RK4, Control: Fixed(7)}.Record(context.Background(), p.f, []float64{1, 0}, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	a := []float64{3, 4}
	if st, err := tape.Backprop(context.Background(), p.f, p.vjp, a); err != nil || st.NFE+st.VJPs != 0 || a[0] != 3 ||
		a[1] != 4 {
		t.Errorf("got a=%v, %+v, %v", a, st, err)
	}
}

// Steps that become too many to keep end the solve, before memory does.
func TestATapeKeepsNoMoreThanItMay(t *testing.T) {
	p := &pendulum{theta: [3]float64{1.3, 0.2, 0.7}}
	s := Solver{Method: Dopri5, Control: Fixed(10), MaxTape: 10 * 2 * 8}
	if tape, _, err := s.Record(t.Context(), p.f, []float64{0.9, -0.4}, 0, 2); err != nil || tape.Steps() != 10 {
		t.Errorf("as many as there may be: %v", err)
	}
	s.Control = Adaptive{RTol: 1e-12, ATol: 1e-12}
	tape, _, err := s.Record(t.Context(), p.f, []float64{0.9, -0.4}, 0, 2)
	if !errors.Is(err, ErrTape) || tape.Steps() != 10 {
		t.Errorf("more: %v after %d steps", err, tape.Steps())
	}
}
