package onnx

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// The numbers of the fields, by message, as in onnx.proto.
const (
	modelIR, modelProducer, modelVersion, modelDoc, modelGraph, modelOpset, modelMetadata = 1, 2, 3, 6, 7, 8, 14
	opsetDomain, opsetVersion                                                             = 1, 2
	entryKey, entryValue                                                                  = 1, 2
	graphNode, graphName, graphInitializer, graphInput, graphOutput                       = 1, 2, 5, 11, 12
	nodeIn, nodeOut, nodeName, nodeOp, nodeAttr, nodeDomain                               = 1, 2, 3, 4, 5, 7
	attrName, attrF, attrI, attrS, attrT, attrG, attrFloats, attrInts, attrType           = 1, 2, 3, 4, 5, 6, 7, 8, 20
	tensorDims, tensorType, tensorName, tensorRaw                                         = 1, 2, 8, 9
	tensorFloats, tensorInt32s, tensorInt64s, tensorDoubles                               = 4, 5, 7, 10
	tensorExternal, tensorLocation                                                        = 13, 14
	valueName, valueType                                                                  = 1, 2
	typeTensor                                                                            = 1
	tensorTypeElem, tensorTypeShape                                                       = 1, 2
	shapeDim                                                                              = 1
	dimSize, dimParam                                                                     = 1, 2
)

// The kinds of attributes.
const (
	kindFloat, kindInt, kindString, kindTensor, kindGraph, kindFloats, kindInts = 1, 2, 3, 4, 5, 6, 7
)

// message is a protobuf message being written.
type message []byte

func (m *message) int(field protowire.Number, v int64) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), uint64(v))
}

func (m *message) text(field protowire.Number, s string) {
	*m = protowire.AppendString(protowire.AppendTag(*m, field, protowire.BytesType), s)
}

func (m *message) bytes(field protowire.Number, b []byte) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), b)
}

func (m *message) float(field protowire.Number, f float32) {
	*m = protowire.AppendFixed32(protowire.AppendTag(*m, field, protowire.Fixed32Type), math.Float32bits(f))
}

// Marshal returns the file. Equal models are equal bytes.
func (m *Model) Marshal() ([]byte, error) {
	var out message
	out.int(modelIR, m.IR)
	out.text(modelProducer, m.Producer)
	out.text(modelVersion, m.ProducerVersion)
	if m.Doc != "" {
		out.text(modelDoc, m.Doc)
	}
	g, err := m.Graph.marshal()
	if err != nil {
		return nil, err
	}
	out.bytes(modelGraph, g)
	var opset message
	opset.text(opsetDomain, "")
	opset.int(opsetVersion, m.Opset)
	out.bytes(modelOpset, opset)
	for _, k := range slices.Sorted(maps.Keys(m.Metadata)) {
		var e message
		e.text(entryKey, k)
		e.text(entryValue, m.Metadata[k])
		out.bytes(modelMetadata, e)
	}
	return out, nil
}

func (g *Graph) marshal() (out message, err error) {
	for i := range g.Nodes {
		n, err := g.Nodes[i].marshal()
		if err != nil {
			return nil, err
		}
		out.bytes(graphNode, n)
	}
	out.text(graphName, g.Name)
	for i := range g.Initializers {
		t, err := g.Initializers[i].marshal()
		if err != nil {
			return nil, err
		}
		out.bytes(graphInitializer, t)
	}
	for _, v := range g.Inputs {
		out.bytes(graphInput, v.marshal())
	}
	for _, v := range g.Outputs {
		out.bytes(graphOutput, v.marshal())
	}
	return out, nil
}

func (n *Node) marshal() (out message, err error) {
	for _, s := range n.In {
		out.text(nodeIn, s)
	}
	for _, s := range n.Out {
		out.text(nodeOut, s)
	}
	out.text(nodeName, n.Name)
	out.text(nodeOp, n.Op)
	for _, k := range slices.Sorted(maps.Keys(n.Attrs)) {
		a, err := attribute(k, n.Attrs[k])
		if err != nil {
			return nil, fmt.Errorf("onnx: node %s (%s): %w", n.Name, n.Op, err)
		}
		out.bytes(nodeAttr, a)
	}
	if n.Domain != "" {
		out.text(nodeDomain, n.Domain)
	}
	return out, nil
}

func attribute(name string, value any) (out message, err error) {
	out.text(attrName, name)
	kind := int64(0)
	switch v := value.(type) {
	case float32:
		kind = kindFloat
		out.float(attrF, v)
	case int64:
		kind = kindInt
		out.int(attrI, v)
	case string:
		kind = kindString
		out.text(attrS, v)
	case *Tensor:
		kind = kindTensor
		t, err := v.marshal()
		if err != nil {
			return nil, err
		}
		out.bytes(attrT, t)
	case *Graph:
		kind = kindGraph
		g, err := v.marshal()
		if err != nil {
			return nil, err
		}
		out.bytes(attrG, g)
	case []float32:
		kind = kindFloats
		for _, f := range v {
			out.float(attrFloats, f)
		}
	case []int64:
		kind = kindInts
		for _, i := range v {
			out.int(attrInts, i)
		}
	default:
		return nil, fmt.Errorf("attribute %s is a %T, which cannot be written", name, value)
	}
	out.int(attrType, kind)
	return out, nil
}

func (t *Tensor) marshal() (out message, err error) {
	for _, d := range t.Dims {
		out.int(tensorDims, d)
	}
	out.int(tensorType, int64(t.Type))
	out.text(tensorName, t.Name)
	if have := len(t.Floats) + len(t.Ints); have != t.Size() {
		return nil, fmt.Errorf("onnx: tensor %s of shape %v has %d elements", t.Name, t.Dims, have)
	}
	raw := make([]byte, 0, 8*len(t.Ints)+4*len(t.Floats))
	switch t.Type {
	case Float:
		for _, f := range t.Floats {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
		}
	case Int64:
		for _, i := range t.Ints {
			raw = binary.LittleEndian.AppendUint64(raw, uint64(i))
		}
	case Int32:
		for _, i := range t.Ints {
			raw = binary.LittleEndian.AppendUint32(raw, uint32(i))
		}
	case Bool, Uint8:
		for _, i := range t.Ints {
			raw = append(raw, byte(i))
		}
	default:
		return nil, fmt.Errorf("onnx: tensor %s is of %v, which is not written", t.Name, t.Type)
	}
	out.bytes(tensorRaw, raw)
	return out, nil
}

func (v Value) marshal() message {
	var shape, tensor, typ, out message
	for _, d := range v.Dims {
		var dim message
		if d.Param != "" {
			dim.text(dimParam, d.Param)
		} else {
			dim.int(dimSize, d.Size)
		}
		shape.bytes(shapeDim, dim)
	}
	tensor.int(tensorTypeElem, int64(v.Type))
	tensor.bytes(tensorTypeShape, shape)
	typ.bytes(typeTensor, tensor)
	out.text(valueName, v.Name)
	out.bytes(valueType, typ)
	return out
}
