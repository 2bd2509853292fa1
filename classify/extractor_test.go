package classify

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"flowmatch/engine/onnx"
	"flowmatch/flow"
	"flowmatch/nn"
)

// means is a file whose first result is the mean of each of three channels, and whose
// second is what op makes of them.
func means(t *testing.T, op string) string {
	t.Helper()
	m := &onnx.Model{IR: 8, Opset: 18, Graph: onnx.Graph{
		Nodes: []onnx.Node{
			{Op: "GlobalAveragePool", In: []string{"x"}, Out: []string{"pool"}},
			{Op: "Flatten", In: []string{"pool"}, Out: []string{"flat"}},
			{Op: op, In: []string{"flat"}, Out: []string{"classes"}},
		},
		Inputs: []onnx.Value{ // two at once
			{Name: "x", Type: onnx.Float, Dims: []onnx.Dim{{Size: 2}, {Size: 3}, {Size: 5}, {Size: 5}}},
		},
		Outputs: []onnx.Value{{Name: "pool", Dims: []onnx.Dim{}}, {Name: "classes", Dims: []onnx.Dim{}}},
	}}
	buf, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "means.onnx")
	if err := os.WriteFile(file, buf, 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestFeaturesAreOfPixelsInTheRangeAskedFor(t *testing.T) {
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	// Three images of one pixel: red and half of green, black, white.
	x := flow.Batch{X: []float64{1, 0.003, -1, -1, -1, -1, 1, 1, 1}, N: 3, D: 3}
	half := 128.0 / 255
	names := map[string]bool{}
	for r, scale := range map[string][2]float64{"": {1, 0}, "-1..1": {2, -1}, "0..255": {255, 0}} {
		e, err := OpenExtractor(means(t, "Softmax"), eng, []int{1, 1, 3}, ExtractorOptions{Range: r})
		if err != nil {
			t.Fatal(err)
		}
		names[e.Name()] = true
		f, p, err := e.Features(x)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range []float64{1, half, 0, 0, 0, 0, 1, 1, 1} {
			if want := scale[0]*v + scale[1]; math.Abs(f.X[i]-want) > 1e-4*scale[0] {
				t.Errorf("range %q: feature %d is %g, want %g", r, i, f.X[i], want)
			}
		}
		if p.N != 3 || p.D != 3 || math.Abs(p.X[3]-1.0/3) > 1e-6 { // black: all alike
			t.Errorf("range %q: probabilities %v", r, p)
		}
	}
	if len(names) != 3 {
		t.Errorf("the names %v are the same for several ranges", names)
	}
}

func TestLogitsBecomeProbabilities(t *testing.T) {
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	file, rgb := means(t, "Identity"), []int{1, 1, 3}
	e, err := OpenExtractor(file, eng, rgb, ExtractorOptions{Features: "flat", Classes: "classes"})
	if err != nil {
		t.Fatal(err)
	}
	_, p, err := e.Features(flow.Batch{X: []float64{1, 1, -1}, N: 1, D: 3})
	if err != nil {
		t.Fatal(err)
	}
	sum := 2*math.E + 1
	for k, want := range []float64{math.E / sum, math.E / sum, 1 / sum} {
		if math.Abs(p.X[k]-want) > 1e-5 {
			t.Errorf("probability %d is %g, want %g", k, p.X[k], want)
		}
	}
	if e, err = OpenExtractor(file, eng, rgb, ExtractorOptions{Features: "flat"}); err != nil {
		t.Fatal(err)
	}
	if _, p, err = e.Features(flow.NewBatch(1, 3)); err != nil || p.N != 0 {
		t.Errorf("probabilities %v, error %v; want none, for none were named", p, err)
	}
}

func TestExtractorsThatDoNotFitAreErrors(t *testing.T) {
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		image []int
		o     ExtractorOptions
		want  string
	}{
		"range":     {[]int{1, 1, 3}, ExtractorOptions{Range: "0..2"}, "0..1, -1..1, 0..255"},
		"no images": {nil, ExtractorOptions{}, "the data are none"},
		"output":    {[]int{1, 1, 3}, ExtractorOptions{Features: "inner"}, `"inner"`},
	} {
		_, err := OpenExtractor(means(t, "Softmax"), eng, c.image, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v; want one that says %q", name, err, c.want)
		}
	}
	e, err := OpenExtractor(means(t, "Softmax"), eng, []int{1, 1, 3}, ExtractorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.Features(flow.NewBatch(1, 4)); !errors.Is(err, ErrExtractor) {
		t.Errorf("images of another shape: error %v; want ErrExtractor", err)
	}
}
