// Package exchange translates between computations and ONNX files, in both
// directions: what an engine has recorded becomes a graph of ONNX's operations, and
// a graph of ONNX's operations becomes one of GoMLX.
//
// There are only a few types: [Program] is a recorded computation with the names of
// what goes in and comes out, which [Program.Model] translates; [Reader] builds the
// graph of a file.
//
// # Batches of any size
//
// Graphs here have fixed shapes, files do not. So a computation is recorded twice,
// for batches of two sizes, and an axis whose length differs follows the batch. Any
// operation works that has at most one such axis; one that mixes the points of a
// batch (a mean over it) is refused, since its constants differ.
package exchange
