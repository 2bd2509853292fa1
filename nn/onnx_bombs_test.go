package nn

import (
	"strings"
	"testing"

	"flowmatch/engine/onnx"
)

// Files that claim sizes which no network has are an error, and take no memory.
func TestONNXFilesThatAreBombsAreRefused(t *testing.T) {
	sized := func(sizes ...int64) []onnx.Dim {
		dims := []onnx.Dim{{Param: "N"}}
		for _, s := range sizes {
			dims = append(dims, onnx.Dim{Size: s})
		}
		return dims
	}
	small := sized(3, 8, 8)
	whole := func(name string, v ...int64) onnx.Tensor {
		return onnx.Tensor{Name: name, Type: onnx.Int64, Dims: []int64{int64(len(v))}, Ints: v}
	}
	for _, c := range []struct {
		name  string
		dims  []onnx.Dim
		nodes []onnx.Node
		known []onnx.Tensor
		want  string
	}{
		{"a large input", sized(1<<40, 8, 8), nil, nil, "elements; at most 1073741824 are made"},
		{"an input whose size overflows", sized(1<<40, 1<<40, 8), nil, nil, "elements; at most"},
		{"an input below 0", sized(3, -8, 8), nil, nil, "a shape of [32 3 -8 8]"},
		{"a constant that is nowhere", small, []onnx.Node{{Op: "Constant",
			Attrs: map[string]any{"value": &onnx.Tensor{Type: onnx.Float, Floats: []float32{1}}}}}, nil, "no value"},
		{"pads", small, []onnx.Node{{Op: "Pad", In: []string{"x", "p"}, Out: []string{"y"}}},
			[]onnx.Tensor{whole("p", 0, 0, 1<<31, 1<<31, 0, 0, 1<<31, 1<<31)}, "pads of 2147483648"},
		{"pads below what is taken one by one", small, []onnx.Node{{Op: "Pad", In: []string{"x", "p"},
			Out: []string{"y"}}}, []onnx.Tensor{whole("p", 0, 0, 1<<23, 1<<23, 0, 0, 0, 0)}, "elements; at most"},
		{"pads of a pool", small, []onnx.Node{{Op: "AveragePool", In: []string{"x"}, Out: []string{"y"},
			Attrs: map[string]any{"kernel_shape": []int64{2, 2}, "pads": []int64{1 << 31, 1 << 31, 0, 0}}}}, nil,
			"pads of 2147483648"},
		{"a window", small, []onnx.Node{{Op: "MaxPool", In: []string{"x"}, Out: []string{"y"},
			Attrs: map[string]any{"kernel_shape": []int64{1 << 20, 1 << 20},
				"pads": []int64{1 << 20, 1 << 20, 1 << 20, 1 << 20}}}}, nil, "elements; at most"},
		{"strides of 0", small, []onnx.Node{{Op: "MaxPool", In: []string{"x"}, Out: []string{"y"},
			Attrs: map[string]any{"kernel_shape": []int64{2, 2}, "strides": []int64{0, 1}}}}, nil, "strides [0 1]"},
		{"a constant of a shape", small, []onnx.Node{{Op: "ConstantOfShape", In: []string{"s"}, Out: []string{"y"}}},
			[]onnx.Tensor{whole("s", 1<<40, 1<<40)}, "elements; at most"},
		{"an expansion", small, []onnx.Node{{Op: "Expand", In: []string{"x", "s"}, Out: []string{"y"}}},
			[]onnx.Tensor{whole("s", 1<<30, 32, 3, 8, 8)}, "elements; at most"},
	} {
		m := &onnx.Model{Graph: onnx.Graph{Nodes: c.nodes, Initializers: c.known,
			Inputs:  []onnx.Value{{Name: "x", Type: onnx.Float, Dims: c.dims}},
			Outputs: []onnx.Value{{Name: "y", Type: onnx.Float}}}}
		_, err := NewExtractor(openNative(t), m)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "runtime error") {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
	}
}
