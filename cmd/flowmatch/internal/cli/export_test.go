package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/engine/onnx"
	"flowmatch/metrics"
)

// rewrite changes files of statistics.
func rewrite(t *testing.T, files []string, change func(s *metrics.FeatureStats)) {
	t.Helper()
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		s, err := metrics.ReadFeatureStats(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		change(&s)
		var out bytes.Buffer
		if err := metrics.WriteFeatureStats(&out, s); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f, out.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func shifted(t *testing.T, files []string, by float64) {
	t.Helper()
	rewrite(t, files, func(s *metrics.FeatureStats) { s.Mean[0] += by })
}

func renamed(t *testing.T, files []string) {
	t.Helper()
	rewrite(t, files, func(s *metrics.FeatureStats) { s.Split = "another" })
}

func TestExportWritesAFileWithWhatItMeans(t *testing.T) {
	dir, out := trained(t), filepath.Join(t.TempDir(), "field.onnx")
	got := succeedJSON(t, "export", dir, "--out", out, "--check", "3")
	m, err := onnx.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"flowmatch.prediction": "velocity", "flowmatch.shape": "[2]", "flowmatch.step": "20",
		"flowmatch.path": "condot",
		"flowmatch.time": "0 is noise", "flowmatch.span": "[0,1]", "flowmatch": `"hidden":[8]`,
	} {
		if !strings.Contains(m.Metadata[key], want) {
			t.Errorf("metadata %s is %q; want %q in it", key, m.Metadata[key], want)
		}
	}
	if got["output"] != "velocity float [N, 2]" {
		t.Errorf("the output is %v; want velocity float [N, 2]", got["output"])
	}
	for _, f := range []string{"x", "t", "output"} {
		if _, err := os.Stat(filepath.Join(got["check"].(string), f+".npy")); err != nil {
			t.Error(err)
		}
	}
	if text := succeed(t, "export", dir, "--out", out); !strings.Contains(text, "x float [N, 2], t float [N]") {
		t.Errorf("standard output does not name the inputs:\n%s", text)
	}
}

func TestExportRefusesWhatAFileCannotHold(t *testing.T) {
	tmp := t.TempDir()
	noise := filepath.Join(tmp, "noise")
	yaml := writeText(t, "noise.yaml", strings.Replace(tinyRun, "batch: 16", "batch: 16, prediction: noise", 1))
	succeed(t, "train", yaml, "--out", noise, "--set", "path.name=vp", "-q")
	for _, c := range []struct{ args, want string }{
		{noise + " --out " + tmp + "/a.onnx", "--raw"},
		{noise + " --average --out " + tmp + "/a.onnx", "export it without --average"},
		{noise + " --raw --average --out " + tmp + "/a.onnx", "average"},
		{noise + " --out " + tmp + "/a.pb", ".onnx"},
		{noise, `"out" not set`},
		{"nowhere --out " + tmp + "/a.onnx", "not a run's folder"},
		{noise + " --raw --check -1 --out " + tmp + "/a.onnx", "--check is -1"},
	} {
		if code, _, stderr := invoke(t,
			append([]string{"export"}, strings.Fields(c.args)...)...); code != exitUsage ||
			!strings.Contains(stderr, c.want) {
			t.Errorf("export %s: exit code %d, %q; want %d and %q", c.args, code, stderr, exitUsage, c.want)
		}
	}
	raw := succeedJSON(t, "export", noise, "--raw", "--out", filepath.Join(tmp, "raw.onnx"))
	if raw["output"] != "noise float [N, 2]" {
		t.Errorf("the raw output is %v; want noise float [N, 2]", raw["output"])
	}
}

// exportedImages exports a run of images by class.
func exportedImages(t *testing.T, dir string, side int) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "images.onnx")
	succeed(t, "export", dir, "--out", out)
	m, err := onnx.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	in := m.Graph.Inputs
	if len(in) != 3 || len(in[0].Dims) != 3 || in[0].Dims[1].Size != int64(side) || in[2].Name != "label" ||
		in[2].Type != onnx.Int64 {
		t.Errorf("inputs %v; want images of %d by %d, times and labels", in, side, side)
	}
}
