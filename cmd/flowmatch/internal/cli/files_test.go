package cli

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/run"
)

func TestATableGoesInAndComesOut(t *testing.T) {
	const seed = 2
	rng := rand.New(rand.NewPCG(seed, seed))
	var text strings.Builder
	text.WriteString("height,weight\n")
	for range 200 {
		h := 170 + 10*rng.NormFloat64()
		fmt.Fprintf(&text, "%.3f,%.3f\n", h, 0.5*h+3*rng.NormFloat64())
	}
	csv := writeText(t, "people.csv", text.String())
	yaml := filepath.Join(filepath.Dir(csv), "run.yaml")
	config := "data: {path: people.csv}\nnet: {hidden: [16]}\n" +
		"train: {steps: 200, batch: 64, lr: 1e-2}\neval: {samples: 20}\n"
	if err := os.WriteFile(yaml, []byte(config), 0o666); err != nil {
		t.Fatal(err)
	}
	dir, tmp := filepath.Join(t.TempDir(), "run"), t.TempDir()
	succeed(t, "train", yaml, "--out", dir, "-q")
	rep := succeedJSON(t, "eval", dir, "-q")
	// The columns' own entropies, ln(10·√(2πe)) and ln(5.8·√(2πe)), are 6.9 together.
	if nll := rep["likelihood"].(map[string]any)["nll"].(float64); !(nll > 4 && nll < 9) {
		t.Errorf("NLL %.3f nats in the units of the file; want about 6.2, the entropy of what it was drawn from", nll)
	}

	samples := filepath.Join(tmp, "samples.csv")
	succeed(t, "sample", dir, "--n", "25", "--logp", "--rtol", "1e-6", "--atol", "1e-6", "--out", samples, "-q")
	table := readTable(t, samples)
	if got := strings.Join(table.Columns, " "); got != "height weight logp" {
		t.Errorf("columns %q, want those of the file, and logp", got)
	}
	// The same densities, found on the way back from the points alone.
	out := filepath.Join(tmp, "logp.csv")
	succeed(t, "logp", dir, "--data", samples, "--rtol", "1e-6", "--atol", "1e-6", "--out", out, "-q")
	logp := readTable(t, out)
	if logp.X.N != 25 || logp.X.D != 1 || logp.Columns[0] != "logp" {
		t.Fatalf("%s holds [%d, %d] numbers called %v; want one a point, called logp", out, logp.X.N, logp.X.D,
			logp.Columns)
	}
	for i := range logp.X.N {
		got, want := logp.X.Row(i)[0], table.X.Row(i)[2]
		// The float32 network bounds how well two solves agree.
		if math.Abs(got-want) > 1e-3 {
			t.Errorf("point %d: log-density %.6f backward, %.6f forward, tolerance 1e-3", i, got, want)
		}
	}

	other := writeText(t, "y.csv", "length,weight\n1,2\n")
	if code, _, stderr := invoke(t, "logp", dir, "--data", other, "-q"); code == 0 ||
		!strings.Contains(stderr, "height") {
		t.Errorf("exit code %d, standard error %q; want a refusal that names the missing column height", code, stderr)
	}
	nameless := writeText(t, "z.csv", "170,85\n160,80\n")
	if got := succeedJSON(t, "logp", dir, "--data", nameless, "-q"); got["points"] != 2.0 {
		t.Errorf("%v points of a file without names, want 2", got["points"])
	}
}

// writeIDX writes bytes as IDX with the given dimensions.
func writeIDX(t *testing.T, file string, content []byte, dims ...uint32) string {
	t.Helper()
	b := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, d)
	}
	if err := os.WriteFile(file, append(b, content...), 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestImagesGoInAndComeOut(t *testing.T) {
	const n, side, seed = 60, 4, 3
	rng := rand.New(rand.NewPCG(seed, seed))
	pix, label := make([]byte, n*side*side), make([]byte, n)
	for i := range n {
		label[i] = byte(i % 2)
		for k := range side * side {
			pix[i*side*side+k] = byte(60 + 120*int(label[i]) + rng.IntN(40))
		}
	}
	tmp := t.TempDir()
	images := writeIDX(t, filepath.Join(tmp, "t-images-idx3-ubyte"), pix, n, side, side)
	classes := writeIDX(t, filepath.Join(tmp, "t-labels-idx1-ubyte"), label, n)
	yaml := filepath.Join(tmp, "run.yaml")
	config := `
data: {path: t-images-idx3-ubyte, labels_path: t-labels-idx1-ubyte}
conditional: true
net: {hidden: [32]}
train: {steps: 200, batch: 32, lr: 1e-2, label_dropout: 0.2}
eval: {solver: midpoint, steps: 10, samples: 6, dequantizations: 3}
`
	if err := os.WriteFile(yaml, []byte(config), 0o666); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(tmp, "run")
	succeed(t, "train", yaml, "--out", dir, "-q")
	bpd := func(what string, l map[string]any) {
		if v, ok := l["bpd"].(float64); !ok || math.IsNaN(v) || v <= 0 || v > 20 {
			t.Errorf("%s: bits per dimension %v; want a number between 0 and 20 (8 is chance)", what, l["bpd"])
		}
	}
	whole := succeedJSON(t, "eval", dir, "-q")
	goldenJSON(t, "eval-images", whole)
	l := whole["likelihood"].(map[string]any)
	bpd("eval", l)
	all := l["dequantizations"].([]any)
	first, last := all[0].(map[string]any), all[len(all)-1].(map[string]any)
	if len(all) != 2 || first["k"] != 1.0 || last["k"] != 3.0 {
		t.Fatalf("dequantizations are %v, want K = 1 and K = 3", all)
	}
	if d := first["bpd"].(float64) - l["bpd"].(float64); math.Abs(d) > 1e-9 {
		t.Errorf("K = 1 differs from one sample by %g", d)
	}
	// The bound tightens: a mean of exponentials is above the exponential of the mean.
	if !(last["bpd"].(float64) < first["bpd"].(float64)+3*first["std_err"].(float64)) {
		t.Errorf("K = 3 gives %v bits per dimension, K = 1 %v", last["bpd"], first["bpd"])
	}
	bpd("logp", succeedJSON(t, "logp", dir, "--data", images, "--labels", classes, "-q"))

	ones := filepath.Join(tmp, "ones.csv")
	succeed(t, "sample", dir, "--n", "30", "--label", "1", "--out", ones, "-q")
	table := readTable(t, ones)
	mean := 0.0
	for i := range table.X.N {
		row := table.X.Row(i)
		if len(row) != side*side+1 || row[side*side] != 1 {
			t.Fatalf("row %d has %d numbers ending in %g; want %d pixels and the label 1", i, len(row),
				row[len(row)-1], side*side)
		}
		for _, v := range row[:side*side] {
			mean += v / float64(30*side*side)
		}
	}
	if mean < 0.2 { // level 200 of 256 is 0.56; the other class is -0.37
		t.Errorf("mean pixel of class 1 is %.3f; want that of the bright class, about 0.56", mean)
	}
	one := succeedJSON(t, "sample", dir, "--n", "4", "--label", "1", "--out", ones, "-q")
	two := succeedJSON(t, "sample", dir, "--n", "4", "--label", "1", "--guidance", "2", "--out", ones, "-q")
	if one["nfe"].(float64) != 20 || two["nfe"].(float64) != 40 {
		t.Errorf("midpoint in 10 steps takes %v evaluations, guided %v; want 20, and 40, since guidance takes two",
			one["nfe"], two["nfe"])
	}
	net := filepath.Join(tmp, "classifier.safetensors")
	c := succeedJSON(t, "classifier", yaml, "--out", net, "--steps", "60", "--batch", "16", "-q")
	if goldenJSON(t, "classifier", c); c["accuracy"] != 1.0 {
		t.Errorf("the classifier is right about %v of bright and dark images, want all", c["accuracy"])
	}
	rep := succeedJSON(t, "eval", dir, "--classifier", net, "--guidance", "1.5", "--only", "judgement", "--samples",
		"12", "-q")
	if rep["likelihood"] != nil || rep["samples"] != nil {
		t.Errorf("evaluated %v; want the classifier's part only", rep)
	}
	goldenJSON(t, "eval-features", rep)
	j := rep["judgement"].(map[string]any)
	if a := j["agreement"].(float64); a < 0.8 || j["guidance"] != 1.5 || j["nfe"] != 40.0 {
		t.Errorf("report %v: want that most samples are of the class asked for, at guidance 1.5 and 40 evaluations", j)
	}
	if code, _, stderr := invoke(t, "eval", dir, "--guidance", "1.5"); code != exitUsage ||
		!strings.Contains(stderr, "--classifier") {
		t.Errorf("guidance without a classifier: exit code %d, %s", code, stderr)
	}
	flow := filepath.Join(dir, "checkpoint.safetensors")
	if code, _, stderr := invoke(t, "eval", dir, "--classifier", flow, "-q"); code != exitFailure ||
		!strings.Contains(stderr, "no classifier of flowmatch") {
		t.Errorf("a checkpoint for a classifier: exit code %d, %s", code, stderr)
	}
	comparedByFeatures(t, dir, side)
	succeed(t, "plot", dir, "--kind", "samples", "--n", "9", "--out", filepath.Join(tmp, "grid.png"), "-q")
	for _, kind := range run.PicturesOfImages() {
		file := filepath.Join(tmp, kind+".png")
		succeed(t, "plot", dir, "--kind", kind, "--n", "2", "--out", file, "-q")
		if _, err := png.Decode(bytes.NewReader(readFile(t, file))); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}

	checkGrid(t, dir, side)

	for _, c := range []struct{ args, want string }{
		{"sample " + dir + " --grid 3x --out " + tmp + "/x.png", "as 8x10"},
		{"sample " + dir + " --grid 0x4 --out " + tmp + "/x.png", "as 8x10"},
		{"sample " + dir + " --grid 3x4 --n 11 --out " + tmp + "/x.png", "has 12 images"},
		{"logp " + dir + " --data " + images, "no labels"},
		{"sample " + dir + " --n 1 --label 2 --out " + tmp + "/x.csv", "0 to 1"},
		{"plot " + dir + " --kind density --out " + tmp + "/x.png", "2 dimensions"},
		{"plot " + dir + " --kind pit --out " + tmp + "/x.png", "is for tables and other points"},
	} {
		if code, _, stderr := invoke(t, strings.Fields(c.args+" -q")...); code == 0 ||
			!strings.Contains(stderr, c.want) {
			t.Errorf("flowmatch %s: exit code %d, standard error %q; want a refusal with %q", c.args, code, stderr,
				c.want)
		}
	}
}

// checkGrid draws dark images of class 0 and bright ones of class 1 as a grid, and
// looks at its columns.
func checkGrid(t *testing.T, dir string, side int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "grid.png")
	for grid, want := range map[string]float64{"2": 4, "3": 6, "2x3": 6} {
		if got := succeedJSON(t, "sample", dir, "--grid", grid, "--out", file, "-q"); got["n"] != want {
			t.Errorf("--grid %s of two classes: %v images, want %g", grid, got["n"], want)
		}
	}
	if got := succeedJSON(t, "sample", dir, "--grid", "3x4", "--n", "12", "--out", file, "-q"); got["n"] != 12.0 {
		t.Fatalf("--grid 3x4: %v images, want 12", got["n"])
	}
	img, err := png.Decode(bytes.NewReader(readFile(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	const scale, gap = 12, 2 // of images 4 pixels wide
	size := img.Bounds().Size()
	if want := scale * (gap + 4*(side+gap)); size.X != want {
		t.Fatalf("the grid is %d pixels wide, want %d: names of columns take no width", size.X, want)
	}
	top := size.Y - scale*(gap+3*(side+gap)) // below the names of the classes
	var mean [4]float64
	for k := range mean {
		for y := range 3 * side {
			for x := range side {
				at := image.Pt(gap+k*(side+gap)+x, gap+y/side*(side+gap)+y%side).Mul(scale)
				v, _, _, _ := img.At(at.X, top+at.Y).RGBA()
				mean[k] += float64(v) / 65535 / float64(3*side*side)
			}
		}
	}
	if top < 10 || !(mean[0] < 0.5 && mean[1] > 0.5 && mean[2] < 0.5 && mean[3] > 0.5) {
		t.Errorf("columns of mean grey %.2f below %d pixels of names; want dark and bright ones in turn", mean, top)
	}
}

func TestAFolderOfImagesGoesInAndWhatIsCorruptIsReported(t *testing.T) {
	tmp := t.TempDir()
	for i := range 40 {
		img := image.NewNRGBA(image.Rect(0, 0, 6, 4))
		for p := range img.Pix {
			img.Pix[p] = byte(p*i) | byte(p%4/3*255)
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		if i == 3 {
			b.Truncate(b.Len() / 2)
		}
		dir := filepath.Join(tmp, "set", fmt.Sprint("class", i%2))
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.png", i)), b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	yaml := filepath.Join(tmp, "run.yaml")
	config := `
data: {kind: folder, path: set, size: 3, flip: true, corrupt: skip}
conditional: true
net: {hidden: [8]}
train: {steps: 3, batch: 8}
eval: {solver: midpoint, steps: 2, samples: 4}
`
	if err := os.WriteFile(yaml, []byte(config), 0o666); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(tmp, "run")
	code, _, stderr := invoke(t, "train", yaml, "--out", dir)
	if want := "set: images left out because they cannot be decoded: 1\n"; code != 0 ||
		strings.Count(stderr, want) != 1 {
		t.Errorf("exit code %d, standard error %q; want 0 and once %q", code, stderr, want)
	}
	succeed(t, "logp", dir, "--data", filepath.Join(tmp, "set"), "-q")
	succeed(t, "plot", dir, "--kind", "samples", "--n", "4", "--out", filepath.Join(tmp, "grid.png"), "-q")
	code, _, stderr = invoke(t, "train", yaml, "--out", filepath.Join(tmp, "other"), "--set", "data.corrupt=fail")
	if want := filepath.Join("class1", "03.png") + ": not a PNG that can be decoded"; code == 0 ||
		!strings.Contains(stderr, want) {
		t.Errorf("exit code %d, standard error %q; want an error that says %q", code, stderr, want)
	}
}

// A run whose data have moved is evaluated where they are now, and one of a stranger only on
// data that are given.
func TestTheDataOfARunAreGiven(t *testing.T) {
	folder := t.TempDir()
	table, moved := filepath.Join(folder, "a.csv"), filepath.Join(folder, "b.csv")
	var rows strings.Builder
	rows.WriteString("x,y\n")
	for i := range 60 {
		fmt.Fprintf(&rows, "%d,%d\n", i%7, i*i%11)
	}
	if err := os.WriteFile(table, []byte(rows.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	yaml, dir := writeText(t, "run.yaml", tinyRun), filepath.Join(folder, "run")
	succeed(t, "train", yaml, "--out", dir, "-q", "--set", "data.name=", "--set", "data.path="+table, "--set",
		"data.test=20", "--set", "data.val=10")
	eval := []string{"eval", dir, "-q", "--only", "likelihood"}
	succeed(t, eval...)
	if err := os.Rename(table, moved); err != nil {
		t.Fatal(err)
	}
	succeed(t, append(eval, "--set", "data.path="+moved)...)
	own := filepath.Join(dir, run.ConfigFile)
	text, err := os.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(own, bytes.Replace(text, []byte("a.csv"), []byte("b.csv"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := invoke(t, eval...); code != exitFailure || !strings.Contains(stderr, "not made here") ||
		!strings.Contains(stderr, "give data.path yourself") {
		t.Errorf("a stranger's path: exit code %d, %q", code, stderr)
	}
	succeed(t, append(eval, "--set", "data.path="+moved)...)
	if code, _, stderr := invoke(t, append(eval, "--set", "seed=1")...); code != exitUsage ||
		!strings.Contains(stderr, "data.path=FILE") {
		t.Errorf("another setting: exit code %d, %q", code, stderr)
	}
}
