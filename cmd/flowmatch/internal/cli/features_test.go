package cli

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/engine/onnx"
	"flowmatch/eval"
)

// meanAndRow is a file whose features are, of a grey image of 4 by 4 in RGB, scale
// times the means of its channels and the first pixel, and whose classes are made of
// brightness.
func meanAndRow(t *testing.T, scale float32) string {
	t.Helper()
	floats := func(name string, dims []int64, x ...float32) onnx.Tensor {
		return onnx.Tensor{Name: name, Type: onnx.Float, Dims: dims, Floats: x}
	}
	whole := func(name string, x ...int64) onnx.Tensor {
		return onnx.Tensor{Name: name, Type: onnx.Int64, Dims: []int64{int64(len(x))}, Ints: x}
	}
	batch := onnx.Dim{Param: "N"}
	m := &onnx.Model{IR: 8, Opset: 18, Graph: onnx.Graph{
		Nodes: []onnx.Node{
			{Op: "GlobalAveragePool", In: []string{"x"}, Out: []string{"pool"}},
			{Op: "Slice", In: []string{"x", "from", "to", "axes"}, Out: []string{"pixel"}},
			{Op: "Concat", In: []string{"pool", "pixel"}, Out: []string{"both"},
				Attrs: map[string]any{"axis": int64(1)}},
			{Op: "Mul", In: []string{"both", "scale"}, Out: []string{"features"}},
			{Op: "Flatten", In: []string{"pool"}, Out: []string{"flat"}},
			{Op: "Gemm", In: []string{"flat", "w", "b"}, Out: []string{"logits"}},
		},
		Initializers: []onnx.Tensor{floats("scale", nil, scale), whole("from", 0, 0), whole("to", 1, 1),
			whole("axes", 2, 3),
			floats("w", []int64{3, 2}, -30, 30, 0, 0, 0, 0), floats("b", []int64{2}, 15, -15)},
		Inputs: []onnx.Value{{Name: "x", Type: onnx.Float, Dims: []onnx.Dim{batch, {Size: 3}, {Size: 4}, {Size: 4}}}},
		Outputs: []onnx.Value{{Name: "features", Type: onnx.Float, Dims: []onnx.Dim{}},
			{Name: "logits", Type: onnx.Float, Dims: []onnx.Dim{}}},
	}}
	buf, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return writeText(t, "features.onnx", string(buf))
}

// comparedByFeatures compares a run of images over the features of ONNX files.
func comparedByFeatures(t *testing.T, dir string, side int) {
	t.Helper()
	kept := func() []string {
		files, err := filepath.Glob(filepath.Join(dir, "features-*.stats"))
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	for _, f := range kept() { // of the classifier
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	file := meanAndRow(t, 1)
	compare := func(args ...string) map[string]any {
		return succeedJSON(t, append([]string{"eval", dir, "-q"}, args...)...)["judgement"].(map[string]any)
	}
	first := compare("--features", file)
	if is := first["inception_score"].(float64); !(is > 1 && is <= 2) {
		t.Errorf("the inception score of two classes is %g; want it from 1 to 2", is)
	}
	files := kept()
	if len(files) != 2 {
		t.Fatalf("%v are kept; want the statistics of held-out and of training images", files)
	}
	for _, f := range files {
		if s, err := eval.ReadStatistics(f); err != nil || s.Extractor != first["extractor"] ||
			!strings.Contains(s.Split, "sha256") {
			t.Errorf("%s is of %q and %q, error %v; want both named", f, s.Extractor, s.Split, err)
		}
	}
	// What is kept is used: with a false mean inside, the distance is another.
	shifted(t, files, 10)
	if again := compare("--features", file); !(again["fid"].(float64) > first["fid"].(float64)+50) {
		t.Errorf("FID %v with false statistics kept, %v before; they were not read", again["fid"], first["fid"])
	}
	// Another extractor is another matter, and features ten times as large are ten times as far apart.
	ten := compare("--features", meanAndRow(t, 10))
	if a, b := ten["fid_data"].(float64), 100*first["fid_data"].(float64); math.Abs(a-b) > 1e-3*b {
		t.Errorf("FID of features times 10 is %g, want %g", a, b)
	}
	if len(kept()) != 4 {
		t.Errorf("%v are kept; want two more", kept())
	}
	// A split that has changed is computed again.
	renamed(t, files)
	if again := compare("--features", file); again["fid"] != first["fid"] {
		t.Errorf("FID %v after the split kept became another, %v before; want the same", again["fid"], first["fid"])
	}
	with := compare("--features", file, "--reference", files[0])
	if with["reference"] == nil || with["fid_reference"] == nil {
		t.Errorf("report %v; want the distance to the reference and its split", with)
	}
	for _, c := range []struct{ args, want string }{
		{"--features " + file + " --features-range 0..2", "0..1, -1..1, 0..255"},
		{"--features " + file + " --features-output nothing", `"nothing"`},
		{"--features nowhere.onnx", "nowhere.onnx"},
		{"--features " + filepath.Join(dir, "run.yaml"), "not a whole ONNX file"},
		{"--features-range 0..1", "needs --features"},
		{"--reference " + files[0], "needs"},
		{"--features " + meanAndRow(t, 3) + " --reference " + files[0], "two extractors"},
	} {
		if code, _, stderr := invoke(t,
			append([]string{"eval", dir, "-q"}, strings.Fields(c.args)...)...); code == 0 ||
			!strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit code %d, %q; want an error that says %q", c.args, code, stderr, c.want)
		}
	}
	exportedImages(t, dir, side)
}
