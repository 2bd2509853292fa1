package model

import (
	"context"
	"errors"
	"math"
	"testing"

	"flowmatch/data"
	"flowmatch/data/schema"
	"flowmatch/flow"
	"flowmatch/ode"
	"flowmatch/path"
)

// spread are the units of the tests below.
var spread = &data.Standardizer{Mean: []float64{5, -1}, Std: []float64{2, 0.5}}

// TestVelocitiesAreThoseOfStates: in data units, by central differences, with and without guidance.
func TestVelocitiesAreThoseOfStates(t *testing.T) {
	const n, h = 8, 0.01
	half := 0.5
	for name, m := range conditional(t) {
		spec := m.Spec()
		spec.Standardizer = spread
		m, err := New(spec, m.Net())
		if err != nil {
			t.Fatal(err)
		}
		for _, scale := range []*float64{nil, &half} {
			if scale != nil && m.Spec().Net.Classes == 0 {
				continue
			}
			solver := ode.Solver{Method: ode.RK4, Control: ode.Fixed(50)}
			o := SampleOptions{Given: given(n), Sampler: ODE{Solver: solver, Guidance: scale}}
			var states []flow.Batch
			_, err := m.SampleStates(t.Context(), m.SourcePoints(n, 3), o, []float64{0, 0.4 - h, 0.4, 0.4 + h, 1},
				func(_ int, x flow.Batch) error {
					states = append(states, x)
					return nil
				})
			if err != nil {
				t.Fatal(err)
			}
			v, st, err := m.Velocity(t.Context(), states[2], 0.4, VelocityOptions{Given: o.Given, Guidance: scale})
			if err != nil {
				t.Fatal(err)
			}
			if guided := scale != nil; guided && st.NFE != 2 || !guided && st.NFE != 1 {
				t.Errorf("%s: %d evaluations (guided: %v)", name, st.NFE, guided)
			}
			for k, got := range v.X {
				want := (states[3].X[k] - states[1].X[k]) / (2 * h)
				if math.Abs(got-want) > 0.02*(1+math.Abs(want)) {
					t.Errorf("%s: velocity %d is %v, by differences %v", name, k, got, want)
				}
			}
		}
	}
}

// TestDensitiesOnTheWayAreThoseOfThePath: of Gaussian data, which a preconditioned network that has learnt
// nothing makes.
func TestDensitiesOnTheWayAreThoseOfThePath(t *testing.T) {
	const scale = 3.0
	m := learntNothing(t, Spec{Path: path.Config{Name: "condot"}, Precondition: &path.Precondition{Data: scale},
		Standardizer: spread})
	o := LikelihoodOptions{Solver: ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-7, ATol: 1e-7}}}
	x := flow.Batch{N: 3, D: 2, X: []float64{5, -1, 7, -0.6, 3, -2}}
	for _, share := range []float64{0, 0.3, 0.8, 1} {
		logp, _, err := m.LogProbAt(t.Context(), x, share, o)
		if err != nil {
			t.Fatal(err)
		}
		std := math.Hypot(share*scale, 1-share)
		for i, got := range logp {
			want := -2*math.Log(std) - math.Log(2*math.Pi)
			for d, v := range x.Row(i) {
				z := (v - spread.Mean[d]) / spread.Std[d] / std
				want -= z*z/2 + math.Log(spread.Std[d])
			}
			if math.Abs(got-want) > 2e-3 {
				t.Errorf("at %v log p(%v) is %v, want %v", share, x.Row(i), got, want)
			}
		}
	}
}

func TestWhatIsOnNoWay(t *testing.T) {
	m := learntNothing(t, Spec{Path: path.Config{Name: "condot"}, Precondition: &path.Precondition{Data: 1}})
	x := flow.NewBatch(1, 2)
	o := LikelihoodOptions{Solver: euler(2)}
	for _, share := range []float64{-0.1, 1.1, math.NaN()} {
		if _, _, err := m.Velocity(t.Context(), x, share, VelocityOptions{}); err == nil {
			t.Errorf("there is a velocity at %v", share)
		}
		if _, _, err := m.LogProbAt(t.Context(), x, share, o); err == nil {
			t.Errorf("there is a density at %v", share)
		}
	}
	if _, _, err := m.Velocity(t.Context(), flow.NewBatch(1, 3), 0.5, VelocityOptions{}); err == nil {
		t.Error("points of three dimensions have a velocity in the plane")
	}
	two := 2.0
	if _, _, err := m.Velocity(t.Context(), x, 0.5, VelocityOptions{Guidance: &two}); !errors.Is(err, ErrSampler) {
		t.Errorf("guidance without labels: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, _, err := m.Velocity(ended, x, 0.5, VelocityOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
	rows := *m
	rows.spec.Schema = &schema.Schema{}
	if _, _, err := rows.Velocity(t.Context(), x, 0.5, VelocityOptions{}); !errors.Is(err, ErrRows) {
		t.Errorf("of rows: %v", err)
	}
	if _, _, err := rows.LogProbAt(t.Context(), x, 0.5, o); !errors.Is(err, ErrRows) {
		t.Errorf("of rows: %v", err)
	}
}
