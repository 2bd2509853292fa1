package cli

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/data/table"
	"flowmatch/engine/onnx"
	"flowmatch/flow"
	"flowmatch/metrics"
	"flowmatch/run"
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

// The numbers of the file are tested in package model, and beside onnxruntime by scripts/check-onnx.sh.
func TestExportWritesASampler(t *testing.T) {
	dir, out := trained(t), filepath.Join(t.TempDir(), "sampler.onnx")
	got := succeedJSON(t, "export", dir, "--sampler", "midpoint", "--shift", "2", "--out", out, "--check", "3")
	m, err := onnx.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if got["output"] != "samples float [N, 2]" || m.Metadata["flowmatch.sampler"] != "midpoint shift=2" {
		t.Errorf("the output is %v, the sampler %s", got["output"], m.Metadata["flowmatch.sampler"])
	}
	drawn, err := table.Read(filepath.Join(got["check"].(string), "output.npy"), table.Options{})
	if err != nil || drawn.X.N != 31*3 { // of 2 to 32 steps
		t.Errorf("%d samples to check (%v)", drawn.X.N, err)
	}
	for flags, want := range map[string]string{
		"--shift 2":                  "--shift is for --sampler",
		"--sampler eular":            `did you mean "euler"`,
		"--sampler euler --shift 0":  "--shift is 0",
		"--sampler euler --raw=true": "none of the others",
	} {
		line := "export " + dir + " --out " + out + " " + flags
		if code, _, text := invoke(t, strings.Fields(line)...); code != 2 || !strings.Contains(text, want) {
			t.Errorf("%s: exit code %d, %s; want 2 and %q", flags, code, text, want)
		}
	}
}

func TestExportRefusesWhatAFileCannotHold(t *testing.T) {
	dir, tmp := trained(t), t.TempDir()
	for _, c := range []struct{ args, want string }{
		{dir + " --average --out " + tmp + "/a.onnx", "export it without --average"},
		{dir + " --raw --average --out " + tmp + "/a.onnx", "average"},
		{dir + " --out " + tmp + "/a.pb", ".onnx"},
		{dir, `"out" not set`},
		{"nowhere --out " + tmp + "/a.onnx", "not a run's folder"},
		{dir + " --raw --check -1 --out " + tmp + "/a.onnx", "--check is -1"},
	} {
		if code, _, stderr := invoke(t,
			append([]string{"export"}, strings.Fields(c.args)...)...); code != exitUsage ||
			!strings.Contains(stderr, c.want) {
			t.Errorf("export %s: exit code %d, %q; want %d and %q", c.args, code, stderr, exitUsage, c.want)
		}
	}
}

// A run is exported as the velocity, whatever its network learnt, or as that with --raw. The
// points of --check are those of the span, with what the field makes of them.
func TestExportWritesTheVelocityOrTheNetworkAsItIs(t *testing.T) {
	tmp := t.TempDir()
	for _, c := range []struct{ path, precondition, raw string }{
		{"vp", "true", "preconditioned"}, {"vp", "false", "noise"}, {"condot", "false", "noise"},
	} {
		dir := filepath.Join(tmp, c.path+c.precondition)
		yaml := writeText(t, "noise.yaml", strings.Replace(tinyRun, "batch: 16", "batch: 16, prediction: noise", 1))
		succeed(t, "train", yaml, "--out", dir, "-q",
			"--set", "path.name="+c.path, "--set", "precondition="+c.precondition)
		raw := succeedJSON(t, "export", dir, "--raw", "--out", dir+".raw.onnx", "--check", "20")
		if want := c.raw + " float [N, 2]"; raw["output"] != want {
			t.Errorf("%v: the raw output is %v; want %s", c, raw["output"], want)
		}
		got := succeedJSON(t, "export", dir, "--out", dir+".onnx", "--check", "20")
		if got["output"] != "velocity float [N, 2]" {
			t.Errorf("%v: the output is %v; want velocity float [N, 2]", c, got["output"])
		}
		r, err := run.Open(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		read := func(res map[string]any, name string) flow.Batch {
			b, err := table.Read(filepath.Join(res["check"].(string), name+".npy"), table.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return b.X
		}
		field, err := r.Model.Field(flow.Given{})
		if err != nil {
			t.Fatal(err)
		}
		network, err := r.Model.Net().Bind(flow.Given{})
		if err != nil {
			t.Fatal(err)
		}
		sameCheck(t, read(got, "x"), read(got, "t"), read(got, "output"), field)
		sameCheck(t, read(raw, "x"), read(raw, "t"), read(raw, "output"), network)
		lo, hi := r.Model.Span()
		for _, at := range read(got, "t").X {
			if at < lo || at > hi {
				t.Errorf("%v: a time %g outside of the span [%g, %g]", c, at, lo, hi)
			}
		}
	}
}

// sameCheck compares the output of --check with that of a field.
func sameCheck(t *testing.T, x, at, output flow.Batch, f flow.Field) {
	t.Helper()
	for i := range x.N {
		want := make([]float64, x.D)
		if err := f.Velocity(want, at.X[i], x.Row(i)); err != nil {
			t.Fatal(err)
		}
		for k, v := range output.Row(i) {
			if math.Abs(v-want[k]) > 1e-6*(1+math.Abs(want[k])) {
				t.Errorf("point %d: output %v, want %v", i, output.Row(i), want)
			}
		}
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
