package run

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/plot"
)

// farAway trains on points around 1000 with a deviation of 50, in d columns.
func farAway(t *testing.T, d int) *Run {
	t.Helper()
	file := filepath.Join(t.TempDir(), "far.csv")
	rng := seed.Rand(1, "run picture far", 0)
	var text strings.Builder
	text.WriteString(strings.Join([]string{"a", "b"}[:d], ",") + "\n")
	for range 200 {
		for k := range d {
			fmt.Fprintf(&text, "%s%g", []string{"", ","}[k], 1000+50*rng.NormFloat64())
		}
		text.WriteString("\n")
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	cfg := parseText(t, "data: {val: 20, test: 30}\nnet: {hidden: [8]}\ntrain: {steps: 5, batch: 16}\n"+
		"eval: {solver: euler, steps: 4}", "data.path="+file)
	r, err := Train(t.Context(), cfg, filepath.Join(t.TempDir(), "run"), TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Points that move are in data units all the time, and so are the velocities of the field.
func TestPicturesAreInDataUnits(t *testing.T) {
	a, err := farAway(t, 2).artist(PictureOptions{N: 50}, "flow")
	if err != nil {
		t.Fatal(err)
	}
	path, _, err := a.flowPath(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for k, p := range path {
		for i, v := range p.X {
			if math.Abs(v-1000) > 400 {
				t.Fatalf("moment %d, number %d is %g; want it in data units, around 1000", k, i, v)
			}
		}
	}
	_, lim, err := a.window(t.Context(), [2]int{0, 1})
	if err != nil || lim.XMin < 600 || lim.XMax > 1400 || lim.XMax-lim.XMin < 100 {
		t.Errorf("limits %+v, %v; want those of the data", lim, err)
	}
	std := &data.Standardizer{Mean: []float64{1000, 5}, Std: []float64{50, 2}}
	f := inDataUnits{turning{}, std}
	v := make([]float64, 2)
	if err := f.Velocity(v, 0.5, []float64{1100, 11}); err != nil { // (2, 3) in model units
		t.Fatal(err)
	}
	if v[0] != -3*50 || v[1] != 2*2 {
		t.Errorf("velocity %v, want (-150, 4): that of the model times the deviations", v)
	}
}

// turning is the field v = (-y, x).
type turning struct{}

func (turning) Dim() int { return 2 }
func (turning) Velocity(v []float64, _ float64, x []float64) error {
	v[0], v[1] = -x[1], x[0]
	return nil
}

var _ flow.Field = turning{}

// Points on the line have every picture, in every format, with every option.
func TestPicturesOfPointsOnTheLine(t *testing.T) {
	r := farAway(t, 1)
	for _, kind := range Pictures() {
		if kind == "loss" || kind == "globe" || slices.Contains(PicturesOfImages(), kind) {
			continue
		}
		draw := func(o PictureOptions) []byte {
			o.N, o.Cells = 40, 8
			var b bytes.Buffer
			if err := r.Picture(t.Context(), &b, kind, o); err != nil {
				t.Fatalf("%s with %+v: %v", kind, o, err)
			}
			return b.Bytes()
		}
		plain := draw(PictureOptions{})
		for name, o := range map[string]PictureOptions{
			"title": {Title: "mine"}, "dpi": {DPI: 50}, "dark": {Dark: true},
			"limits": {Limits: plot.Limits{XMin: 0.1, XMax: 1200, YMin: 0.1, YMax: 1300}},
		} {
			if bytes.Equal(draw(o), plain) {
				t.Errorf("%s: the option %s has no effect", kind, name)
			}
		}
		if kind == "density" && bytes.Equal(draw(PictureOptions{Log: true}), plain) {
			t.Errorf("%s: log has no effect", kind)
		}
		if kind == "flow" {
			continue
		}
		if svg := draw(PictureOptions{Format: plot.SVG}); !bytes.HasPrefix(svg, []byte("<?xml")) {
			t.Errorf("%s as SVG begins with %q", kind, svg[:20])
		}
	}
}
