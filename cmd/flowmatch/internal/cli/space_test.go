package cli

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A run on the torus: trained, sampled, evaluated and drawn in the columns of its file.
func TestARunOnTheTorusThroughTheCommandLine(t *testing.T) {
	var text strings.Builder
	text.WriteString("# torsion angles\nphi,psi\n")
	for i := range 200 {
		fmt.Fprintf(&text, "%g,%g\n", -60+20*math.Sin(float64(i)), 170+15*math.Cos(1.7*float64(i)))
	}
	data := writeText(t, "angles.csv", text.String())
	file := writeText(t, "run.yaml", fmt.Sprintf("space: torus\ndata: {path: %q}\nnet: {hidden: [8]}\n"+
		"train: {steps: 20, batch: 16, val_every: 10}\neval: {solver: rk4, steps: 4, samples: 20, test: 20}\n", data))
	dir := filepath.Join(t.TempDir(), "run")
	succeed(t, "train", file, "--out", dir, "-q")
	out := filepath.Join(t.TempDir(), "samples.csv")
	if text := succeed(t, "sample", dir, "--n", "5", "--logp", "--out", out); !strings.Contains(text,
		`5 points of a torus of dimension 2, in columns "phi", "psi", seed 0`) {
		t.Errorf("%s", text)
	}
	got, err := os.ReadFile(out)
	if err != nil || !strings.HasPrefix(string(got), "phi,psi,logp\n") {
		t.Fatalf("%s, %v", got, err)
	}
	logp := succeedJSON(t, "logp", dir, "--data", out, "--solver", "rk4", "--steps", "4")
	if n, ok := logp["points"].(float64); ok && n != 5 {
		t.Errorf("%v", logp)
	}
	rep := succeedJSON(t, "eval", dir, "--only", "likelihood,samples")
	if samples, ok := rep["samples"].(map[string]any); !ok || samples["paths"] != nil {
		t.Errorf("%v", rep["samples"])
	}
	succeed(t, "plot", dir, "--kind", "samples", "--out", filepath.Join(t.TempDir(), "samples.png"))
	for _, args := range [][]string{
		{"sample", dir, "--n", "5", "--solver", "ddim", "--out", out},
		{"plot", dir, "--kind", "trajectories", "--out", filepath.Join(t.TempDir(), "paths.png")},
		{"sample", dir, "--map", "--out", out},
	} {
		if code, _, stderr := invoke(t, args...); code == 0 || stderr == "" {
			t.Errorf("%v: exit code %d, %q", args, code, stderr)
		}
	}
}
