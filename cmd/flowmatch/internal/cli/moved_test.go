package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// copied returns a copy of the folder of a run, with a part of its run.yaml replaced.
func copied(t *testing.T, dir, old, new string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "run")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(to, "run.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("no %q in\n%s", old, text)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), old, new, 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	return to
}

// A run of an engine that is not here can be exported on another, as the error advises; its
// losses need none.
func TestARunOfAnEngineThatIsNotHere(t *testing.T) {
	dir := copied(t, trained(t), "backend: native", "backend: xla")
	onnx, png := filepath.Join(t.TempDir(), "f.onnx"), filepath.Join(t.TempDir(), "l.png")
	if code, _, stderr := invoke(t, "export", dir, "--out", onnx); code == 0 {
		t.Skip("xla is here")
	} else if !strings.Contains(stderr, "--backend native") {
		t.Errorf("the error has no advice: %q", stderr)
	}
	succeed(t, "export", dir, "--out", onnx, "--backend", "native")
	succeed(t, "plot", dir, "--kind", "loss", "--out", png)
	if code, _, stderr := invoke(t, "export", dir, "--out", onnx, "--backend", "nativ"); code != 2 {
		t.Errorf("a backend that is none: exit code %d, %q", code, stderr)
	}
}

// Where there is no place for the key of the user, a training says how its run is opened.
func TestATrainingWithoutAKeySaysHowItsRunIsOpened(t *testing.T) {
	file := writeText(t, "a.csv", "a,b\n"+strings.Repeat("1,2\n2.5,1\n0,3\n", 30))
	config := writeText(t, "run.yaml", "data: {path: "+file+"}\nnet: {hidden: [4]}\ntrain: {steps: 4, batch: 8}\n")
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "AppData", "home"} {
		t.Setenv(name, "")
	}
	dir := filepath.Join(t.TempDir(), "run")
	got := succeed(t, "train", config, "--out", dir, "-q")
	if !strings.Contains(got, "cannot be marked as made here") || !strings.Contains(got, "with --set data.path=FILE") {
		t.Errorf("the training says\n%s", got)
	}
	succeed(t, "eval", dir, "--only", "samples", "--set", "data.path="+file)
}

// Data that have moved are given to compare as to eval.
func TestRunsWhoseDataHaveMovedAreCompared(t *testing.T) {
	var points strings.Builder
	points.WriteString("a,b\n")
	for i := range 120 {
		points.WriteString([]string{"1,2", "2.5,1", "0,3", "4,1.5"}[i%4] + "\n")
	}
	file := writeText(t, "a.csv", points.String())
	config := writeText(t, "run.yaml", "data: {path: "+file+"}\nnet: {hidden: [4]}\n"+
		"train: {steps: 4, batch: 8}\neval: {solver: euler, steps: 3, samples: 10, test: 10}\n")
	first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
	for k, dir := range []string{first, second} {
		succeed(t, "train", config, "--out", dir, "-q", "--set", "train.lr="+[]string{"0.01", "0.02"}[k])
	}
	moved := writeText(t, "b.csv", points.String())
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if code, _, _ := invoke(t, "compare", first, second); code != 1 {
		t.Errorf("without the data: exit code %d, want 1", code)
	}
	if text := succeed(t, "compare", first, second, "--set", "data.path="+moved); !strings.Contains(text, "W2") {
		t.Errorf("with the data:\n%s", text)
	}
	if code, _, stderr := invoke(t, "compare", first, second, "--set", "seed=3"); code != 2 {
		t.Errorf("a setting that is no path: exit code %d, %q", code, stderr)
	}
}

// What the error of a first line in doubt advises is a flag of logp.
func TestAFirstLineInDoubt(t *testing.T) {
	dir, file := trained(t), writeText(t, "p.csv", "0,1\n0.5,0.25\n-1.5,0.75\n1.25,0.5\n")
	code, _, stderr := invoke(t, "logp", dir, "--data", file)
	if code == 0 || !strings.Contains(stderr, "--set data.header=true") {
		t.Fatalf("exit code %d, %q; want doubt", code, stderr)
	}
	for value, want := range map[string]float64{"true": 3, "false": 4} {
		got := succeedJSON(t, "logp", dir, "--data", file, "--set", "data.header="+value)
		if got["points"] != want {
			t.Errorf("header %s: %v points, want %v", value, got["points"], want)
		}
	}
	for _, args := range [][]string{{"--data", file, "--set", "data.header=maybe"},
		{"--dataset", "moons", "--n", "3", "--set", "data.header=true"}} {
		if code, _, stderr := invoke(t, append([]string{"logp", dir}, args...)...); code != 2 ||
			!strings.Contains(stderr, "--set data.header") {
			t.Errorf("%q: exit code %d, %q", args, code, stderr)
		}
	}
}
