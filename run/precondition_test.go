package run

import (
	"math"
	"slices"
	"strings"
	"testing"
)

const wideVE = `
data: {name: 8gaussians, n: 2000, val: 200, test: 200}
path: {name: ve, sigma_max: 50}
precondition: true
net: {hidden: [32, 32]}
train: {steps: 300, batch: 64, lr: 0.01, val_every: 100}
`

// VE with a σ_max of 50 cannot be trained without: see docs/design/preconditioning.md.
func TestAPreconditionedRunLearnsVE(t *testing.T) {
	gap := func(settings ...string) float64 {
		r, err := Train(t.Context(), parseText(t, wideVE, settings...), t.TempDir(), TrainOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return *report(t, r).Likelihood.Gap
	}
	if with, without := gap(), gap("precondition=false"); with > 3 || without < 10 {
		t.Errorf("gaps to the entropy of %.2f nats with, and %.2f without; want below 3 and above 10", with, without)
	}
}

// The scales are those of the data and the source, and a resumed run has them again.
func TestTheScalesOfAPrecondition(t *testing.T) {
	dir := t.TempDir()
	r, err := Train(t.Context(), parseText(t, wideVE, "train.steps=20"), dir, TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p := r.Model.Spec().Precondition
	if p == nil || math.Abs(p.Data-3.55) > 0.1 || p.Source != 0 {
		t.Errorf("%+v, want data of scale 3.55", p)
	}
	r, err = Train(t.Context(), parseText(t, wideVE, "train.steps=40"), dir, TrainOptions{Resume: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Model.Spec().Precondition; *got != *p {
		t.Errorf("resumed with %+v, want %+v", got, p)
	}
	sourced := parseText(t, "data: {name: moons}\nsource: {name: 8gaussians}\nprecondition: true\ntrain: {steps: 2}")
	if r, err = Train(t.Context(), sourced, t.TempDir(), TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	if p := r.Model.Spec().Precondition; math.Abs(p.Source-3.55) > 0.1 {
		t.Errorf("%+v, want a source of scale 3.55", p)
	}
}

func TestAResumedPreconditionedRunIsTheSame(t *testing.T) {
	constant := "train.schedule=constant"
	whole, err := Train(t.Context(), parseText(t, wideVE, constant, "train.steps=40"), t.TempDir(), TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := Train(t.Context(), parseText(t, wideVE, constant, "train.steps=20"), dir, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
	r, err := Train(t.Context(), parseText(t, wideVE, constant, "train.steps=40"), dir, TrainOptions{Resume: true})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(weights(t, whole), weights(t, r)) {
		t.Error("20 steps and 20 more are not 40 steps")
	}
}

// A prediction beside preconditioning changes nothing, and is told.
func TestAPredictionBesideAPreconditionIsTold(t *testing.T) {
	for text, want := range map[string]int{
		"data: {name: moons}\ntrain: {prediction: noise}":                      1,
		"data: {name: moons}":                                                  0,
		"data: {name: moons}\ntrain: {prediction: noise}\nprecondition: false": 0,
		"data: {name: moons}\ntrain: {prediction: score, weighting: sigma2}":   0,
	} {
		c, err := ParseConfig([]byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Warnings(); len(got) != want {
			t.Errorf("%q: %d warnings %q, want %d", text, len(got), got, want)
		}
	}
}

func TestWhatAPreconditionIsNotFor(t *testing.T) {
	for setting, want := range map[string]string{
		"train.objective=ml":       "precondition is for the objective cfm, not for ml",
		"train.objective=meanflow": "precondition is for the objective cfm, not for meanflow",
		"train.objective=fm":       "precondition is for the objective cfm, not for fm",
		"path.name=bridge":         "path bridge has noise of its own",
	} {
		text := "data: {name: moons, n: 100}\nprecondition: true\n"
		if _, err := ParseConfig([]byte(text), []string{setting}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", setting, err, want)
		}
	}
}

// Without a precondition the scale says where a solve begins.
func TestTheScaleOfTheDataDecidesWhereASolveBegins(t *testing.T) {
	for settings, want := range map[string]float64{"standardize=none": 3.55, "standardize=scalar": 1} {
		c := parseText(t, "data: {name: 8gaussians, n: 2000}\ntrain: {prediction: noise, steps: 2}",
			"precondition=false", "data."+settings)
		r, err := Train(t.Context(), c, t.TempDir(), TrainOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Model.Spec().DataScale; math.Abs(got-want) > 0.1 {
			t.Errorf("%s: a scale of %g, want %g", settings, got, want)
		}
		start := 1e-3 / max(1, r.Model.Spec().DataScale)
		if lo, _ := r.Model.Span(); math.Abs(lo/start-1) > 0.01 {
			t.Errorf("%s: a solve begins at %g, want %g", settings, lo, start)
		}
	}
}
