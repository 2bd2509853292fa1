package run

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/data/table"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/manifold"
)

// placesFile writes points about two places of the sphere, as latitudes and longitudes.
func placesFile(t *testing.T) string {
	t.Helper()
	m := manifold.Sphere{D: 2}
	law := manifold.Mixture{Parts: []manifold.Law{manifold.NewNormal(m, []float64{1, 0, 0}, 0.2),
		manifold.NewNormal(m, []float64{-0.6, 0, 0.8}, 0.3)}}
	x := flow.NewBatch(400, 3)
	manifold.Source{Law: law}.Sample(x, seed.Rand(1, "run/space", 0))
	space, err := manifold.Config{Name: "sphere"}.Resolve([]string{"latitude", "longitude"})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	text.WriteString("# two places\n")
	if err := table.EncodeCSV(&text, space.Columns, space.Rows(x)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "places.csv")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestARunOnTheSphereIsTrainedResumedAndOpened(t *testing.T) {
	file := placesFile(t)
	text := fmt.Sprintf("space: sphere\ndata: {path: %q, columns: [latitude, longitude]}\nnet: {hidden: [16]}\n"+
		"coupling: {name: ot}\n"+
		"train: {steps: %%d, batch: 32, val_every: 10, checkpoint_every: 10, schedule: constant}\n"+
		"eval: {solver: rk4, steps: 4, projected: true}\n", file)
	train := func(dir string, steps int, resume bool) *Run {
		cfg, err := ParseConfig(fmt.Appendf(nil, text, steps), nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Train(t.Context(), cfg, dir, TrainOptions{Resume: resume})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	once := train(filepath.Join(t.TempDir(), "once"), 20, false)
	dir := filepath.Join(t.TempDir(), "twice")
	train(dir, 10, false)
	train(dir, 20, true)
	twice, err := Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	a, err := once.Model.Net().Weights()
	if err != nil {
		t.Fatal(err)
	}
	b, err := twice.Model.Net().Weights()
	if err != nil {
		t.Fatal(err)
	}
	for i := range a {
		if a[i] != b[i] {
			t.Fatal("a training that stopped and one that did not end in other weights")
		}
	}
	if m := twice.Model.Manifold(); m != (manifold.Sphere{D: 2}) || twice.Config.Space.Name != "sphere" {
		t.Errorf("opened on %v, space %v", m, twice.Config.Space)
	}
	var png bytes.Buffer
	for kind, begins := range map[string]string{"samples": "\x89PNG", "density": "\x89PNG", "globe": "GIF89a",
		"loss": "\x89PNG"} {
		png.Reset()
		if err := twice.Picture(t.Context(), &png, kind, PictureOptions{N: 20, Cells: 6, DPI: 40}); err != nil ||
			!bytes.HasPrefix(png.Bytes(), []byte(begins)) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if err := twice.Picture(t.Context(), &png, "field", PictureOptions{}); err == nil ||
		!errors.Is(err, ErrPicture) || !strings.Contains(err.Error(), "of points of R^d") {
		t.Errorf("a field: %v", err)
	}
	rows := RowsOf(twice.Model.Spec(), Drawn{X: flow.Batch{N: 1, D: 3, X: []float64{0, 0, 1}}, LogP: []float64{2}})
	if strings.Join(rows.Names, ",") != "latitude,longitude" || math.Abs(rows.X.X[0]-90) > 1e-12 {
		t.Errorf("rows %v of %v", rows.X.X, rows.Names)
	}
}

// Everything that cannot go with a space is an error at once that says why.
func TestWhatCannotGoWithASpaceSaysWhy(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"space: sphree", `did you mean "sphere"?`},
		{"space: {name: sphere, radius: 2}", "radius"},
		{"space: [sphere]", "space"},
		{"space: {product: [sphere]}", "a product of one factor"},
		{"space: sphere\npath: {name: vp}", "path.name vp cannot go with space sphere"},
		{"space: sphere\npath: {sigma_min: 0.1}", "path.sigma_min cannot go"},
		{"space: sphere\ntrain: {objective: ml}", "train.objective ml cannot go"},
		{"space: sphere\ntrain: {objective: meanflow}", "train.objective meanflow cannot go"},
		{"space: sphere\ntrain: {prediction: noise}", "train.prediction noise cannot go"},
		{"space: sphere\ntrain: {weighting: sigma2}", "train.weighting sigma2 cannot go"},
		{"space: sphere\nsource: {name: moons}", "source.name moons cannot go"},
		{"space: sphere\nprecondition: true", "precondition is for points of R^d"},
		{"space: sphere\ndata: {schema: auto}", "schema is set"},
		{"eval: {projected: true}", "there is no space to project to"},
	} {
		text := c.text
		if !strings.Contains(text, "data:") {
			text += "\ndata: {path: places.csv}"
		} else {
			text = strings.Replace(text, "data: {", "data: {path: places.csv, ", 1)
		}
		if _, err := ParseConfig([]byte(text), nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.text, err, c.want)
		}
	}
	for _, text := range []string{"space: torus", "space: {name: sphere, source: normal, std: 0.5}",
		"space: {product: [sphere, {name: euclidean, dim: 2}]}"} {
		if _, err := ParseConfig([]byte(text+"\ndata: {path: places.csv}"), nil); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
