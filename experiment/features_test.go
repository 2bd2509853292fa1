package experiment_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"flowmatch/experiment"
)

// pictured is a grid of images with every measure and picture of them.
const pictured = `title: Pictured
seeds: [1, 2]
base:
  data: {path: x-idx3-ubyte, labels_path: y-idx1-ubyte, val: 8, test: 24, split_seed: 1}
  net: {unet: {channels: 8, mult: [1], blocks: 1}}
  train: {steps: 4, batch: 4, val_every: 0, snapshot_every: 2, optimizer: {ema_decay: 0.5}}
  eval: {solver: midpoint, steps: 2, samples: 12, test: 3, dequantizations: 2, divergence: hutchinson}
tasks: [{name: stripes}]
methods: [{name: FM}, {name: diffusion, set: {path.name: vp}}]
classifier: {steps: 3, batch: 4}
measure: [likelihood, bpd, features]
measure_first: [feature_solvers, feature_stages]
tables:
  - {title: All, floor: fid_data, values: [{value: fid, title: FID}, {value: bpd_2, title: BPD}]}
pictures:
  - {kind: samples, file: samples, caption: Samples.}
  - {kind: times, file: times, caption: Paths.}
  - {kind: stages, file: stages, caption: Stages.}
  - {kind: nfe, file: nfe, caption: NFE.}
  - {kind: curves, file: fid, caption: FID., curves: [fid/euler], x: NFE, y: FID}
`

// stripes writes 60 images of 8x8 bytes in two classes, rows and columns, into a folder.
func stripes(t *testing.T) (dir string) {
	t.Helper()
	const n, side = 60, 8
	pixels, labels := []byte{0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, side, 0, 0, 0, side}, []byte{0, 0, 8, 1, 0, 0, 0, n}
	for i := range n {
		labels = append(labels, byte(i%2))
		for p := range side * side {
			at := [2]int{p / side, p % side}[i%2]
			v := byte((31 * (i + 1) * (p + 7)) % 97)
			if at == (i/2)%side {
				v = 250
			}
			pixels = append(pixels, v)
		}
	}
	dir = t.TempDir()
	for name, b := range map[string][]byte{"x-idx3-ubyte": pixels, "y-idx1-ubyte": labels} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// ofStripes plans the grid of images.
func ofStripes(t *testing.T, text, dir string) (experiment.Grid, []experiment.Cell) {
	t.Helper()
	g, cells := plan(t, text, dir)
	if found, err := experiment.DataIn(stripes(t), cells); err != nil || !found {
		t.Fatalf("the data are files: %v, %v", found, err)
	}
	return g, cells
}

func TestImagesAreComparedByFeatures(t *testing.T) {
	dir := t.TempDir()
	g, cells := ofStripes(t, pictured, dir)
	classifiers := 0
	results, err := experiment.Run(t.Context(), g, cells, experiment.RunOptions{
		Classifier: func(task string, steps int) {
			if classifiers++; task != "stripes" || steps != 3 {
				t.Errorf("a classifier of %s in %d steps", task, steps)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if classifiers != 1 {
		t.Errorf("%d classifiers were trained, want one for all", classifiers)
	}
	experiment.AllKnown(t, g, results)
	for _, r := range results {
		checkFeatures(t, r)
	}
	files, err := experiment.Draw(t.Context(), g, cells, results, filepath.Join(dir, "pictures"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range g.Pictures {
		if b, err := os.ReadFile(files[p.File].File); err != nil || !bytes.HasPrefix(b, []byte("\x89PNG")) {
			t.Errorf("picture %s: %v", p.File, err)
		}
	}
	var page bytes.Buffer
	made := experiment.Page{Name: "pictured", Pictures: files, Command: "flowmatch experiment pictured with data"}
	if err := made.Write(&page, g, results); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"```sh\nflowmatch experiment pictured with data\n```\n", "| data to data | ",
		" minutes of measuring",
	} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, page.String())
		}
	}
}

// checkFeatures checks a result of pictured.
func checkFeatures(t *testing.T, r experiment.Result) {
	t.Helper()
	v := r.Values
	for _, name := range []string{
		"nll", "bpd", "bpd_se", "bpd_1", "bpd_1_se", "bpd_2", "bpd_nfe", "fid", "fid_data", "kid", "precision",
		"recall", "accuracy", "nfe", "fid_nfe", "measure_seconds",
	} {
		if _, ok := v[name]; !ok {
			t.Errorf("%s, seed %d: no %s", r.Method, r.Seed, name)
		}
	}
	// Equal steps have no tolerance to be widened: K = 1 is measured twice.
	if _, both := v["bpd"]; both && v["bpd_error"] != v["bpd_1"]-v["bpd"] {
		t.Errorf("%s: bits per dimension %g and %g, error %g", r.Method, v["bpd_1"], v["bpd"], v["bpd_error"])
	}
	if !near(v["bpd"], v["bpd_1"]) || !near(v["bpd_se"], v["bpd_1_se"]) || v["bpd_2"] == v["bpd_1"] {
		t.Errorf("%s: bits per dimension %g ± %g and %g ± %g, with two samples %g", r.Method, v["bpd"], v["bpd_se"],
			v["bpd_1"], v["bpd_1_se"], v["bpd_2"])
	}
	c := r.Curves
	if r.Seed != 1 {
		if len(c) > 0 {
			t.Errorf("seed %d has the curves of the first", r.Seed)
		}
		return
	}
	// The last snapshot is the model, and the midpoint rule of 4 evaluations its sampler.
	steps, fid := c["fid_by_step"].X, c["fid_by_step"].Y
	if !reflect.DeepEqual(steps, []float64{2, 4}) || fid[1] != v["fid"] || fid[0] == fid[1] ||
		v["fid_4/midpoint"] != v["fid"] || v["nfe_last"] != 4 || v["nfe_spread"] != 0 {
		t.Errorf("%s: FID %g; at steps %v %v, of the midpoint rule %g; NFE %g", r.Method, v["fid"], steps, fid,
			v["fid_4/midpoint"], v["nfe_last"])
	}
	want := []float64{4, 8, 16, 32, 100}
	for _, name := range []string{"fid/euler", "fid/midpoint", "fid/heun2"} {
		if !reflect.DeepEqual(c[name].X, want) || slices.Min(c[name].Y) < 0 {
			t.Errorf("%s: %s at NFE %v is %v", r.Method, name, c[name].X, c[name].Y)
		}
	}
}

func near(a, b float64) bool { return a-b < 1e-9*b && b-a < 1e-9*b }

// The last snapshot is the model: measured without the other one it is the same.
func TestTheLastSnapshotIsTheModel(t *testing.T) {
	g, cells := ofStripes(t, only(pictured, "feature_stages, features"), t.TempDir())
	results, err := experiment.Run(t.Context(), g, cells[:1], experiment.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := results[0]
	if y := r.Curves["fid_by_step"].Y; len(y) != 2 || y[1] != r.Values["fid"] || y[0] == y[1] {
		t.Errorf("FID of the snapshots %v, of the model %g", y, r.Values["fid"])
	}
}

// Measures of images take minutes: one that is done is not taken again.
func TestAGridStoppedWhileMeasuringGoesOnAtTheMeasure(t *testing.T) {
	text := strings.Replace(pictured, "measure_first: [feature_solvers, feature_stages]\n", "", 1)
	text = text[:strings.Index(text, "pictures:")]
	g, cells := ofStripes(t, text, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	var measured []string
	o := experiment.RunOptions{Measuring: func(_ experiment.Cell, measure string) {
		if measured = append(measured, measure); measure == "features" {
			cancel()
		}
	}}
	_, err := experiment.Run(ctx, g, cells[:1], o)
	if !errors.Is(err, context.Canceled) || len(measured) != 3 {
		t.Fatalf("measured %v, error %v", measured, err)
	}
	measured = nil
	got, err := experiment.Run(t.Context(), g, cells[:1], experiment.RunOptions{
		Measuring: func(_ experiment.Cell, measure string) { measured = append(measured, measure) },
	})
	if err != nil || !reflect.DeepEqual(measured, []string{"features"}) {
		t.Fatalf("measured %v, error %v; want the measure that was not done", measured, err)
	}
	g, cells = ofStripes(t, text, t.TempDir())
	want, err := experiment.Run(t.Context(), g, cells[:1], experiment.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []experiment.Result{got[0], want[0]} {
		for _, name := range []string{"seconds", "ms_per_step", "measure_seconds"} {
			delete(r.Values, name)
		}
	}
	if !reflect.DeepEqual(got[0].Values, want[0].Values) {
		t.Errorf("values %v after an interruption, %v without", got[0].Values, want[0].Values)
	}
}

// Runs with another classifier, and a classifier of other runs, are not taken for these.
func TestAClassifierOfOtherSettingsIsRefused(t *testing.T) {
	text := only(pictured, "features")
	dir := t.TempDir()
	g, cells := ofStripes(t, text, dir)
	if _, err := experiment.Run(t.Context(), g, cells[:1], experiment.RunOptions{}); err != nil {
		t.Fatal(err)
	}
	g, cells = ofStripes(t, strings.Replace(text, "steps: 3, batch", "steps: 2, batch", 1), dir)
	for i, want := range []string{"fm", "the classifier of"} {
		_, err := experiment.Run(t.Context(), g, cells[i:i+1], experiment.RunOptions{})
		if !errors.Is(err, experiment.ErrStale) || !strings.Contains(err.Error(), want) {
			t.Errorf("cell %d: got %v, want that the folder holds another one, %q", i, err, want)
		}
	}
}

func TestGridsOfFeaturesThatCannotRunAreRefused(t *testing.T) {
	text := strings.Replace(pictured, "dequantizations: 2, ", "", 1)
	for _, c := range []struct{ old, new, want string }{
		{"classifier: {steps: 3, batch: 4}\n", "", "measures of features need a classifier"},
		{"steps: 3, batch: 4", "steps: -3, batch: 4", "steps is -3 and batch 4; both must be at least 1"},
		{"steps: 3, batch: 4", "steps: 0", "classifier.steps is 0; leave the key out for the default 2000"},
		{", split_seed: 1", "", "set data.split_seed"},
		{", snapshot_every: 2", "", "keeps no snapshots"},
		{"{path: x-idx3-ubyte, labels_path: y-idx1-ubyte, val: 8, test: 24, split_seed: 1}\n  net: {unet: " +
			"{channels: 8, mult: [1], blocks: 1}}", "{name: moons}", "measures of features are for images"},
	} {
		experiment.Refused(t, text, c.old, c.new, c.want)
	}
	idle := strings.Replace(least, "measure: [samples]", "measure: [samples]\nclassifier: {}", 1)
	if _, err := experiment.Parse([]byte(idle)); err == nil ||
		!strings.Contains(err.Error(), "nothing that is measured needs it") {
		t.Errorf("a classifier without use: %v", err)
	}
	text = strings.Replace(least, "[samples]", "[bpd]", 1)
	g, cells := plan(t, text, t.TempDir())
	if err := experiment.Check(g, cells); err == nil || !strings.Contains(err.Error(), "bpd is for dequantised") {
		t.Errorf("bits of moons are checked: %v", err)
	}
	results, err := experiment.Run(t.Context(), g, cells, experiment.RunOptions{})
	if err != nil || !strings.Contains(results[0].Missing["bpd"], "bits per dimension are of dequantised images") {
		t.Errorf("bits of moons: %+v, %v", results, err)
	}
	if found, err := experiment.DataIn("x", cells); found || err != nil {
		t.Errorf("moons are files: %v, %v", found, err)
	}
}
