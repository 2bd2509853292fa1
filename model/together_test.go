package model

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/cluster"
	"flowmatch/cluster/clustertest"
	"flowmatch/ode"
	"flowmatch/sde"
)

// Three ranks come to what one process comes to, to the bit, and each of them solves a share.
func TestRanksShareSolves(t *testing.T) {
	ranks := clustertest.In(t, 3)
	if ranks == nil {
		return
	}
	alone, err := trained(t, planar).Model()
	if err != nil {
		t.Fatal(err)
	}
	const n = 37
	adaptive := ode.Adaptive{RTol: 1e-3, ATol: 1e-3}
	each := adaptive
	each.Each = true
	for _, c := range []struct {
		name string
		how  Sampler
	}{
		{"equal steps", ODE{Solver: euler(6)}},
		{"own steps", ODE{Solver: ode.Solver{Method: ode.Dopri5, Control: each, MaxNFE: 1000}}},
		{"steps in common", Density{Solver: ode.Solver{Method: ode.Dopri5, Control: adaptive, MaxNFE: 1000}}},
		{"a pointer", &ODE{Solver: ode.Solver{Method: ode.Dopri5, Control: adaptive, MaxNFE: 1000}}},
		{"noise", SDE{Sampler: sde.Sampler{Steps: 5}}},
	} {
		name, how := c.name, c.how
		parts := 0
		o := SampleOptions{N: n, Seed: 3, Sampler: how, Batch: 10}
		want, err := alone.Sample(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		o.Progress = func(done float64, _ int) {
			if done > 0 {
				parts++
			}
		}
		got, err := alone.Together(ranks).Sample(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.X.X, want.X.X) || !slices.Equal(got.LogP, want.LogP) || got.Stats != want.Stats {
			t.Errorf("%s: the samples are not those of one process: %v and %v, %+v and %+v", name, got.X.X[:4],
				want.X.X[:4], got.Stats, want.Stats)
		}
		all, err := ranks.Gathered(float64(parts))
		if err != nil {
			t.Fatal(err)
		}
		if min(all[0], all[1], all[2]) == 0 {
			t.Errorf("%s: the ranks saw %v steps, and one of them none", name, all)
		}
		o.Progress = nil
	}

	x, err := alone.Sample(t.Context(), SampleOptions{N: n, Seed: 5, Sampler: ODE{Solver: euler(6)}})
	if err != nil {
		t.Fatal(err)
	}
	l := LikelihoodOptions{Solver: euler(5), Batch: 8}
	want, _, err := alone.LogProb(t.Context(), x.X, l)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := alone.Together(ranks).LogProb(t.Context(), x.X, l)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("the log-densities are not those of one process (%v)", err)
	}
	oneFails(t, alone, ranks)
	oneDiffers(t, alone, ranks)
}

// oneDiffers has a rank draw other samples, or by another model: the results of all would be a mixture.
func oneDiffers(t *testing.T, m *Model, ranks *cluster.Comm) {
	t.Helper()
	w, err := m.Net().Weights()
	if err != nil {
		t.Fatal(err)
	}
	w[1] += 1e-3
	net, err := m.Net().WithWeights(w)
	if err != nil {
		t.Fatal(err)
	}
	other, err := New(m.Spec(), net)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want string
		seed uint64
		m    *Model
	}{{"rank 2 solves for other points", 4, m}, {"rank 2 has other weights", 3, other}} {
		o, by := SampleOptions{N: 9, Seed: 3, Sampler: ODE{Solver: euler(6)}}, m
		if ranks.Rank() == 2 {
			o.Seed, by = c.seed, c.m
		}
		_, err := by.Together(ranks).Sample(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.want, err)
		}
	}
}

// oneFails has the solve of one rank fail, which all come to know.
func oneFails(t *testing.T, m *Model, ranks *cluster.Comm) {
	t.Helper()
	o := SampleOptions{N: 9, Seed: 3, Sampler: ODE{Solver: euler(6)}, Batch: 3}
	x0 := m.SourcePoints(9, 3)
	x0.Row(4)[0] = math.NaN() // of the second part
	_, err := m.Together(ranks).SampleFrom(t.Context(), x0, o)
	var of *cluster.RankError
	if err == nil || errors.As(err, &of) != (ranks.Rank() != 1) {
		t.Errorf("a point of rank 1 is no number: %v", err)
	}
}
