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
	"slices"
	"strings"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/reg"

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
	// The check needs the registers that Compile, the first pass, gives, and comes before anything is written.
	cfg.Passes = slices.Insert(cfg.Passes, 1, pass.Interface(pass.FunctionPass(checkAVX2)))
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
			if p := reg.ToPhysical(r); p != nil && p.Kind() == reg.KindVector && p.PhysicalIndex() >= 16 {
				return fmt.Errorf("%s: too many registers: %s in %s", f.Name, p.Asm(), i.Opcode)
			}
		}
	}
	return nil
}
