// Package native is a backend for GoMLX that needs nothing but the binary: an
// implementation of compute.Backend in Go and generated assembly, without cgo. Any
// GoMLX program can use it:
//
//	backend, err := native.New(native.Options{})
//
// makes a backend, which goes wherever GoMLX takes a compute.Backend, such as
// graph.NewExec (see the example). To make it one of those that compute.New finds by
// name, register it:
//
//	compute.Register(native.Name, func(string) (compute.Backend, error) {
//		return native.New(native.Options{})
//	})
//
// It is made for programs whose first axis is a batch, and for training steps: a whole
// step, forward, backward and optimizer, is best one graph. Buffers are shared with Go
// (NewSharedBuffer), a donated argument is written over by the result that replaces it,
// and a caller may bring the memory of the results ([Program.ExecuteInto]). Operations that
// are not compiled here run on GoMLX's Go backend, one by one: [Backend.Operations] lists
// both kinds, [Program.Fallbacks] names those of a program that fall back.
// [NewRecorder] records a program without compiling it, for other uses such as export.
//
// There are only a few types: [Backend] owns the workers and the memory;
// a builder records a graph; [Program] is what it compiles to. The compiler is a
// short road, one file a step:
//
//	function.go   record the graph; a shadow of it, in GoMLX's own Go backend, checks shapes
//	lower.go      rewrite it into few kinds of tensors (tensor.go)
//	simplify.go   fold constants, share equal tensors, drop what is not used
//	region.go     cut it into regions: loops over the rows of a batch, and their levels
//	memory.go     place every tensor: in memory of its own, in a tile or in a strip
//	emit*.go      write the instructions of each region
//	program.go    run them, level by level, on all cores
//
// # Regions
//
// A region is one loop over the leading axis of its tensors. All that a row
// needs of other rows comes from earlier levels (weights) or is summed for later
// ones (gradients of weights), so a tile of rows goes through the whole network,
// forward and backward, while it is in cache, and cores meet only between
// levels. Element-wise chains within a region run strip by strip in the first
// level of cache.
//
// # Caveats
//
// float32, bfloat16 and truth values are compiled. bfloat16 is computed in float32
// and rounded after each operation; its products and sums are summed in float32
// and rounded once, and numbers too small to be normal may be zeros in products. An
// operation on other types, or one that the compiler does not know, runs on
// GoMLX's Go backend, one operation at a time. A program is run by one caller at a
// time; others wait. Results are the same bits for the same number of cores and the
// same [kernel.Level], and, with bfloat16, for CPUs alike in having
// AVX512-BF16, or FEAT_BF16 of arm64.
package native
