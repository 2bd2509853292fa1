package onnx

import (
	"bytes"
	"testing"
)

// No bytes are a panic, and what is read is written and read again as the same.
func FuzzUnmarshal(f *testing.F) {
	m := &Model{
		Producer: "test", Metadata: map[string]string{"key": "value"},
		Graph: Graph{
			Name:    "g",
			Nodes:   []Node{{Op: "Add", In: []string{"x", "w"}, Out: []string{"y"}}},
			Inputs:  []Value{{Name: "x", Type: Float, Dims: []Dim{{Param: "N"}, {Size: 2}}}},
			Outputs: []Value{{Name: "y", Type: Float, Dims: []Dim{{Param: "N"}, {Size: 2}}}},
		},
	}
	if buf, err := m.Marshal(); err == nil {
		f.Add(buf)
		f.Add(buf[:len(buf)/2])
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, buf []byte) {
		m, err := Unmarshal(buf)
		if err != nil {
			return
		}
		written, err := m.Marshal()
		if err != nil {
			return // what was read cannot be written, such as a tensor of a kind that we do not write
		}
		again, err := Unmarshal(written)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		rewritten, err := again.Marshal()
		if err != nil || !bytes.Equal(written, rewritten) {
			t.Errorf("written again, it is another file (%v)", err)
		}
	})
}
