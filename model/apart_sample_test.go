package model

import (
	"errors"
	"math"
	"slices"
	"testing"

	"flowmatch/flow"
	"flowmatch/likelihood"
	"flowmatch/ode"
	"flowmatch/sde"
)

// TestAContextThatCannotBeSolvedForLeavesTheOthersTheirSamples: 1e30 is no number of the network.
func TestAContextThatCannotBeSolvedForLeavesTheOthersTheirSamples(t *testing.T) {
	const n = 4
	contexts := flow.Batch{N: 3, D: 2, X: []float64{0.5, -1, 1e300, 0, -0.25, 3}}
	var rows []int
	for i := range 3 {
		rows = append(rows, slices.Repeat([]int{i}, n)...)
	}
	given := flow.Given{Context: contexts.Rows(rows)}
	shared := ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-5, ATol: 1e-5}}
	for name, how := range map[string]Sampler{
		"shared steps": ODE{Solver: shared}, "own steps": ODE{Solver: byPoint(1e-5)},
		"densities, shared": Density{Solver: shared}, "densities": Density{Solver: byPoint(1e-5)},
	} {
		for kind, m := range map[string]*Model{"free": shifts(t), "bounded": bounded(t)} {
			o := SampleOptions{N: 3 * n, Seed: 1, Given: given, Sampler: how}
			s, err := m.Sample(t.Context(), o)
			var failed *ode.PointsError
			if !errors.As(err, &failed) ||
				!slices.Equal(slices.Sorted(slices.Values(failed.Points)), []int{4, 5, 6, 7}) {
				t.Fatalf("%s, %s: %v", name, kind, err)
			}
			for i := range s.X.N {
				bad := slices.Contains(failed.Points, i)
				if math.IsNaN(s.X.Row(i)[0]) != bad || s.LogP != nil && math.IsNaN(s.LogP[i]) != bad {
					t.Errorf("%s, %s: sample %d is %v", name, kind, i, s.X.Row(i))
				}
			}
			if _, density := how.(Density); density && len(s.LogP) != 3*n {
				t.Errorf("%s, %s: %d log-densities", name, kind, len(s.LogP))
			}
			o.Given, o.N = given.Slice(n, 2*n), n // alone it fails as a whole
			if _, err := m.Sample(t.Context(), o); err == nil || errors.As(err, &failed) {
				t.Errorf("%s, %s: a context that fails alone: %v", name, kind, err)
			}
		}
	}
}

// What is drawn for each point, noise or probes, is that of its number, also where others fail.
func TestNoiseIsThatOfThePointWhereOthersFail(t *testing.T) {
	const n = 3
	with := func(middle float64) flow.Given {
		contexts := flow.Batch{N: 3, D: 2, X: []float64{0.5, -1, middle, 0, -0.25, 3}}
		var rows []int
		for i := range 3 {
			rows = append(rows, slices.Repeat([]int{i}, n)...)
		}
		return flow.Given{Context: contexts.Rows(rows)}
	}
	m := shifts(t)
	for name, how := range map[string]Sampler{
		"ddpm":           SDE{Sampler: sde.Sampler{Method: sde.DDPM, Steps: 5, Denoise: true}},
		"euler_maruyama": SDE{Sampler: sde.Sampler{Method: sde.EulerMaruyama, Diffusion: sde.Sigma{}, Steps: 5}},
		"hutchinson": Density{Solver: ode.Solver{Method: ode.Euler, Control: ode.Fixed(4)},
			Divergence: likelihood.Hutchinson{Probes: 1, Seed: 1}},
	} {
		want, err := m.Sample(t.Context(), SampleOptions{N: 3 * n, Seed: 1, Given: with(1), Sampler: how})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := m.Sample(t.Context(), SampleOptions{N: 3 * n, Seed: 1, Given: with(1e300), Sampler: how})
		var failed *ode.PointsError
		if !errors.As(err, &failed) || !slices.Equal(slices.Sorted(slices.Values(failed.Points)), []int{3, 4, 5}) {
			t.Fatalf("%s: %v", name, err)
		}
		for _, i := range []int{0, 1, 2, 6, 7, 8} {
			if !slices.Equal(got.X.Row(i), want.X.Row(i)) || want.LogP != nil && got.LogP[i] != want.LogP[i] {
				t.Errorf("%s: sample %d is %v beside some that fail, else %v", name, i, got.X.Row(i), want.X.Row(i))
			}
		}
	}
}
