package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"

	"flowmatch/engine/onnx"
	"flowmatch/engine/onnx/exchange"
	"flowmatch/flow"
)

// exported are networks that between them have every part that a body can have.
func exported() map[string]Config {
	nets := map[string]Config{
		"labels and frequencies": {Dim: 3, Hidden: []int{20, 24}, TimeFrequencies: 3, SpaceFrequencies: 2, Classes: 4},
		"average":                {Dim: 2, Hidden: []int{20}, TimeFrequencies: 2, Average: true},
		"no hidden frequencies":  {Dim: 1, Hidden: []int{5}},
		"unet": {Dim: 8 * 8 * 3, Classes: 4,
			UNet: &UNet{Image: []int{8, 8, 3}, Channels: 8, Mult: []int{1, 2}, Blocks: 1,
				Attention: []int{4}, Heads: 2}},
		"dit with a context": {Dim: 8 * 6 * 2, Classes: 3, Context: 8 * 6,
			DiT: &DiT{Image: []int{8, 6, 2}, Width: 16, Depth: 2, Heads: 2}},
		"unet of blocks that resize": {Dim: 8 * 8, Context: 2 * 8 * 8, UNet: &UNet{Image: []int{8, 8, 1}, Channels: 6,
			Mult: []int{1, 2}, Blocks: 1, Embedding: addEmbedding, ResblockUpdown: true}},
		"levels of a table":         {Dim: 5, Hidden: []int{9}, Levels: someLevels()},
		"perceptron with a context": {Dim: 2, Hidden: []int{9}, Context: 3},
		"unet of odd sizes": {Dim: 7 * 5, UNet: &UNet{Image: []int{7, 5, 1}, Channels: 6,
			Mult: []int{1, 1, 2}, Blocks: 1}},
	}
	for _, name := range Activations() {
		nets[name] = Config{Dim: 2, Hidden: []int{16, 16}, Activation: name}
	}
	return nets
}

// lively returns a network whose weights are all away from zero.
func lively(t *testing.T, cfg Config) *Net {
	t.Helper()
	n, err := New(openNative(t), cfg, 7)
	if err != nil {
		t.Fatal(err)
	}
	theta, err := n.Weights()
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range theta {
		theta[i] += float32(0.1 * rng.NormFloat64())
	}
	if n, err = n.WithWeights(theta); err != nil {
		t.Fatal(err)
	}
	return n
}

func openNative(t *testing.T) *Engine {
	t.Helper()
	eng, err := Open("")
	if err != nil {
		t.Fatal(err)
	}
	return eng
}

// readBack runs a file, through its bytes, on inputs by name.
func readBack(t *testing.T, m *onnx.Model, n int, inputs map[string]any) []float32 {
	t.Helper()
	buf, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := onnx.Unmarshal(buf)
	if err != nil {
		t.Fatal(err)
	}
	r := exchange.NewReader(again)
	in := []shapes.Shape{shapes.Make(dtypes.Float32, len(r.Theta()))}
	for _, p := range r.Inputs() {
		s, open, err := exchange.InputShape(p, n)
		if err != nil || !open {
			t.Fatal(p, open, err)
		}
		in = append(in, s)
	}
	eng := openNative(t)
	p := &program{eng: eng, name: "file", inputs: func(int, int) []shapes.Shape { return in },
		build: func(in []*graph.Node) []*graph.Node {
			out, err := r.Build(in[0], in[1:], []string{again.Graph.Outputs[0].Name})
			if err != nil {
				panic(err)
			}
			return out
		}}
	f, err := p.frame(n, 0)
	if err != nil {
		t.Fatal(err)
	}
	copy(f.floats(0), r.Theta())
	for i, v := range r.Inputs() {
		switch x := inputs[v.Name].(type) {
		case []float32:
			copy(f.floats(i+1), x)
		case []int64:
			copy(f.host[i+1].([]int64), x)
		}
	}
	if err := f.run(); err != nil {
		t.Fatal(err)
	}
	return slices.Clone(f.result(0))
}

// A file, read back, is the network, at every size of batch; each point has a time
// and a label of its own.
func TestONNXFilesAreTheNetworkForBatchesOfAnySize(t *testing.T) {
	for name, cfg := range exported() {
		t.Run(name, func(t *testing.T) {
			n := lively(t, cfg)
			var shape []int
			if cfg.OfImages() {
				shape, _ = cfg.image()
			}
			m, err := n.ONNX(ONNXOptions{Result: "velocity", Shape: shape})
			if err != nil {
				t.Fatal(err)
			}
			for _, size := range []int{1, 3, 5} {
				comparePoints(t, n, m, size, false)
			}
			if cfg.Average {
				if m, err = n.ONNX(ONNXOptions{Result: "average", Shape: shape, Average: true}); err != nil {
					t.Fatal(err)
				}
				comparePoints(t, n, m, 4, true)
			}
		})
	}
}

func comparePoints(t *testing.T, n *Net, m *onnx.Model, size int, average bool) {
	t.Helper()
	d, classes := n.Config().Dim, n.Config().Classes
	rng := rand.New(rand.NewPCG(uint64(size), 3))
	x, at, to, label := make([]float32, size*d), make([]float32, size), make([]float32, size), make([]int64, size)
	context := make([]float32, size*n.Config().Context)
	want := make([]float64, size*d)
	for _, v := range [][]float32{x, context} {
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
	}
	for i := range size {
		at[i], to[i], label[i] = rng.Float32(), rng.Float32(), int64(i%(classes+1))-1
		var one []int32
		if classes > 0 {
			one = []int32{int32(label[i])}
		}
		given := flow.Given{Label: one}
		if c := n.Config().Context; c > 0 {
			given.Context = flow.NewBatch(1, c)
			for k := range given.Context.X {
				given.Context.X[k] = float64(context[i*c+k])
			}
		}
		point := make([]float64, d)
		for k := range point {
			point[k] = float64(x[i*d+k])
		}
		var err error
		if average {
			var f *AverageField
			if f, err = n.BindAverage(given); err == nil {
				err = f.Average(want[i*d:(i+1)*d], float64(at[i]), float64(to[i]), point)
			}
		} else {
			err = bindGiven(t, n, given).Velocity(want[i*d:(i+1)*d], float64(at[i]), point)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	got := readBack(t, m, size, map[string]any{"x": x, "t": at, "s": to, "label": label, "condition": context})
	scale := 0.0
	for _, v := range want {
		scale = max(scale, math.Abs(v))
	}
	for i, v := range want {
		if e := math.Abs(float64(got[i]) - v); !(e <= 1e-5*scale) {
			t.Fatalf("batch of %d: number %d is %g in the file and %g in the network, of outputs up to %g",
				size, i, got[i], v, scale)
		}
	}
}

func TestONNXFilesHaveTheTensorsByName(t *testing.T) {
	n := lively(t, Config{Dim: 2, Hidden: []int{6}, Classes: 3})
	m, err := n.ONNX(ONNXOptions{Result: "velocity", Shape: []int{2}})
	if err != nil {
		t.Fatal(err)
	}
	theta, err := n.Weights()
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]onnx.Tensor{}
	for _, w := range m.Graph.Initializers {
		have[w.Name] = w
	}
	for _, w := range n.Tensors() {
		got, ok := have[w.Name]
		want := theta[w.Offset : w.Offset+w.Size()]
		if !ok || fmt.Sprint(got.Dims) != fmt.Sprint(w.Shape) || !slices.Equal(got.Floats, want) {
			t.Errorf("tensor %s of shape %v is in the file as %v of shape %v", w.Name, w.Shape, got.Name, got.Dims)
		}
	}
	var ports []string
	for _, p := range append(m.Graph.Inputs, m.Graph.Outputs...) {
		ports = append(ports, p.String())
	}
	const want = "x float [N, 2]; t float [N]; label int64 [N]; velocity float [N, 2]"
	if got := strings.Join(ports, "; "); got != want {
		t.Errorf("inputs and outputs are %s; want %s", got, want)
	}
}

func TestAverageVelocitiesNeedANetworkOfThem(t *testing.T) {
	if _, err := lively(t, Config{Dim: 2}).ONNX(ONNXOptions{Result: "average", Average: true}); err != ErrNoAverage {
		t.Errorf("error %v; want ErrNoAverage", err)
	}
}

// What mixes the points of a batch, or ONNX does not have, is refused by name.
func TestGraphsThatNoFileCanHoldAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		build func(x *graph.Node) *graph.Node
		want  string
	}{
		"mean over the batch": {func(x *graph.Node) *graph.Node {
			return graph.Sub(x, graph.InsertAxes(graph.ReduceMean(x, 0), 0))
		}, "ReduceSum"},
		"part of the batch": {func(x *graph.Node) *graph.Node {
			return graph.Add(x, graph.Slice(x, graph.AxisRange(0, 1)))
		}, "batch"},
		"product over it": {func(x *graph.Node) *graph.Node {
			return graph.Add(x, graph.ReduceAllSum(graph.Einsum("nd,ne->de", x, x)))
		}, "DotGeneral"},
		"size of the batch": {func(x *graph.Node) *graph.Node {
			return graph.MulScalar(x, float64(x.Shape().Dimensions[0]))
		}, "depends on the number of points"},
		"no such operation": {func(x *graph.Node) *graph.Node { return graph.CumSum(x, 1) }, "not translated"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &program{eng: openNative(t), name: "odd",
				build: func(in []*graph.Node) []*graph.Node { return []*graph.Node{c.build(in[1])} },
				inputs: func(n, _ int) []shapes.Shape {
					return []shapes.Shape{shapes.Make(dtypes.Float32, 1), shapes.Make(dtypes.Float32, n, 3)}
				}}
			_, err := exchange.Program{Name: "odd", Record: p.record, Theta: []float32{0},
				Inputs: []exchange.Port{{Name: "x"}}, Outputs: []exchange.Port{{Name: "y"}}}.Model()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v; want one with %q", err, c.want)
			}
		})
	}
}
