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
	cfg := parseText(t, "data: {schema: auto, val: 20, test: 30, transforms: {a: logit, b: log1p}}\nnet: {hidden: [8]}\n"+
		"train: {steps: 5, batch: 16}\neval: {solver: euler, steps: 4}", "data.path="+file)
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
