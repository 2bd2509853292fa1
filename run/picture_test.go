package run

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/internal/seed"
)

// A velocity that is singular at an end is drawn where it is not.
func TestPicturesKeepToTheModelsSpan(t *testing.T) {
	for _, prediction := range []string{"data", "noise", "score"} {
		r := trained(t, strings.Replace(tiny, "train: {", "train: {prediction: "+prediction+", ", 1))
		for _, kind := range Pictures() {
			if kind == "globe" || slices.Contains(PicturesOfImages(), kind) {
				continue
			}
			err := r.Picture(t.Context(), new(strings.Builder), kind, PictureOptions{N: 20, Cells: 4})
			if err != nil {
				t.Errorf("a picture of the %s of a prediction of %s: %v", kind, prediction, err)
			}
		}
	}
}

// Pictures of the plane choose two columns of points that have more.
func TestPicturesOfMoreThanTwoColumns(t *testing.T) {
	file := filepath.Join(t.TempDir(), "wide.csv")
	rng := seed.Rand(1, "run picture test", 0)
	var text strings.Builder
	for d := range 12 {
		fmt.Fprintf(&text, "col%d,", d)
	}
	text.WriteString("last\n")
	for range 200 {
		for range 12 {
			fmt.Fprintf(&text, "%g,", rng.NormFloat64())
		}
		fmt.Fprintf(&text, "%g\n", 1000*rng.NormFloat64())
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
	for _, kind := range []string{"samples", "density", "field", "trajectories", "flow"} {
		var first []byte
		// The last pair has ranges a thousand apart.
		for _, columns := range [][2]int{{}, {0, 1}, {3, 12}} {
			var picture bytes.Buffer
			err := r.Picture(t.Context(), &picture, kind, PictureOptions{N: 100, Cells: 8, Columns: columns})
			if err != nil {
				t.Errorf("%s of columns %v: %v", kind, columns, err)
			}
			if first == nil {
				first = picture.Bytes()
			}
			if same := bytes.Equal(first, picture.Bytes()); same != (columns[1] != 12) {
				t.Errorf("%s of columns %v: the same picture as of the first two: %v", kind, columns, same)
			}
		}
		err := r.Picture(t.Context(), io.Discard, kind, PictureOptions{Columns: [2]int{1, 13}})
		if err == nil || !strings.Contains(err.Error(), "two different columns from 0 to 12") {
			t.Errorf("%s of columns that are not there: %v", kind, err)
		}
	}
}

func TestADensityOfManyDimensionsHasFewerCells(t *testing.T) {
	for dim, want := range map[int]int{2: 96, 64: 96, 256: 48, 1 << 12: 16, 1 << 20: 16} {
		if got := cellsFor(dim); got != want {
			t.Errorf("%d dimensions: %d cells, want %d", dim, got, want)
		}
	}
}
