package onnx

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"flowmatch/internal/atomicfile"
)

// ReadFile reads a model with the tensors that it keeps in files beside it.
func ReadFile(path string) (*Model, error) {
	buf, err := atomicfile.Read(path)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	r := reader{dir: filepath.Dir(path), beside: map[string][]byte{}}
	m, err := r.model(buf)
	if err != nil {
		return nil, fmt.Errorf("onnx: %s: %w", path, err)
	}
	return m, nil
}

// Unmarshal reads a model that is whole in one slice.
func Unmarshal(buf []byte) (*Model, error) {
	m, err := (&reader{}).model(buf)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return m, nil
}

// errTruncated is what a file that is cut off, or not one of ONNX, gives.
var errTruncated = errors.New("not a whole ONNX file")

// reader reads the messages of one file.
type reader struct {
	dir    string            // of the files beside; "" when there are none
	beside map[string][]byte // those read
	depth  int               // of graphs within graphs
}

// mostDepth is more graphs within each other than any network has.
const mostDepth = 16

// body reads a graph that is an attribute.
func (r *reader) body(buf []byte) (Graph, error) {
	if r.depth == mostDepth {
		return Graph{}, fmt.Errorf("more than %d graphs within each other", mostDepth)
	}
	r.depth++
	defer func() { r.depth-- }()
	return r.graph(buf)
}

// item is one field of a message: a number, or bytes.
type item struct {
	field protowire.Number
	num   uint64
	bytes []byte
}

// items shows visit every field of a message.
func items(buf []byte, visit func(it item) error) error {
	for len(buf) > 0 {
		field, typ, n := protowire.ConsumeTag(buf)
		if n < 0 {
			return errTruncated
		}
		buf = buf[n:]
		it := item{field: field}
		switch typ {
		case protowire.VarintType:
			it.num, n = protowire.ConsumeVarint(buf)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(buf)
			it.num = uint64(v)
		case protowire.Fixed64Type:
			it.num, n = protowire.ConsumeFixed64(buf)
		case protowire.BytesType:
			it.bytes, n = protowire.ConsumeBytes(buf)
		default:
			n = protowire.ConsumeFieldValue(field, typ, buf)
		}
		if n < 0 {
			return errTruncated
		}
		buf = buf[n:]
		if err := visit(it); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) model(buf []byte) (*Model, error) {
	m := &Model{Metadata: map[string]string{}}
	seen := false
	err := items(buf, func(it item) (err error) {
		switch it.field {
		case modelIR:
			m.IR = int64(it.num)
		case modelProducer:
			m.Producer = string(it.bytes)
		case modelVersion:
			m.ProducerVersion = string(it.bytes)
		case modelDoc:
			m.Doc = string(it.bytes)
		case modelGraph:
			seen = true
			m.Graph, err = r.graph(it.bytes)
		case modelOpset:
			domain, version, err := entry(it.bytes)
			if domain == "" || domain == "ai.onnx" {
				m.Opset = int64(version)
			}
			return err
		case modelMetadata:
			k, v, err := pair(it.bytes)
			m.Metadata[k] = v
			return err
		}
		return err
	})
	if err == nil && (!seen || m.Opset == 0) {
		err = errTruncated
	}
	return m, err
}

// entry reads a message of a text and a number.
func entry(buf []byte) (text string, num uint64, err error) {
	err = items(buf, func(it item) error {
		if it.field == opsetDomain {
			text = string(it.bytes)
		} else {
			num = it.num
		}
		return nil
	})
	return text, num, err
}

// pair reads a message of two texts.
func pair(buf []byte) (k, v string, err error) {
	err = items(buf, func(it item) error {
		if it.field == entryKey {
			k = string(it.bytes)
		} else {
			v = string(it.bytes)
		}
		return nil
	})
	return k, v, err
}

func (r *reader) graph(buf []byte) (g Graph, err error) {
	err = items(buf, func(it item) error {
		switch it.field {
		case graphNode:
			n, err := r.node(it.bytes)
			g.Nodes = append(g.Nodes, n)
			return err
		case graphName:
			g.Name = string(it.bytes)
		case graphInitializer:
			t, err := r.tensor(it.bytes)
			g.Initializers = append(g.Initializers, t)
			return err
		case graphInput:
			v, err := value(it.bytes)
			g.Inputs = append(g.Inputs, v)
			return err
		case graphOutput:
			v, err := value(it.bytes)
			g.Outputs = append(g.Outputs, v)
			return err
		}
		return nil
	})
	return g, err
}

func (r *reader) node(buf []byte) (n Node, err error) {
	n.Attrs = map[string]any{}
	err = items(buf, func(it item) error {
		switch it.field {
		case nodeIn:
			n.In = append(n.In, string(it.bytes))
		case nodeOut:
			n.Out = append(n.Out, string(it.bytes))
		case nodeName:
			n.Name = string(it.bytes)
		case nodeOp:
			n.Op = string(it.bytes)
		case nodeDomain:
			n.Domain = string(it.bytes)
		case nodeAttr:
			name, v, err := r.attribute(it.bytes)
			n.Attrs[name] = v
			return err
		}
		return nil
	})
	return n, err
}

func value(buf []byte) (v Value, err error) {
	err = items(buf, func(it item) error {
		switch it.field {
		case valueName:
			v.Name = string(it.bytes)
		case valueType:
			return items(it.bytes, func(it item) error {
				if it.field != typeTensor {
					return nil
				}
				return v.tensorType(it.bytes)
			})
		}
		return nil
	})
	return v, err
}

func (v *Value) tensorType(buf []byte) error {
	return items(buf, func(it item) error {
		switch it.field {
		case tensorTypeElem:
			v.Type = DataType(it.num)
		case tensorTypeShape:
			v.Dims = []Dim{}
			return items(it.bytes, func(it item) error {
				if it.field != shapeDim {
					return nil
				}
				d := Dim{Param: "?"} // neither is a size that is not known
				err := items(it.bytes, func(it item) error {
					switch it.field {
					case dimSize:
						d = Dim{Size: int64(it.num)}
					case dimParam:
						d = Dim{Param: string(it.bytes)}
					}
					return nil
				})
				v.Dims = append(v.Dims, d)
				return err
			})
		}
		return nil
	})
}

// part returns what a tensor keeps in a file beside the model.
func (r *reader) part(where map[string]string) ([]byte, error) {
	name := where["location"]
	if r.dir == "" || !filepath.IsLocal(name) {
		return nil, fmt.Errorf("its data are in %q, which is no file beside the model", name)
	}
	buf, ok := r.beside[name]
	if !ok {
		var err error
		if buf, err = atomicfile.Read(filepath.Join(r.dir, name)); err != nil {
			return nil, err
		}
		r.beside[name] = buf
	}
	from, length := 0, len(buf)
	var err error
	if s, ok := where["offset"]; ok {
		if from, err = strconv.Atoi(s); err != nil || from < 0 || from > len(buf) {
			return nil, fmt.Errorf("its data begin at %q of %s, which has %d bytes", s, name, len(buf))
		}
	}
	length -= from
	if s, ok := where["length"]; ok {
		if length, err = strconv.Atoi(s); err != nil || length < 0 || length > len(buf)-from {
			return nil, fmt.Errorf("its data are %q bytes from %d on of %s, which has %d", s, from, name, len(buf))
		}
	}
	return buf[from : from+length], nil
}
