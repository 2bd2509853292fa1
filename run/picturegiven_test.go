package run

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/coupling"
	"flowmatch/flow"
	"flowmatch/internal/stat"
)

// linearPosterior trains on simulations of linearGaussian.
func linearPosterior(t *testing.T, steps string) *Run {
	t.Helper()
	cfg, err := ParseConfig([]byte("seed: 2\ndata: {path: "+linearGaussian(t, 3000)+", context: [x]}\n"+
		"net: {residual: {width: 32, blocks: 2}}\ntrain: {steps: "+steps+", batch: 128}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Train(t.Context(), cfg, filepath.Join(t.TempDir(), "run"), TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAPictureIsOfTheContextThatItNames(t *testing.T) {
	r := linearPosterior(t, "300")
	given := flow.Batch{N: 1, D: 1, X: []float64{16}}
	a, err := r.artist(PictureOptions{N: 400, Given: given}, "field")
	if err == nil {
		err = a.context("field")
	}
	if err != nil {
		t.Fatal(err)
	}
	if title := a.titled("on a plane"); title != "given x = 16; on a plane" {
		t.Errorf("the title is %q", title)
	}
	// The shading is of N(1.6, 0.2), and so are the limits.
	lo, hi := r.Model.Span()
	path, err := a.pathAt(t.Context(), []float64{lo, hi})
	if err != nil {
		t.Fatal(err)
	}
	where, err := a.typical(t.Context())
	for name, x := range map[string]flow.Batch{"shading": path[1], "limits": where} {
		if mean := stat.Mean(x.X); err != nil || math.Abs(mean-1.6) > 0.25 {
			t.Errorf("the points of the %s have mean %.3f, want 1.6 (%v)", name, mean, err)
		}
	}
	for _, kind := range []string{"samples", "pairs", "density", "field", "trajectories"} {
		var told []float64
		o := PictureOptions{N: 50, Cells: 8, Given: given, Told: func(c []float64, _ string) { told = c }}
		if err := r.Picture(t.Context(), io.Discard, kind, o); err != nil || !slices.Equal(told, given.X) {
			t.Errorf("%s of %v: told %v (%v)", kind, given.X, told, err)
		}
		o.Given, told = flow.Batch{}, nil
		if err := r.Picture(t.Context(), io.Discard, kind, o); err != nil || (len(told) == 1) !=
			(kind == "density" || kind == "field") {
			t.Errorf("%s of held-out contexts: told %v (%v)", kind, told, err)
		}
	}
	s, err := r.Subject(true)
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Calibration(t.Context(), 0)
	if err != nil || c.Points != 300 || c.Ranks[0].Name != "a" || c.Ranks[0].KSP < 1e-4 ||
		c.Coverage.Uniformity.KSP < 1e-4 {
		t.Errorf("the calibration of the posterior: %+v (%v)", c, err)
	}
	rep, err := s.Report(t.Context(), "calibration")
	if err != nil || rep.Calibration == nil || rep.Likelihood != nil {
		t.Errorf("calibration alone: %+v (%v)", rep, err)
	}
	if err := r.Picture(t.Context(), io.Discard, "calibration", PictureOptions{N: 50}); err != nil {
		t.Error(err)
	}
	for _, kind := range []string{"samples", "pairs", "density"} {
		var with, without bytes.Buffer
		for _, p := range []struct {
			w     *bytes.Buffer
			truth []float64
		}{{&with, []float64{1.5}}, {&without, nil}} {
			o := PictureOptions{N: 50, Cells: 8, Given: given, Truth: p.truth}
			if err := r.Picture(t.Context(), p.w, kind, o); err != nil {
				t.Fatal(err)
			}
		}
		if bytes.Equal(with.Bytes(), without.Bytes()) {
			t.Errorf("%s: the truth is not marked", kind)
		}
	}
	for want, o := range map[string]PictureOptions{
		"a picture of 2 contexts": {Given: flow.NewBatch(2, 1)},
		"a truth of 2 numbers":    {Given: given, Truth: []float64{1, 2}},
		"the model takes 1":       {Given: flow.NewBatch(1, 3)},
	} {
		if err := r.Picture(t.Context(), io.Discard, "samples", o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}

// TestAPictureOfAHeldOutContextIsOfItsClass: a context under the class of another point may be none that
// the model has ever seen.
func TestAPictureOfAHeldOutContextIsOfItsClass(t *testing.T) {
	var b strings.Builder
	b.WriteString("a,x,kind\n")
	for i := range 100 {
		fmt.Fprintf(&b, "%g,%g,%d\n", math.Sin(float64(i)), math.Cos(float64(3*i)), min(i%10, 1))
	}
	file := filepath.Join(t.TempDir(), "sims.csv")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := ParseConfig([]byte("data: {path: "+file+", context: [x], label: kind}\nconditional: true\n"+
		"net: {residual: {width: 8, blocks: 1}}\ntrain: {steps: 20, batch: 32}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Train(t.Context(), cfg, filepath.Join(t.TempDir(), "run"), TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	told := ""
	a, err := r.artist(PictureOptions{N: 10, Told: func(_ []float64, class string) { told = class }}, "density")
	if err == nil {
		err = a.context("density")
	}
	if err != nil {
		t.Fatal(err)
	}
	_, held, err := a.subject.TestPoints(1)
	if err != nil || held.Label[0] != 1 || !slices.Equal(a.Label, held.Label) ||
		!strings.HasSuffix(a.about, ", the first held out, class 1") || told != "1" {
		t.Errorf("the picture %q is of class %v, %q; want %v, the second (%v)", a.about, a.Label, told, held.Label, err)
	}
	// A picture of all classes says so.
	a, err = r.artist(PictureOptions{N: 10, Given: flow.Batch{N: 1, D: 1, X: []float64{0.5}}}, "pairs")
	if err == nil {
		err = a.context("pairs")
	}
	if err != nil || a.about != "given x = 0.5, every class in turn" {
		t.Errorf("a picture of all classes: %q (%v)", a.about, err)
	}
}

// TestAPictureOfCouplingsIsOfTheRunsWeight: what a run leaves to the default looks as the default does, and
// another weight of contexts gives other pairs.
func TestAPictureOfCouplingsIsOfTheRunsWeight(t *testing.T) {
	r := linearPosterior(t, "5")
	draw := func(c coupling.Config) string {
		var b bytes.Buffer
		r.Config.Coupling = c
		if err := r.Picture(t.Context(), &b, "couplings", PictureOptions{N: 100}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	usual := draw(coupling.Config{Name: "independent"})
	if draw(coupling.Config{Name: "ot", ContextWeight: new(coupling.DefaultContextWeight)}) != usual {
		t.Error("the default weight is not that of the picture of other runs")
	}
	if draw(coupling.Config{Name: "ot", ContextWeight: new(0.0)}) == usual {
		t.Error("a run whose coupling sees no contexts is drawn with one that does")
	}
}
