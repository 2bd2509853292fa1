package cli

import (
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestImagesAreMadeFromImages(t *testing.T) {
	const n, side = 40, 8
	pix := make([]byte, n*side*side)
	for i := range pix {
		pix[i] = byte(i * i)
	}
	tmp := t.TempDir()
	writeIDX(t, filepath.Join(tmp, "t-images-idx3-ubyte"), pix, n, side, side)
	small := writeIDX(t, filepath.Join(tmp, "small-idx"), pix[:5*side*side/4], 5, side/2, side/2)
	yaml := filepath.Join(tmp, "run.yaml")
	config := `
data: {path: t-images-idx3-ubyte, val: 4, test: 10}
condition: {kind: superres, factor: 2}
net: {unet: {channels: 4, mult: [1, 1], blocks: 1}}
train: {steps: 4, batch: 8}
eval: {solver: euler, steps: 2, samples: 3, test: 3}
`
	if err := os.WriteFile(yaml, []byte(config), 0o666); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(tmp, "run")
	if out := succeed(t, "train", yaml, "--out", dir, "-q"); !strings.Contains(out, "--condition test") {
		t.Errorf("what comes next after training is %q; want a command with --condition", out)
	}
	picture := filepath.Join(tmp, "p.png")
	size := func(conditions string, want image.Point) {
		t.Helper()
		succeed(t, "sample", dir, "--n", "4", "--condition", conditions, "--out", picture, "-q")
		f, err := os.Open(picture)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		c, err := png.DecodeConfig(f)
		if got := image.Pt(c.Width, c.Height); err != nil || got != want {
			t.Errorf("--condition %s: a picture of %v (%v), want %v", conditions, got, err, want)
		}
	}
	// Tiles of 8 and gaps of 2, at scale 6: 6 by 2 with the originals, 4 by 2 without. Two groups
	// have 4 more between them, and names above of 15.
	size("test", image.Pt(6*(6*10+2+4), 6*(2*10+2)+15))
	size(small, image.Pt(6*(4*10+2+4), 6*(2*10+2)+15))
	csv := filepath.Join(tmp, "x.csv")
	got := succeedJSON(t, "sample", dir, "--n", "2", "--condition", small, "--logp", "--out", csv, "-q")
	if got["condition"] != small || got["mean_logp"] == nil {
		t.Errorf("got %v", got)
	}
	rep := succeedJSON(t, "eval", dir, "-q")
	goldenJSON(t, "eval-condition", rep)
	if rep["condition"].(map[string]any)["factor"] != 2.0 ||
		rep["samples"].(map[string]any)["restoration"].(map[string]any)["images"] != 3.0 {
		t.Errorf("the report is %v", rep)
	}
	if text := succeed(t, "eval", dir, "-q"); !strings.Contains(text, "superres, factor 2") ||
		!strings.Contains(text, "(input: ") {
		t.Errorf("the report is %s", text)
	}
	images := filepath.Join(tmp, "t-images-idx3-ubyte")
	if got := succeedJSON(t, "logp", dir, "--data", images, "-q"); got["points"] != float64(n) {
		t.Errorf("the densities of %v points", got["points"])
	}
	// A run without a condition completes images.
	plain := filepath.Join(tmp, "plain")
	succeed(t, "train", yaml, "--out", plain, "--set", "condition={}", "-q")
	succeed(t, "sample", plain, "--n", "4", "--condition", "test", "--mask", "left", "--out", picture, "-q")
	for want, args := range map[string][]string{
		"give --condition FILE, or --condition test": {"sample", dir, "--n", "2", "--out", csv},
		"give --mask": {"sample", plain, "--n", "2", "--condition", "test", "--out", csv},
		"--mask needs an ODE": {"sample", plain, "--n", "2", "--condition", "test", "--mask", "left", "--solver",
			"ddpm", "--out", csv},
		"--mask is for --cond": {"sample", dir, "--n", "2", "--condition", "test", "--mask", "left", "--out", csv},
		"no such file": {"sample", dir, "--n", "1", "--condition", filepath.Join(tmp, "gone.png"), "--out",
			csv},
	} {
		if code, _, stderr := invoke(t, append(args, "-q")...); code != 2 || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d, %q; want 2 and %q", args, code, stderr, want)
		}
	}
}
