package nn_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
)

// closedPaths are the paths whose formulas a file can hold, with other settings than the
// defaults where that is harder.
func closedPaths() []path.Config {
	wide, narrow, seven := 200.0, 1e-3, 7.0
	return []path.Config{{Name: "condot"}, {Name: "condot", SigmaMin: &narrow}, {Name: "vp"}, {Name: "ve"},
		{Name: "ve", SigmaMin: &narrow, SigmaMax: &wide}, {Name: "cosine"}, {Name: "poly"},
		{Name: "poly", Power: &seven}, {Name: "linear_vp"}}
}

// velocityModel returns a model with labels whose weights are all away from zero.
func velocityModel(t *testing.T, spec model.Spec) *model.Model {
	t.Helper()
	eng, err := nn.Open("")
	if err != nil {
		t.Fatal(err)
	}
	net, err := nn.New(eng, nn.Config{Dim: 2, Hidden: []int{16, 16}, TimeFrequencies: 2, Classes: 3}, 7)
	if err != nil {
		t.Fatal(err)
	}
	theta, err := net.Weights()
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range theta {
		theta[i] += float32(0.1 * rng.NormFloat64())
	}
	if net, err = net.WithWeights(theta); err != nil {
		t.Fatal(err)
	}
	m, err := model.New(spec, net)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A file has the velocity of the model, along every path and for every prediction, up to
// the very ends of the span.
func TestONNXFilesHaveTheVelocityOfEveryPathAndPrediction(t *testing.T) {
	for _, c := range closedPaths() {
		for _, y := range path.Predictions() {
			for _, p := range []*path.Precondition{nil, {Data: 1.5}, {Data: 0.2, Source: 3}} {
				t.Run(fmt.Sprintf("%s %v %v", name(c), y, p), func(t *testing.T) {
					compareVelocities(t, velocityModel(t, model.Spec{Path: c, Prediction: y, Precondition: p}))
				})
			}
		}
	}
}

func compareVelocities(t *testing.T, m *model.Model) {
	t.Helper()
	file, err := m.ONNX(model.ExportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	x, times, label := alongPath(m)
	got := nn.ReadBack(t, file, x.N, map[string]any{"x": single(x.X), "t": single(times), "label": label})
	for i, at := range times {
		f, err := m.Field(flow.Given{Label: []int32{int32(label[i])}})
		if err != nil {
			t.Fatal(err)
		}
		want := make([]float64, x.D)
		if err := f.Velocity(want, at, x.Row(i)); err != nil {
			t.Fatal(err)
		}
		size := math.Hypot(want[0], want[1]) + 1e-10 // it is 0 at an end of some
		e := math.Hypot(float64(got[2*i])-want[0], float64(got[2*i+1])-want[1])
		if !(e <= 2e-5*size) {
			t.Errorf("at t = %g the file has the velocity %v, the model %v", at, got[2*i:2*i+2], want)
		}
	}
	if want := "velocity float [N, 2]"; file.Graph.Outputs[0].String() != want {
		t.Errorf("the result is %v, want %s", file.Graph.Outputs[0], want)
	}
}

func name(c path.Config) string {
	text, _ := json.Marshal(c) // numbers and text
	return string(text)
}

// alongPath returns points x_t at times of the span, both in float32, and labels.
func alongPath(m *model.Model) (x flow.Batch, times []float64, label []int64) {
	lo, hi := m.Span()
	rng := rand.New(rand.NewPCG(3, 4))
	for _, u := range []float64{0, 1e-5, 1e-3, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 0.999, 0.99999, 1} {
		at := float32(lo + u*(hi-lo))
		for float64(at) > hi {
			at = math.Nextafter32(at, 0)
		}
		for float64(at) < lo {
			at = math.Nextafter32(at, 1)
		}
		times, label = append(times, float64(at)), append(label, int64(len(label)%4)-1)
	}
	x = flow.NewBatch(len(times), 2)
	for i, at := range times {
		c := m.Scheduler().At(at)
		for k := range 2 {
			x.Row(i)[k] = float64(float32(c.Point(1+rng.NormFloat64(), rng.NormFloat64())))
		}
	}
	return x, times, label
}

func single(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}

// named is a schedule of one's own with a name, the same as condot.
var named = path.Register("onnx-test", func(path.Config) (path.Scheduler, error) {
	return path.Func{Fn: path.CondOT{}.At}, nil
})

// A schedule of one's own is no formula: only what does not need it can be written.
func TestONNXFilesDoNotHoldASchedulesOfOnesOwn(t *testing.T) {
	if named != nil {
		t.Fatal(named)
	}
	own := path.Config{Name: "onnx-test"}
	for _, spec := range []model.Spec{{Path: own, Prediction: path.Data},
		{Path: own, Precondition: &path.Precondition{}},
		{Path: path.Config{Name: "icfm"}, Prediction: path.Noise}} {
		m := velocityModel(t, spec)
		if _, err := m.ONNX(model.ExportOptions{}); !errors.Is(err, model.ErrNotVelocity) ||
			!errors.Is(err, path.ErrNoFormula) {
			t.Errorf("%+v: error %v, want ErrNotVelocity", spec, err)
		}
		if _, err := m.ONNX(model.ExportOptions{Raw: true}); err != nil {
			t.Error(err)
		}
	}
	if _, err := velocityModel(t, model.Spec{Path: own}).ONNX(model.ExportOptions{}); err != nil {
		t.Errorf("a network that predicts the velocity: %v", err)
	}
}

func TestWhatCannotBeWrittenAroundANetwork(t *testing.T) {
	net := velocityModel(t, model.Spec{}).Net()
	nothing := func(nn.Number) (in, time, skip, out nn.Number) { return }
	if _, err := net.ONNX(nn.ONNXOptions{Result: "v", Around: nothing}); err == nil {
		t.Error("no error for a formula without numbers")
	}
	average, err := nn.New(net.Engine(), nn.Config{Dim: 2, Average: true}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := average.ONNX(nn.ONNXOptions{Result: "u", Average: true, Around: nothing}); err == nil {
		t.Error("no error for Around beside Average")
	}
}
