package onnx_test

import (
	"fmt"
	"log"

	"flowmatch/engine/onnx"
)

// A file made, written to bytes, and read: y = max(x·w, 0) for batches of any size.
func Example() {
	m := &onnx.Model{IR: 8, Opset: 18, Producer: "example", Graph: onnx.Graph{
		Name: "layer",
		Nodes: []onnx.Node{
			{Op: "MatMul", In: []string{"x", "w"}, Out: []string{"h"}},
			{Op: "Relu", In: []string{"h"}, Out: []string{"y"}},
		},
		Initializers: []onnx.Tensor{{Name: "w", Type: onnx.Float, Dims: []int64{2, 1}, Floats: []float32{3, -1}}},
		Inputs:       []onnx.Value{{Name: "x", Type: onnx.Float, Dims: []onnx.Dim{{Param: "N"}, {Size: 2}}}},
		Outputs:      []onnx.Value{{Name: "y", Type: onnx.Float, Dims: []onnx.Dim{{Param: "N"}, {Size: 1}}}},
	}}
	file, err := m.Marshal()
	if err != nil {
		log.Fatal(err)
	}
	again, err := onnx.Unmarshal(file)
	if err != nil {
		log.Fatal(err)
	}
	for _, n := range again.Graph.Nodes {
		fmt.Println(n.Op, n.In, n.Out)
	}
	fmt.Println(again.Graph.Inputs[0], "->", again.Graph.Outputs[0])
	// Output:
	// MatMul [x w] [h]
	// Relu [h] [y]
	// x float [N, 2] -> y float [N, 1]
}
