package model

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/sde"
)

// labelled returns a conditional model, and how a sample of it is asked for.
func labelled(t *testing.T) (*Model, SampleOptions) {
	t.Helper()
	m, err := New(Spec{}, newNet(t, nn.Config{Dim: 2, Hidden: []int{8}, Classes: 3}))
	if err != nil {
		t.Fatal(err)
	}
	return m, SampleOptions{N: 3, Seed: 2, Given: flow.Given{Label: []int32{1}}}
}

func TestEvaluationsOutsideOfTheGuidanceIntervalCountOnce(t *testing.T) {
	m, o := labelled(t)
	two, interval := new(2.0), &[2]float64{0.3, 0.65}
	each := ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-3, ATol: 1e-3, Each: true}}
	for name, c := range map[string]struct {
		how Sampler
		nfe int
	}{ // of the times 0, 0.1, ... 0.9, those from 0.3 to 0.6 are guided; of Heun's ends, also
		"ODE": {ODE{Solver: euler(10), Guidance: two, GuidanceInterval: interval}, 10 + 4},
		"Heun": {ODE{Solver: ode.Solver{Method: ode.Heun2, Control: ode.Fixed(10)}, Guidance: two,
			GuidanceInterval: interval}, 20 + 4 + 4},
		"SDE": {SDE{Sampler: sde.Sampler{Method: sde.DDIM,
			Spaced: ode.Spaced{Shares: []float64{0, 0.25, 0.5, 0.75, 1}}}, Guidance: two,
			GuidanceInterval: interval}, 4 + 1},
		"everywhere": {ODE{Solver: euler(10), Guidance: two, GuidanceInterval: &[2]float64{0, 1}}, 20},
	} {
		o.Sampler = c.how
		if s, err := m.Sample(t.Context(), o); err != nil || s.Stats.NFE != c.nfe {
			t.Errorf("%s: %d evaluations, want %d (%v)", name, s.Stats.NFE, c.nfe, err)
		}
	}
	count := func(interval *[2]float64) int {
		o.Sampler = ODE{Solver: each, Guidance: two, GuidanceInterval: interval}
		s, err := m.Sample(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return s.Stats.NFE
	}
	all, none := count(nil), count(&[2]float64{0.9999999, 1})
	if all%2 != 0 || none >= all {
		t.Errorf("with steps of their own: %d evaluations, %d of almost no guidance", all, none)
	}
}

// Until the interval begins, samples are those without guidance; a step within is one of the guided field.
func TestGuidanceIsThatOfTheInterval(t *testing.T) {
	m, o := labelled(t)
	two := new(2.0)
	draw := func(how ODE) flow.Batch {
		t.Helper()
		how.Solver = ode.Solver{Method: ode.Euler, Control: ode.Spaced{Shares: []float64{0, 0.5, 1}}}
		o.Sampler = how
		s, err := m.Sample(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		return s.X
	}
	late := draw(ODE{Guidance: two, GuidanceInterval: &[2]float64{0.5, 1}})
	// By hand: half a step of the field of the label, and half a one of the guided field.
	x := m.SourcePoints(o.N, o.Seed)
	at := func(share float64, scale *float64) flow.Batch {
		v, _, err := m.Velocity(t.Context(), x, share, VelocityOptions{Given: o.Given, Guidance: scale})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		t     float64
		scale *float64
	}{{0, nil}, {0.5, two}} {
		v := at(c.t, c.scale)
		for i := range x.X {
			x.X[i] += 0.5 * v.X[i]
		}
	}
	for i, want := range x.X {
		if math.Abs(late.X[i]-want) > 1e-12 {
			t.Fatalf("coordinate %d is %g, want %g", i, late.X[i], want)
		}
	}
}

func TestGuidanceWithoutEffectIsRefused(t *testing.T) {
	m, o := labelled(t)
	two, one, interval := new(2.0), new(1.0), &[2]float64{0, 0.5}
	for _, c := range []struct {
		how  ODE
		want string
	}{
		{ODE{GuidanceInterval: interval}, "a guidance interval has no effect"},
		{ODE{Guidance: one, GuidanceInterval: interval}, "a guidance interval has no effect"},
		{ODE{Guidance: one, GuidanceRescale: 0.7}, "a rescale of guidance has no effect"},
		{ODE{Guidance: two, GuidanceInterval: &[2]float64{0.5, 0.5}}, "from 0.5 to 0.5; it must rise"},
		{ODE{Guidance: two, GuidanceInterval: &[2]float64{-0.1, 0.5}}, "from -0.1 to 0.5"},
		{ODE{Guidance: two, GuidanceInterval: &[2]float64{math.NaN(), 0.5}}, "from NaN"},
		{ODE{Guidance: two, GuidanceRescale: 1.5}, "rescale of guidance is 1.5"},
	} {
		c.how.Solver = euler(2)
		for _, how := range []Sampler{c.how, SDE{Sampler: sde.Sampler{Steps: 2}, Guidance: c.how.Guidance,
			GuidanceInterval: c.how.GuidanceInterval, GuidanceRescale: c.how.GuidanceRescale}} {
			o.Sampler = how
			_, err := m.Sample(t.Context(), o)
			if !errors.Is(err, ErrSampler) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v: %v; want %q", how, err, c.want)
			}
		}
	}
}

func TestAverageStepsTakeATimeGrid(t *testing.T) {
	m, err := New(Spec{}, newNet(t, nn.Config{Dim: 2, Hidden: []int{8}, Average: true}))
	if err != nil {
		t.Fatal(err)
	}
	draw := func(how Average) Samples {
		s, err := m.Sample(t.Context(), SampleOptions{N: 3, Seed: 1, Sampler: how})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	even, same := draw(Average{Steps: 2}), draw(Average{Spaced: ode.Spaced{Shares: []float64{0, 0.5, 1}}})
	other := draw(Average{Spaced: ode.Spaced{Shares: []float64{0, 0.2, 1}}})
	if even.X.X[0] != same.X.X[0] || even.X.X[0] == other.X.X[0] || other.Stats.NFE != 2 {
		t.Errorf("even steps %v, by shares %v, others %v", even.X.X, same.X.X, other.X.X)
	}
	bad := Average{Steps: 2, Spaced: ode.Spaced{Shares: []float64{0, 1}}}
	if _, err := m.Sample(t.Context(), SampleOptions{N: 1, Sampler: bad}); !errors.Is(err, ErrSampler) {
		t.Errorf("steps and shares: %v", err)
	}
}

func TestStatesOnATimeGridEndInItsSamples(t *testing.T) {
	m, o := labelled(t)
	o.Sampler = ODE{Solver: ode.Solver{Method: ode.Heun2, Control: ode.Spaced{Shares: []float64{0, 0.4, 0.9, 1}}},
		Guidance: new(2.0), GuidanceInterval: &[2]float64{0.3, 0.7}}
	x0 := m.SourcePoints(o.N, o.Seed)
	want, err := m.SampleFrom(t.Context(), x0, o)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	got, err := m.SampleStates(t.Context(), x0, o, []float64{0, 0.5, 1}, func(int, flow.Batch) error {
		seen++
		return nil
	})
	if err != nil || seen != 3 || !slices.Equal(got.X.X, want.X.X) {
		t.Errorf("%d states end in %v, %v; want %v", seen, got.X.X, err, want.X.X)
	}
}
