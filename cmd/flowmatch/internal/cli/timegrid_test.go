package cli

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
	"flowmatch/run"
)

// ofImages is a run that nobody has trained, of the network and images of 4 by 8 pixels: it predicts 0 for the
// data, so that its samples depend on the steps.
func ofImages(t *testing.T, cfg nn.Config) string {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.New(eng, cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	spec := model.Spec{Path: path.Config{Name: "condot"}, Prediction: path.Data, Shape: []int{4, 8, 1}}
	m, err := model.New(spec, net)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "run")
	if _, err := run.Adopt(m, dir, run.AdoptOptions{}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The number is that of diffusers' calculate_shift for 8 patches: exp(0.5 + 0.65 (8 - 256)/3840).
func TestTheShiftOfThePatchesIsThatOfTheirNumber(t *testing.T) {
	const patches8 = "1.58094"
	dit := ofImages(t, nn.Config{Dim: 32, DiT: &nn.DiT{Image: []int{4, 8, 1}, Patch: 2, Width: 8, Depth: 1, Heads: 1}})
	out := filepath.Join(t.TempDir(), "s.npy")
	for _, solver := range []string{"euler", "ddpm"} {
		draw := func(by string) []float64 {
			args := "sample " + dit + " --n 2 --steps 4 --solver " + solver + " --shift " + by + " --out " + out
			if text := succeed(t, strings.Fields(args)...); !strings.Contains(text, "shift="+patches8) {
				t.Errorf("--shift %s: told %s", by, text)
			}
			return readTable(t, out).X.X
		}
		if auto, given := draw(autoShift), draw("1.5809422"); !near(auto, given, 1e-5) {
			t.Errorf("%s: samples %v, by the number %v", solver, auto[:4], given[:4])
		}
		even := drawEven(t, dit, solver, out) // ddpm ends with what is predicted, which is 0 on any grid
		if solver == "euler" && slices.Equal(even, draw(autoShift)) {
			t.Error("the shift changes nothing")
		}
	}
	mlp := ofImages(t, nn.Config{Dim: 32, Hidden: []int{4}})
	file := filepath.Join(filepath.Dir(out), "m.onnx")
	for args, want := range map[string]string{
		"sample " + mlp + " --n 2 --steps 4 --solver euler --shift auto --out " + out: "has none; give a number",
		"sample " + mlp + " --n 2 --steps 4 --solver ddim --shift auto --out " + out:  "has none; give a number",
		"export " + mlp + " --sampler euler --shift auto --out " + file:               "has none; give a number",
		"sample " + dit + " --n 2 --steps 4 --solver euler --shift atuo --out " + out: "a number above 0, or auto",
		"sample http://127.0.0.1:1/m --n 2 --steps 4 --shift auto --out " + out:       "does not tell the patches",
	} {
		code, _, stderr := invoke(t, strings.Fields(args)...)
		if code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%s: code %d, want 2 and %q, got %s", args, code, want, stderr)
		}
	}
	got := succeedJSON(t, "export", dit, "--sampler", "euler", "--shift", "auto", "--out", file)
	if got["output"] != "samples float [N, 4, 8, 1]" {
		t.Errorf("exported %v", got)
	}
}

// drawEven draws two samples in four equal steps.
func drawEven(t *testing.T, dir, solver, out string) []float64 {
	t.Helper()
	succeed(t, strings.Fields("sample "+dir+" --n 2 --steps 4 --solver "+solver+" --out "+out)...)
	return readTable(t, out).X.X
}
