// Package kernel holds the arithmetic of the native engine: vector loops,
// reductions, matrix products, convolutions and random numbers over float32, and
// matrix products in bfloat16, in assembly for AVX-512 and for AVX2+FMA (generated
// by the programs below gen), and in portable Go.
//
// There are only a few types: [Level] names a set of instructions; [Vector] is
// the table of vector loops of a level; [Matrix] that of its matrix products.
//
// # Caveats
//
// Functions take pointers and lengths and check nothing: this is the ground
// floor of the engine, and its callers have planned every access. Results are
// the same bits for the same level, and a row of a product of floats is, whatever
// rows stand beside it; levels differ in the last bits, because they
// sum in different orders. So do products in bfloat16 on CPUs with AVX512-BF16,
// which have no level of their own, and take denormal numbers for zeros there.
package kernel
