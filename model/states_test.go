package model

import (
	"errors"
	"slices"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/ode"
)

// TestStatesEndInTheSamples: to the bit, and begin in the source points in data units.
func TestStatesEndInTheSamples(t *testing.T) {
	shares := []float64{0, 0.1, 0.5, 1}
	for name, m := range conditional(t) {
		for _, solver := range []ode.Solver{byPoint(1e-4), euler(7)} {
			const n = 20
			x0 := flow.NewBatch(n, m.Dim())
			m.Source().Sample(x0, seed.Rand(3, "sample", 0))
			o := SampleOptions{Given: given(n), Sampler: ODE{Solver: solver}}
			want, err := m.SampleFrom(t.Context(), x0, o)
			if err != nil {
				t.Fatal(err)
			}
			var states []flow.Batch
			got, err := m.SampleStates(t.Context(), x0, o, shares, func(k int, x flow.Batch) error {
				if k != len(states) {
					t.Errorf("%s: state %d comes after %d others", name, k, len(states))
				}
				states = append(states, x)
				return nil
			})
			if err != nil || len(states) != len(shares) {
				t.Fatalf("%s: %d states, %v", name, len(states), err)
			}
			if !slices.Equal(got.X.X, want.X.X) || !slices.Equal(states[3].X, want.X.X) {
				t.Errorf("%s by %v: the states end elsewhere", name, solver)
			}
			if slices.Equal(states[1].X, states[0].X) || slices.Equal(states[2].X, states[3].X) {
				t.Errorf("%s by %v: states do not move", name, solver)
			}
		}
	}
}

func TestStatesThatCannotBe(t *testing.T) {
	m := untrained(t, planar.Net)
	x0 := flow.NewBatch(2, 2)
	o := SampleOptions{Sampler: ODE{Solver: euler(3)}}
	none := func(int, flow.Batch) error { return nil }
	for _, shares := range [][]float64{nil, {0}, {0, 0.5}, {0.1, 1}, {0, 0.5, 0.5, 1}, {0, 0.7, 0.3, 1}} {
		if _, err := m.SampleStates(t.Context(), x0, o, shares, none); err == nil {
			t.Errorf("states at %v are taken", shares)
		}
	}
	_, err := m.SampleStates(t.Context(), x0, SampleOptions{Sampler: Average{Steps: 1}}, []float64{0, 1}, none)
	if !errors.Is(err, ErrSampler) {
		t.Errorf("states of steps of the average velocity: %v", err)
	}
	stop := errors.New("enough")
	_, err = m.SampleStates(t.Context(), x0, o, []float64{0, 1}, func(int, flow.Batch) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("an error of the caller: %v", err)
	}
}
