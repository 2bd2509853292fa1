// Package exchange translates between computations and ONNX files, in both
// directions: a computation that the native engine has recorded becomes a graph of
// ONNX's operations, and a graph of ONNX's operations becomes one of GoMLX. It is for any
// GoMLX program that writes its networks for other runtimes, or runs those of others.
//
// There are only a few types: [Program] is a recorded computation with the names of
// its inputs and outputs, which [Program.Model] translates; [Reader] builds the
// graph of a file.
//
// # Batches of any size
//
// Graphs here have fixed shapes, files do not. So a computation is recorded twice,
// for batches of two sizes, and an axis whose length differs follows the batch. Any
// operation works that has at most one such axis; one that mixes the points of a
// batch (a mean over it) is refused, since its constants differ.
package exchange
