// Package native is the engine that needs nothing but the binary: an
// implementation of GoMLX's compute.Backend in Go and generated assembly.
//
// There are only a few types: [Backend] owns the workers and the memory;
// a builder records a graph; [Program] is what it compiles to. The compiler is a
// short road, one file a step:
//
//	function.go   record the graph; a shadow of it, in GoMLX's own Go backend, checks shapes
//	lower.go      rewrite it into few kinds of tensors (tensor.go)
//	simplify.go   fold constants, share equal tensors, drop what is not used
//	region.go     cut it into regions: loops over the rows of a batch, and their levels
//	place.go      give every tensor a place: memory, tile or strip
//	emit*.go      write the instructions of each region
//	program.go    run them, level by level, on all cores
//
// # Regions
//
// A region is one loop over the leading axis of its tensors. All that a row
// needs of other rows comes from earlier levels (weights) or is summed for later
// ones (gradients of weights), so a tile of rows goes through the whole network,
// forwards and backwards, while it is in cache, and cores meet only between
// levels. Element-wise chains within a region run strip by strip in the first
// level of cache.
//
// # Caveats
//
// float32, bfloat16 and truth values are compiled. bfloat16 is computed in float32
// and rounded after each operation; its products and sums are summed in float32
// and rounded once, and numbers too small to be normal may be zeros in products. An
// operation on other types, or one that the compiler does not know, runs on
// GoMLX's Go backend, one operation at a time; [Program.Fallbacks] names them. A program is run by one caller at a time;
// others wait. Results are the same bits for the same number of cores and the
// same [kernel.Level], and, with bfloat16, for CPUs alike in having AVX512-BF16.
package native
