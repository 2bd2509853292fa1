package native_test

import (
	"fmt"
	"log"

	. "github.com/gomlx/gomlx/core/graph"

	"flowmatch/engine/native"
)

// A GoMLX program on this backend: a function of tensors, its gradient, and a call.
func Example() {
	backend, err := native.New(native.Options{Threads: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer backend.Finalize()

	// The mean square of x·w, and its gradient with respect to w.
	exec, err := NewExec(backend, func(x, w *Node) []*Node {
		loss := ReduceAllMean(Square(Dot(x, w).Product()))
		return append([]*Node{loss}, Gradient(loss, w)...)
	})
	if err != nil {
		log.Fatal(err)
	}
	out, err := exec.Call([][]float32{{1, 2}, {3, 4}}, []float32{1, 0.5})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(out[0].Value(), out[1].Value())
	// Output: 14.5 [17 24]
}

// Operations that the engine does not compile work too, on GoMLX's Go backend.
func ExampleBackend_Operations() {
	backend, err := native.New(native.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer backend.Finalize()
	compiled, fallBack := backend.Operations()
	has := func(list []string, name string) bool {
		for _, op := range list {
			if op == name {
				return true
			}
		}
		return false
	}
	fmt.Println(has(compiled, "DotGeneral"), has(fallBack, "Gather"))
	// Output: true true
}
