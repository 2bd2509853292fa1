// Package formula holds the mathematics of the vector loops of package kernel, written once for
// all instruction sets: what a loop does with the vectors of a turn, and how it is called.
//
// There are only a few types: a [Machine] makes constants; a [Vec] is a vector of floats or of
// 32-bit integers in a register of a machine, a [Mask] a yes or no for each of its lanes; a
// [Loop] describes a loop over vectors. The generators of assembly implement the first three, and
// write the last.
package formula
