// Command neon writes the kernels of package kernel for arm64 in Go assembly: products of
// matrices, what packs their operands, and the vector loops that package formula describes.
//
// Run it by go generate in the folder of package kernel.
package main

import (
	"flag"
	"fmt"
	"os"

	"flowmatch/engine/native/kernel/gen/arm64"
	"flowmatch/engine/native/kernel/gen/formula"
)

func main() {
	out := flag.String("out", "neon_arm64.s", "the assembly")
	stubs := flag.String("stubs", "neon_stub_arm64.go", "the declarations in Go")
	flag.Parse()
	if err := write(*out, *stubs); err != nil {
		fmt.Fprintln(os.Stderr, "neon:", err)
		os.Exit(1)
	}
}

// write writes both files.
func write(out, stubs string) error {
	f := arm64.NewFile("kernel", "go run ./gen/neon", "neonConstants")
	if err := kernels(f); err != nil {
		return err
	}
	if err := os.WriteFile(out, f.Assembly(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(stubs, f.Stubs(), 0o644)
}

// kernels writes all functions.
func kernels(f *arm64.File) error {
	w := &writer{file: f}
	w.products()
	w.packing()
	w.pairs()
	for _, list := range [][]formula.Loop{formula.Unary(), formula.Binary(), formula.Fused(), formula.Integers(),
		formula.Random()} {
		for _, l := range list {
			w.loop(l)
		}
	}
	w.conversions()
	w.reductions()
	w.movement()
	w.philox()
	return w.err
}

// writer adds functions to a file, and keeps the first error.
type writer struct {
	file *arm64.File
	err  error
}

// function begins one, with the suffix of the level.
func (w *writer) function(name, signature string) *arm64.Func {
	return w.file.Func(name+"NEON", signature)
}

func (w *writer) add(fn *arm64.Func) {
	if err := w.file.Add(fn); err != nil && w.err == nil {
		w.err = err
	}
}
