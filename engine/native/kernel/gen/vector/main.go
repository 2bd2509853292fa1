// Command vector writes the vector loops of package kernel in Go assembly. Each
// loop is described once, over an abstract vector, and comes out twice: for
// AVX-512 with 16 lanes and for AVX2 with FMA with 8.
//
// Run it from the folder of package kernel, through go generate.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/pass"

	"flowmatch/engine/native/kernel/gen/formula"
)

func main() {
	// Package build has put flags of the same names into flag.CommandLine.
	set := flag.NewFlagSet("vector", flag.ExitOnError)
	flags := build.NewFlags(set)
	if err := set.Parse(os.Args[1:]); err != nil {
		panic(err) // cannot be: the set exits on errors
	}
	ctx := build.NewContext()
	for _, wide := range []bool{true, false} {
		g := newGen(ctx, wide)
		g.loops(formula.Unary())
		g.loops(formula.Binary())
		g.loops(formula.Fused())
		conversionLoops(g)
		reductions(g)
		movement(g)
		randomLoops(g)
	}
	cfg := flags.Config()
	cfg.Passes = append(cfg.Passes, pass.FunctionPass(checkAVX2))
	os.Exit(build.Main(cfg, ctx))
}

// checkAVX2 refuses AVX-512 in the functions for AVX2: the register allocator
// knows no levels, and would run on into registers that only AVX-512 has.
func checkAVX2(f *ir.Function) error {
	if !strings.HasSuffix(f.Name, "AVX2") {
		return nil
	}
	for _, i := range f.Instructions() {
		for _, isa := range i.ISA {
			if strings.HasPrefix(isa, "AVX512") || strings.HasPrefix(isa, "BMI") {
				return fmt.Errorf("%s: %s needs %s", f.Name, i.Opcode, isa)
			}
		}
		for _, r := range i.Registers() {
			name := fmt.Sprint(r)
			for n := 16; n < 32; n++ {
				if name == fmt.Sprintf("Y%d", n) || name == fmt.Sprintf("X%d", n) {
					return fmt.Errorf("%s: too many registers: %s", f.Name, name)
				}
			}
		}
	}
	return nil
}
