// Package onnx reads and writes ONNX files: the model, its graph, its tensors. It is for
// programs that make, inspect or change such files in plain Go: it needs nothing but
// protobuf's wire format, no engine, no cgo and no generated code.
//
// There are only a few types: [Model] is a file, [Graph] its nodes, initializers,
// inputs and outputs, [Node] an operation, [Tensor] an array, and [Value] the
// description of an input or output. [ReadFile] reads a file with its external data;
// [Unmarshal] and [Model.Marshal] deal with bytes.
//
// What the operations mean is not known here. The package exchange, below this one,
// translates between files and graphs of GoMLX, in both directions.
//
// The format is onnx.proto of the ONNX project; the numbers of its fields are listed in
// write.go.
package onnx

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// DataType is the type of the elements of a tensor, by ONNX's number.
type DataType int32

// The types of elements that are read; those written are Float, Int32, Int64, Bool.
const (
	Float    DataType = 1
	Uint8    DataType = 2
	Int8     DataType = 3
	Uint16   DataType = 4
	Int16    DataType = 5
	Int32    DataType = 6
	Int64    DataType = 7
	Bool     DataType = 9
	Float16  DataType = 10
	Double   DataType = 11
	BFloat16 DataType = 16
)

// String returns ONNX's name.
func (t DataType) String() string {
	names := map[DataType]string{
		Float: "float", Uint8: "uint8", Int8: "int8", Uint16: "uint16", Int16: "int16", Int32: "int32",
		Int64: "int64", Bool: "bool", Float16: "float16", Double: "double", BFloat16: "bfloat16",
	}
	if n, ok := names[t]; ok {
		return n
	}
	return fmt.Sprintf("data type %d", int32(t))
}

// floats reports whether a Tensor holds elements of the type in Floats.
func (t DataType) floats() bool {
	return slices.Contains([]DataType{Float, Float16, Double, BFloat16}, t)
}

// Model is one file.
type Model struct {
	IR                        int64 // version of the format
	Opset                     int64 // version of the operations of the standard domain
	Producer, ProducerVersion string
	Doc                       string
	Metadata                  map[string]string
	Graph                     Graph
}

// Graph is a computation. Nodes are in an order in which they can be run.
type Graph struct {
	Name            string
	Nodes           []Node
	Initializers    []Tensor
	Inputs, Outputs []Value
}

// Node is one operation. An empty name in In or Out is an argument left out.
type Node struct {
	Name, Op, Domain string
	In, Out          []string
	// Attrs are of type int64, float32, string, []int64, []float32, *Tensor or *Graph (the body of
	// a loop, which also sees the values around it); what else there is in a file is read as a
	// [Foreign].
	Attrs map[string]any
}

// Foreign is an attribute of a kind that is not read, by ONNX's number.
type Foreign int64

// Tensor is an array, row-major. Elements of floating-point types are in Floats, of
// all others in Ints.
type Tensor struct {
	Name   string
	Type   DataType
	Dims   []int64
	Floats []float32
	Ints   []int64
}

// Value describes an input or an output; a nil Dims is an unknown shape.
type Value struct {
	Name string
	Type DataType
	Dims []Dim
}

// Dim is a size, or where Param is set the name of one that is not fixed.
type Dim struct {
	Size  int64
	Param string
}

// Size returns the number of elements; 1 for a scalar.
func (t *Tensor) Size() int {
	n := 1
	for _, d := range t.Dims {
		n *= int(d)
	}
	return n
}

// String returns name, type and shape, as "x float [N, 2]".
func (v Value) String() string {
	dims := make([]string, len(v.Dims))
	for i, d := range v.Dims {
		dims[i] = d.Param
		if d.Param == "" {
			dims[i] = strconv.FormatInt(d.Size, 10)
		}
	}
	return fmt.Sprintf("%s %v [%s]", v.Name, v.Type, strings.Join(dims, ", "))
}
