package sde

import (
	"errors"
	"slices"
	"testing"

	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/ode"
	"flowmatch/path"
)

func TestSpacedStepsAreThoseOfAGrid(t *testing.T) {
	mix, err := field.NewMixture(path.CondOT{}, field.Component{Weight: 1, Mean: []float64{1}, Std: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	spaced := ode.Spaced{Shares: []float64{0, 0.1, 0.4, 1}}
	for _, m := range []Method{EulerMaruyama, Heun, DDPM, DDIM} {
		given := Sampler{Method: m, Spaced: spaced, Seed: 1}
		lo, hi := given.Span(path.CondOT{}, path.Velocity)
		grid := Sampler{Method: m, Grid: []float64{lo, spaced.At(1, lo, hi), spaced.At(2, lo, hi), hi}, Seed: 1}
		var ends [2]flow.Batch
		for i, s := range []Sampler{given, grid} {
			ends[i] = flow.NewBatch(5, 1)
			ends[i].X[2] = 1
			st, err := s.Sample(t.Context(), mix, path.CondOT{}, path.Velocity, ends[i])
			if err != nil || st.Accepted != 3 {
				t.Fatal(st, err)
			}
		}
		if !slices.Equal(ends[0].X, ends[1].X) {
			t.Errorf("%v: %v of shares, %v of their times", m, ends[0].X, ends[1].X)
		}
	}
	for _, s := range []Sampler{{Spaced: spaced, Steps: 2}, {Spaced: spaced, Grid: []float64{0, 1}},
		{Spaced: ode.Spaced{Shares: []float64{0, 2, 1}}}} {
		if err := s.Validate(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", s, err)
		}
	}
	named := Sampler{Spaced: ode.Spaced{Shares: spaced.Shares, Name: "shift=3"}}
	if got := named.String(); got != "euler_maruyama g=own, 3 steps shift=3" {
		t.Error(got)
	}
}

func TestCostBoundsTheEvaluations(t *testing.T) {
	mix, err := field.NewMixture(path.CondOT{}, field.Component{Weight: 1, Mean: []float64{1}, Std: 0.5})
	if err != nil {
		t.Fatal(err)
	}
	s := Sampler{Method: DDIM, Steps: 4, MaxNFE: 7, Cost: func(float64) int { return 2 }}
	st, err := s.Sample(t.Context(), mix, path.CondOT{}, path.Velocity, flow.NewBatch(1, 1))
	if !errors.Is(err, ode.ErrMaxNFE) || st.NFE != 6 {
		t.Errorf("%d evaluations, %v", st.NFE, err)
	}
	s.MaxNFE = 8
	st, err = s.Sample(t.Context(), mix, path.CondOT{}, path.Velocity, flow.NewBatch(1, 1))
	if err != nil || st.NFE != 8 {
		t.Errorf("%d evaluations, %v", st.NFE, err)
	}
}
