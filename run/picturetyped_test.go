package run

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/flow"
)

// The window of a picture is wider than what bounded columns can be: points beyond have no velocity.
func TestFieldsOfBoundedColumnsAreDrawn(t *testing.T) {
	var text strings.Builder
	text.WriteString("a,b\n")
	for i := range 200 {
		fmt.Fprintf(&text, "%d,%d\n", i*7%50, i*11%60)
	}
	file := filepath.Join(t.TempDir(), "bounded.csv")
	if err := os.WriteFile(file, []byte(text.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	cfg := parseText(t, "data: {schema: auto, val: 20, test: 30, transforms: {a: logit, b: log1p}}\n"+
		"net: {hidden: [8]}\ntrain: {steps: 5, batch: 16}\neval: {solver: euler, steps: 4}", "data.path="+file)
	r, err := Train(t.Context(), cfg, filepath.Join(t.TempDir(), "run"), TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Picture(t.Context(), io.Discard, "field", PictureOptions{N: 50}); err != nil {
		t.Error(err)
	}
	f, err := r.Model.Field(flow.Given{})
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float64, 4)
	if err := (inDataUnits{f, r.Model.Spec().Units()}).Velocity(v, 0.5, []float64{-10, 30, 20, 30}); err != nil {
		t.Fatal(err)
	}
	if v[0] != 0 || v[1] != 0 || v[2] == 0 || v[3] == 0 {
		t.Errorf("velocities %v; want none beyond the bounds, and some within", v)
	}
}

// Where no points are held out, pictures show where samples lie.
func TestPicturesWithoutHeldOutPoints(t *testing.T) {
	file := filepath.Join(t.TempDir(), "line.csv")
	if err := os.WriteFile(file, []byte("a\n1001.5\n1002.25\n1004\n1003.5\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	cfg := parseText(t, "data: {val: 0, test: 0}\nnet: {hidden: [8]}\ntrain: {steps: 5, batch: 16}\n"+
		"eval: {solver: euler, steps: 4}", "data.path="+file)
	r, err := Train(t.Context(), cfg, filepath.Join(t.TempDir(), "run"), TrainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"density", "field", "samples"} {
		if err := r.Picture(t.Context(), io.Discard, kind, PictureOptions{N: 50, Cells: 8}); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	a, err := r.artist(PictureOptions{N: 50}, "density")
	if err != nil {
		t.Fatal(err)
	}
	x, err := a.typical(t.Context())
	if err != nil || x.N == 0 || x.X[0] < 900 || x.X[0] > 1100 {
		t.Errorf("typical points %v, %v; want samples around 1003", x.X[:min(len(x.X), 3)], err)
	}
}
