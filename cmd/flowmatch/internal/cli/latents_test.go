package cli

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/model/layout"
	"flowmatch/nn"
)

// onnxDecoder is the file of a decoder of latents in 4 channels, which makes images of twice their size.
func onnxDecoder() string {
	return filepath.Join("..", "..", "..", "..", "model", "layout", "testdata", "decoder.onnx")
}

// latentWeights writes the weights of a SiT of latents of 4 by 4 in 4 channels, with 3 classes.
func latentWeights(t *testing.T) string {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.New(eng, nn.Config{Dim: 64, Classes: 3, DiT: &nn.DiT{Image: []int{4, 4, 4}, Patch: 2, Width: 16,
		Depth: 1, Heads: 2, Time: &nn.TimeFeatures{Scale: 1}}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.New(model.Spec{Shape: []int{4, 4, 4}}, net)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "sit.safetensors")
	if _, err := layout.Export(m, "sit", file); err != nil {
		t.Fatal(err)
	}
	return file
}

// A run of latents with a decoder writes images, which are those that the decoder makes of its latents.
func TestALatentRunMakesImages(t *testing.T) {
	tmp := t.TempDir()
	at := func(name string) string { return filepath.Join(tmp, name) }
	out := succeed(t, "import", latentWeights(t), "--as", "sit", "--set", "num_heads=2", "--decoder", onnxDecoder(),
		"--decoder-scale", "0.5", "--out", at("run"))
	if want := "latents of 4 by 4 in 4 channels to images of 8 by 8 in 3"; !strings.Contains(out, want) {
		t.Errorf("the output has no %q:\n%s", want, out)
	}
	sample := func(args ...string) {
		base := []string{"sample", at("run"), "--n", "3", "--solver", "euler", "--steps", "2", "-q"}
		succeed(t, append(base, args...)...)
	}
	sample("--out", at("images.npy"))
	sample("--latents", "--out", at("latents.npy"))
	sample("--out", at("images.csv"))
	sample("--label", "1", "--guidance", "2", "--out", at("images.png"))
	sample("--logp", "--out", at("logp.npy"))
	latents := readTable(t, at("latents.npy")).X
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	d, err := model.OpenDecoder(model.HasDecoder(at("run")), eng)
	if err != nil {
		t.Fatal(err)
	}
	want, err := d.Decode(latents)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"images.npy", "images.csv"} {
		got := readTable(t, at(file)).X
		got = columnsUpTo(got, want.D) // behind them are the labels of a table
		if got.N != 3 || got.D != want.D || want.D != 8*8*3 {
			t.Fatalf("%s: images [%d, %d], want [3, 192]", file, got.N, got.D)
		}
		for i, v := range want.X {
			if math.Abs(got.X[i]-v) > 1e-9 {
				t.Fatalf("%s: number %d is %g, and the decoder makes %g of the latents", file, i, got.X[i], v)
			}
		}
	}
	res := succeedJSON(t, "logp", at("run"), "--data", at("latents.npy"), "--label", "0", "--divergence", "hutchinson",
		"--rtol", "1e-2", "--atol", "1e-2", "--points", "all")
	if res["of_latents"] != true {
		t.Errorf("logp says %v of what its points are", res["of_latents"])
	}
	succeed(t, "plot", at("run"), "--kind", "samples", "--n", "4", "--out", at("plot.png"), "-q")
}

// columnsUpTo returns the first columns of x.
func columnsUpTo(x flow.Batch, d int) flow.Batch {
	if x.D <= d {
		return x
	}
	y := flow.NewBatch(x.N, d)
	for i := range x.N {
		copy(y.Row(i), x.Row(i)[:d])
	}
	return y
}

func TestFlagsOfLatentsSayWhatIsWrong(t *testing.T) {
	tmp, file := t.TempDir(), latentWeights(t)
	with, without, out := filepath.Join(tmp, "with"), filepath.Join(tmp, "without"), filepath.Join(tmp, "out")
	succeed(t, "import", file, "--as", "sit", "--set", "num_heads=2", "--decoder", onnxDecoder(), "--decoder-scale",
		"1", "--out", with)
	succeed(t, "import", file, "--as", "sit", "--set", "num_heads=2", "--out", without)
	as := " --as sit --set num_heads=2 --out " + out
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"import " + file + as + " --decoder " + onnxDecoder(), exitUsage, "--decoder-scale"},
		{"import " + file + as + " --decoder-scale 2", exitUsage, "is for --decoder"},
		{"import " + file + as + " --decoder-scale 0 --decoder " + onnxDecoder(), exitUsage, "above 0"},
		{"import " + file + as + " --decoder none", exitUsage, "none"},
		{"import " + file + as + " --decoder " + file + " --decoder-scale 1", exitFailure, "ONNX"},
		{"import " + foreign("float32.pt") + " --as sequential --set activation=silu --decoder-scale 1 --out " + out +
			" --decoder " + onnxDecoder(), exitUsage, "the points of this model are of the shape [2]"},
		{"sample " + without + " --n 1 --latents --out " + out + ".npy", exitUsage, "has none"},
		{"sample " + without + " --n 1 --out " + out + ".png", exitUsage, "flowmatch import --decoder"},
		{"sample " + with + " --n 1 --latents --out " + out + ".png", exitUsage, "is a picture"},
		{"sample " + with + " --n 1 --condition x.png --mask left --out " + out + ".npy", exitUsage, "are latents"},
		{"sample " + with + " --map --out " + out + ".npy", exitUsage, "give --latents"},
		{"sample http://127.0.0.1:1/m --n 1 --latents --out " + out + ".npy", exitUsage, "is for folders"},
	} {
		code, _, stderr := invoke(t, strings.Fields(c.args)...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: code %d, want %d and %q, got %s", c.args, code, c.code, c.want, stderr)
		}
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a failed import left a folder")
	}
}
