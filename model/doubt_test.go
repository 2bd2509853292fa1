package model

import (
	"math"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/sde"
)

// Few steps make samples of Gaussian data narrow or wide, and are told; where the law is not that of
// independent pairs, or is one for each class, nothing is known of it.
func TestStepsThatAreTooFewAreTold(t *testing.T) {
	fixed := func(m *ode.Tableau, n int) ODE { return ODE{Solver: ode.Solver{Method: m, Control: ode.Fixed(n)}} }
	noisy := func(m sde.Method, n int) SDE { return SDE{Sampler: sde.Sampler{Method: m, Steps: n}} }
	size := &path.Precondition{Data: 3}
	m := learntNothing(t, Spec{Path: path.Config{Name: "condot"}, Precondition: size})
	const n = 20000 // the deviation of which is known to 0.4 %
	for _, c := range []struct {
		how Sampler
		few bool
	}{
		{fixed(ode.Euler, 1), true}, {fixed(ode.Euler, 3), true}, {fixed(ode.Euler, 50), false},
		{fixed(ode.Midpoint, 2), false}, {Density{Solver: fixed(ode.Euler, 2).Solver}, true},
		{ODE{Solver: ode.Solver{Method: ode.Dopri5, Control: ode.Adaptive{RTol: 1e-3, ATol: 1e-3}}}, false},
		{noisy(sde.DDPM, 2), true}, {noisy(sde.DDPM, 50), false}, {noisy(sde.DDIM, 3), true},
		{noisy(sde.EulerMaruyama, 1), true}, {noisy(sde.Heun, 2), true}, {noisy(sde.Heun, 100), false},
		{SDE{Sampler: sde.Sampler{Steps: 3, Diffusion: sde.Sigma{}}}, true},
	} {
		why := m.TooFew(c.how)
		if (why != "") != c.few || c.few && !strings.Contains(why, "take more steps") {
			t.Errorf("%v: %q", c.how, why)
		}
		s, err := m.Sample(t.Context(), SampleOptions{N: n, Sampler: c.how})
		if err != nil {
			t.Fatal(err)
		}
		if wide := ode.RMS(s.X.X) / 3; !c.few && math.Abs(wide-1) > 0.2 {
			t.Errorf("%v has samples %.3g times as wide as the data, without a word", c.how, wide)
		} else if astray := m.Astray(s.X, true); (astray != "") != (wide < 0.5 || wide > 2) {
			t.Errorf("%v, %.3g times as wide as the data: %q", c.how, wide, astray)
		}
	}
	for what, spec := range map[string]Spec{
		"a coupling": {Path: path.Config{Name: "condot"}, NoScore: "coupling ot"},
		"classes":    {Path: path.Config{Name: "condot"}, Net: nn.Config{Dim: 2, Hidden: []int{8}, Classes: 3}},
	} {
		if spec.Net.Dim == 0 {
			spec.Net = nn.Config{Dim: 2, Hidden: []int{8}}
		}
		m, err := New(spec, newNet(t, spec.Net))
		if err != nil {
			t.Fatal(err)
		}
		if why := m.TooFew(fixed(ode.Euler, 1)); why != "" {
			t.Errorf("%s: %q", what, why)
		}
	}
}

// Samples of another size than the data are told, with what would help.
func TestSamplesOfAnotherSizeAreTold(t *testing.T) {
	of := func(size float64, n int) flow.Batch {
		x := flow.NewBatch(n, 2)
		for i := range x.X {
			x.X[i] = size
		}
		x.X[0] = math.NaN() // one that could not be solved for
		return x
	}
	noise := Spec{Path: path.Config{Name: "condot"}, Prediction: path.Noise, DataScale: 1000}
	velocity, unknown, scaled := noise, noise, noise
	velocity.Prediction, unknown.DataScale = path.Velocity, 0
	scaled.DataScale, scaled.Precondition = 0, &path.Precondition{Data: 1000}
	for _, c := range []struct {
		spec  Spec
		x     flow.Batch
		alike bool
		want  string
	}{
		{noise, of(1100, 100), true, ""},
		{noise, of(28, 100), true, "0.028 times the size of the data (by root mean squares): they are not of these " +
			"data; train with precondition: true"},
		{velocity, of(28, 100), true, "data.standardize"},
		{scaled, of(28, 100), true, "train for longer"},
		{noise, of(1e6, 100), true, "1e+03 times"},
		{noise, of(28, 100), false, ""}, // of one context or class
		{noise, of(4000, 100), false, ""},
		{noise, of(1e6, 100), false, "1e+03 times"},
		{scaled, of(1e6, 100), false, "what they are given may be far from what the model was trained on"},
		{noise, of(300, 5), true, ""}, // by chance
		{unknown, of(1e6, 100), true, ""},
	} {
		if got := learntNothing(t, c.spec).Astray(c.x, c.alike); (got == "") != (c.want == "") ||
			!strings.Contains(got, c.want) {
			t.Errorf("%v of the size of %g, alike %v: %q, want %q", c.spec.Prediction, c.x.X[1], c.alike, got, c.want)
		}
	}
	var none *Model
	if none.Astray(flow.Batch{}, true) != "" || none.TooFew(ODE{}) != "" {
		t.Error("no model has doubts")
	}
}
