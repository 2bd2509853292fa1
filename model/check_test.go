package model

import (
	"errors"
	"math"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/likelihood"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
)

func dopri5(tolerance float64) LikelihoodOptions {
	return LikelihoodOptions{Solver: ode.Solver{
		Method: ode.Dopri5, Control: ode.Adaptive{RTol: tolerance, ATol: tolerance}, MaxNFE: 20_000}}
}

func gaussian(n, d int, std float64) flow.Batch {
	x := flow.NewBatch(n, d)
	flow.Gaussian{Std: std}.Sample(x, seed.Rand(1, "model test points", uint64(n)))
	return x
}

func checked(t *testing.T, m *Model, x flow.Batch, o LikelihoodOptions) (LikelihoodCheck, []float64) {
	t.Helper()
	logp, _, err := m.LogProb(t.Context(), x, o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.CheckLogProb(t.Context(), x, logp, o)
	if err != nil {
		t.Fatal(err)
	}
	return c, logp
}

// What a check calls the difference is the error of the solver, as the density in closed
// form tells it.
func TestTheDifferenceOfACheckIsTheErrorOfTheSolver(t *testing.T) {
	m := learntNothing(t, Spec{Path: path.Config{Name: "condot"}, Precondition: &path.Precondition{Data: 3}})
	x := gaussian(1000, 2, 3)
	want := make([]float64, x.N)
	flow.Gaussian{Std: 3}.LogProb(want, x)
	for _, o := range []LikelihoodOptions{
		dopri5(0.5), dopri5(1e-5), {Solver: euler(10)}, {Solver: ode.Solver{Method: ode.RK4, Control: ode.Fixed(4)}},
	} {
		c, logp := checked(t, m, x, o)
		err := *meanDifference(logp, want)
		t.Logf("%v: error %.3g nats, difference %.3g", o.Solver, err, *c.Difference)
		// Half of Euler's error; and 64 of the points are not all of them.
		if d := *c.Difference; !(d > 0.4*err && d < 1.3*err+1e-7) || c.CutDifference != nil || c.Points != 64 {
			t.Errorf("%v: error %.3g nats, check %+v", o.Solver, err, c)
		}
	}
}

// A network that predicts the data to be at 0, wherever it is, makes a velocity of -x/(1 - t):
// the density at the time δ before 1 is that of N(0, δ²), whatever δ is.
func TestTheCutDifferenceIsThatOfWhereTheTimesEnd(t *testing.T) {
	m := learntNothing(t, Spec{Path: path.Config{Name: "condot"}, Prediction: path.Data})
	x := gaussian(50, 2, 0.002)
	c, logp := checked(t, m, x, dopri5(1e-7))
	at := func(std float64) []float64 {
		v := make([]float64, x.N)
		flow.Gaussian{Std: std}.LogProb(v, x)
		return v
	}
	if err := *meanDifference(logp, at(path.Trim)); err > 1e-4 {
		t.Fatalf("log-densities are off by %g nats", err)
	}
	want := *meanDifference(at(path.Trim), at(2*path.Trim))
	if math.Abs(*c.CutDifference-want) > 1e-3 || *c.Difference > 1e-4 || c.Points != 50 ||
		c.Lo != 0 || c.Hi != 1-path.Trim || math.Abs(c.InnerHi-(1-2*path.Trim)) > 1e-15 {
		t.Errorf("a cut difference of %g (%+v), want %g", *c.CutDifference, c, want)
	}
}

// Hutchinson's estimates differ by whole nats between probes; the check has those of each
// point, so that what it finds is the solver's. So it is with labels and contexts.
func TestACheckKeepsWhatBelongsToAPoint(t *testing.T) {
	cfg := nn.Config{Dim: 2, Hidden: []int{16}, Classes: 3, Context: 1}
	m := untrained(t, cfg)
	x := gaussian(300, 2, 2)
	given := flow.NewGiven(x.N, true, 1)
	for i := range x.N {
		given.Label[i], given.Context.X[i] = int32(i%3), math.Sin(float64(i))
	}
	o := dopri5(1e-7)
	o.Given, o.Divergence = given, likelihood.Hutchinson{Seed: 3}
	c, logp := checked(t, m, x, o)
	o.Divergence = likelihood.Hutchinson{Seed: 4}
	other, _, err := m.LogProb(t.Context(), x, o)
	if err != nil {
		t.Fatal(err)
	}
	if d := *meanDifference(logp, other); *c.Difference > 1e-5 || d < 1e-2 {
		t.Errorf("a difference of %g nats, want less than 1e-5; other probes differ by %g", *c.Difference, d)
	}
}

func TestTheRowsOfACheckAreSpreadOverTheRanks(t *testing.T) {
	v := make([]float64, 1000)
	for i := range v {
		v[i] = float64((i * 37) % 1000) // each of 0..999 once
	}
	rows := ranked(v, 10)
	seen := map[int]bool{}
	for k, i := range rows {
		seen[int(v[i])] = true
		if k > 0 && rows[k-1] >= i {
			t.Errorf("the numbers %v do not rise", rows)
		}
	}
	for k := range 10 {
		if !seen[50+100*k] {
			t.Errorf("the values %v lack %d, the middle of a tenth", seen, 50+100*k)
		}
	}
	if got := ranked(v[:3], 3); len(got) != 3 || got[0] != 0 || got[2] != 2 {
		t.Errorf("all three of three: %v", got)
	}
}

func TestACheckThatFailsSaysWhichSolve(t *testing.T) {
	m := learntNothing(t, Spec{Path: path.Config{Name: "condot"}, Prediction: path.Data})
	x := gaussian(5, 2, 0.002)
	o := dopri5(1e-5)
	logp, st, err := m.LogProb(t.Context(), x, o)
	if err != nil {
		t.Fatal(err)
	}
	o.Solver.MaxNFE = st.NFE / 5 // of which Finer makes four fifths
	c, err := m.CheckLogProb(t.Context(), x, logp, o)
	if !errors.Is(err, ode.ErrMaxNFE) || !strings.Contains(err.Error(), "the finer solve of the check") ||
		c.Difference != nil || c.Points != 5 {
		t.Errorf("too few evaluations: %+v, %v", c, err)
	}
	if _, err := m.CheckLogProb(t.Context(), x, logp[:2], o); err == nil ||
		!strings.Contains(err.Error(), "2 log-densities of 5 points") {
		t.Errorf("two log-densities of five points: %v", err)
	}
	o.Given.Label = []int32{1}
	if _, err := m.CheckLogProb(t.Context(), x, logp, o); !errors.Is(err, flow.ErrLabels) {
		t.Errorf("labels for a model without classes: %v", err)
	}
}

func TestTheProgressOfACheckOnlyRises(t *testing.T) {
	for _, prediction := range []path.Prediction{path.Velocity, path.Data} {
		m := learntNothing(t, Spec{Path: path.Config{Name: "condot"}, Prediction: prediction})
		x := gaussian(20, 2, 0.01)
		all := &calls{t: t}
		o := dopri5(1e-4)
		logp, _, err := m.LogProb(t.Context(), x, o)
		if err != nil {
			t.Fatal(err)
		}
		o.Progress, o.Batch = all.add, 8
		if _, err := m.CheckLogProb(t.Context(), x, logp, o); err != nil {
			t.Fatal(err)
		}
		if n := len(all.done); n < 6 || all.done[0] != 0 || all.done[n-1] != 1 {
			t.Errorf("%v: progress %v", prediction, all.done)
		}
	}
}
