package run

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
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
		"path.name=bridge":         "path bridge adds noise",
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

// Data of a scale that trains badly are not trained on without a word.
func TestDataOfAScaleThatTrainsBadlyAreWarnedOf(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, a, b, at float64) string {
		file := filepath.Join(dir, name+".csv")
		text := "a,b\n"
		for i := range 300 {
			u := float64(i) / 150
			text += fmt.Sprintf("%g,%g\n", at+a*math.Sin(20*u), at+b*math.Cos(31*u*u))
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for _, c := range []struct {
		file     string
		settings []string
		want     string
	}{
		{write("ordinary", 1, 2, 0), nil, ""},
		{write("far", 1, 1, 1000), nil, `varies by 0.`},
		{write("far", 1, 1, 1000), []string{"data.standardize=columns"}, ""},
		{write("uneven", 1000, 1, 0), nil, `column "b" varies by 0.7`},
		{write("uneven", 1000, 1, 0), []string{"data.standardize=scalar"}, `column "b" varies by 0.00`},
		{write("wide", 1e6, 1e6, 0), nil, "of the size of 7."},
		{write("tiny", 1e-6, 1e-6, 0), nil, "of the size of 7."},
		{write("wider", 20, 20, 0), nil, ""},
		{write("wider", 20, 20, 0), []string{"precondition=false"}, "of the size of 14"},
		{write("wider", 20, 20, 0), []string{"path.name=vp"}, ""},
		{write("wide for VP", 30, 30, 0), []string{"path.name=vp"}, "path vp begins with 0.0066 of the data"},
	} {
		var got []string
		settings := append([]string{"data.path=" + c.file, "data.standardize=none"}, c.settings...)
		cfg := parseText(t, "data: {val: 20, test: 20}\nnet: {hidden: [4]}\ntrain: {steps: 1, batch: 8}", settings...)
		o := TrainOptions{Warned: func(w string) { got = append(got, w) }}
		if _, err := Train(t.Context(), cfg, filepath.Join(t.TempDir(), "run"), o); err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(got, "\n"); (text == "") != (c.want == "") || !strings.Contains(text, c.want) {
			t.Errorf("%s %v: %q, want %q", filepath.Base(c.file), c.settings, text, c.want)
		}
	}
}

// One row far out makes one point of all the others.
func TestRowsFarOutAreWarnedOf(t *testing.T) {
	for out, want := range map[string]bool{"3": false, "100": false, "1e8": true, "1e30": true} {
		file := filepath.Join(t.TempDir(), "x.csv")
		text := "a,b\n" + out + ",0.5\n"
		for i := range 300 {
			text += fmt.Sprintf("%g,%g\n", math.Sin(float64(20*i)), math.Exp(3*math.Cos(float64(31*i))))
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		var got []string
		cfg := parseText(t, "data: {val: 0, test: 0}\nnet: {hidden: [4]}\ntrain: {steps: 1, batch: 8}",
			"data.path="+file)
		o := TrainOptions{Warned: func(w string) { got = append(got, w) }}
		if _, err := Train(t.Context(), cfg, filepath.Join(t.TempDir(), "run"), o); err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(got, "\n"); strings.Contains(text, `column "a" has a few rows`) != want {
			t.Errorf("a row of %s: warnings %q", out, text)
		}
	}
}
