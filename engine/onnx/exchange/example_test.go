package exchange_test

import (
	"fmt"
	"log"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"flowmatch/engine/native"
	"flowmatch/engine/onnx/exchange"
)

// A layer of GoMLX as an ONNX model for batches of any size, and the model as a graph of
// GoMLX.
func Example() {
	backend, err := native.New(native.Options{Threads: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer backend.Finalize()
	m, err := exchange.Program{
		// The weights are the first parameter of the computation, one slab, of which slices are taken.
		Name: "layer", Theta: []float32{3, -1, 0.5},
		Weights: []exchange.Weight{{Name: "w", Shape: []int{2, 1}}, {Name: "b", Shape: []int{1}, Offset: 2}},
		Inputs:  []exchange.Port{{Name: "x"}}, Outputs: []exchange.Port{{Name: "y"}},
		Record: func(n int) (*native.Recording, error) {
			g := NewGraph(native.NewRecorder(backend), "layer")
			theta := Parameter(g, "theta", shapes.Make(dtypes.Float32, 3))
			x := Parameter(g, "x", shapes.Make(dtypes.Float32, n, 2))
			w, b := Reshape(Slice(theta, AxisRange(0, 2)), 2, 1), Slice(theta, AxisRange(2))
			if err := g.Compile(Tanh(Add(Dot(x, w).Product(), InsertAxes(b, 0)))); err != nil {
				return nil, err
			}
			return g.Executable().(*native.Recording), nil
		},
	}.Model()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Graph.Inputs[0], "->", m.Graph.Outputs[0])

	r := exchange.NewReader(m)
	exec, err := NewExec(backend, func(x *Node) []*Node {
		theta := Const(x.Graph(), append(r.Theta(), 0)) // too few weights for a slab: they are constants
		y, err := r.Build(theta, []*Node{x}, []string{"y"})
		if err != nil {
			panic(err) // as graph code does; Exec returns it
		}
		return y
	})
	if err != nil {
		log.Fatal(err)
	}
	out, err := exec.Call([][]float32{{1, 2}, {0, 0}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.3f\n", out[0].Value())
	// Output:
	// x float [N, 2] -> y float [N, 1]
	// [[0.905] [0.462]]
}
