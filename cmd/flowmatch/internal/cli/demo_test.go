package cli

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/run"
)

// tinyDemo is the demo's run file, made small.
func tinyDemo(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	a := &app{stdout: &out, stderr: &err, demo: []byte(tinyRun)}
	code = a.execute(t.Context(), append([]string{"demo"}, args...))
	return code, out.String(), err.String()
}

func TestTheDemoLeavesItsFilesAndReports(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	code, stdout, stderr := tinyDemo(t, "--out", dir, "--json", "-q")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	rep := oneObject(t, stdout)
	goldenJSON(t, "demo", rep)
	fields := "run data step backend seed solver points nll std_err divergence nfe optimum gap pictures " +
		"train_seconds eval_seconds picture_seconds seconds"
	for _, f := range strings.Fields(fields) {
		if _, ok := rep[f]; !ok {
			t.Errorf("the report has no field %q: %v", f, rep)
		}
	}
	if rep["points"] != 60.0 || rep["divergence"] != "exact" ||
		math.Abs(rep["optimum"].(float64)-math.Log(32)) > 1e-12 {
		t.Errorf("report %v; want the exact divergence of all 60 held-out points against ln 32", rep)
	}
	files := []string{demoFile, run.ConfigFile, run.CheckpointFile, run.MetricsFile}
	for _, p := range demoPictures {
		files = append(files, p.file)
	}
	for _, f := range files {
		if info, err := os.Stat(filepath.Join(dir, f)); err != nil || info.Size() == 0 {
			t.Errorf("%s is missing or empty (%v)", f, err)
		}
	}

	// A second demo finds its own folder and does not train again.
	if err := os.WriteFile(filepath.Join(dir, "mine.txt"), []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	before := readFile(t, filepath.Join(dir, run.MetricsFile))
	code, stdout, stderr = tinyDemo(t, "--out", dir, "-q")
	if code != 0 || !strings.Contains(stdout, "gap") {
		t.Errorf("a second demo: exit code %d, standard error %q, standard output:\n%s", code, stderr, stdout)
	}
	if !bytes.Equal(before, readFile(t, filepath.Join(dir, run.MetricsFile))) ||
		string(readFile(t, filepath.Join(dir, "mine.txt"))) != "mine" {
		t.Error("a second demo trained again, or touched a file that is not its own")
	}
}

func TestTheDemoKeepsOffOtherFolders(t *testing.T) {
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "samples.png"), []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{other, trained(t)} {
		code, _, stderr := tinyDemo(t, "--out", dir, "-q")
		if code != exitUsage || !strings.Contains(stderr, "give another --out") {
			t.Errorf("demo --out %s: exit code %d, standard error %q; want a refusal", dir, code, stderr)
		}
	}
}

func TestTheDemoTrainsOnTheCheckerboardWithAKnownOptimum(t *testing.T) {
	cfg, err := run.ParseConfig(demoConfig, nil)
	if err != nil {
		t.Fatal(err)
	}
	set, err := cfg.Data.Open("", cfg.Seed)
	if err != nil {
		t.Fatal(err)
	}
	nll, known := set.OptimalNLL()
	if got := nll + set.LogDet(); !known || math.Abs(got-math.Log(32)) > 1e-12 {
		t.Errorf("the optimum is %.15g (known: %v), want ln 32 = %.15g", got, known, math.Log(32))
	}
	if set.Test.Len() != 10_000 {
		t.Errorf("%d held-out points, want 10,000", set.Test.Len())
	}
}

// The demo of the sphere compares with the density of its law, and draws a globe that turns.
func TestTheDemoOfTheSphereHasAMapAndAGlobe(t *testing.T) {
	demo := []byte("seed: 2\nspace: sphere\ndata: {name: wrapped, val: 10, test: 40}\nnet: {hidden: [8]}\n" +
		"train: {steps: 20, batch: 16, val_every: 10}\neval: {solver: rk4, steps: 4}\n")
	dir := filepath.Join(t.TempDir(), "demo")
	var stdout, stderr bytes.Buffer
	a := &app{stdout: &stdout, stderr: &stderr, demo: demoConfig, demoSphere: demo}
	if code := a.execute(t.Context(), []string{"demo", "--kind", "sphere", "--out", dir, "--json", "-q"}); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	rep := oneObject(t, stdout.String())
	if rep["points"] != 40.0 || rep["gap"] == nil || len(rep["pictures"].([]any)) != len(demoSpherePictures) {
		t.Errorf("report %v; want the likelihood of 40 points beside the optimum, and %d pictures", rep,
			len(demoSpherePictures))
	}
	for _, p := range demoSpherePictures {
		if info, err := os.Stat(filepath.Join(dir, p.file)); err != nil || info.Size() == 0 {
			t.Errorf("%s is missing or empty (%v)", p.file, err)
		}
	}
	cfg, err := run.ParseConfig(demoSphereConfig, nil)
	if err != nil {
		t.Fatal(err)
	}
	set, err := cfg.Data.Open("", cfg.Seed)
	if err != nil || set.Density == nil || set.Space == nil {
		t.Errorf("the demo's law is %+v (%v), want one of known density on the sphere", set, err)
	}
}
