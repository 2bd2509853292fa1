package onnx

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

func example() *Model {
	return &Model{IR: 8, Opset: 18, Producer: "me", ProducerVersion: "1", Doc: "text",
		Metadata: map[string]string{"a": "b", "c": ""}, Graph: Graph{
			Name: "g",
			Nodes: []Node{{Name: "n", Op: "Op", Domain: "d", In: []string{"x", "", "w"}, Out: []string{"y"},
				Attrs: map[string]any{
					"i": int64(-3), "f": float32(1.5), "s": "text", "is": []int64{1, -2},
					"fs": []float32{0.5, float32(math.Inf(1))},
					"t":  &Tensor{Name: "inner", Type: Int64, Dims: []int64{1}, Ints: []int64{-7}},
					"g": &Graph{Name: "body", Nodes: []Node{{Op: "Op", In: []string{"x"}, Out: []string{"z"},
						Attrs: map[string]any{}}}, Outputs: []Value{{Name: "z", Type: Float, Dims: []Dim{}}}},
				}}},
			Initializers: []Tensor{
				{Name: "w", Type: Float, Dims: []int64{2, 1}, Floats: []float32{1, -2}},
				{Name: "i", Type: Int32, Dims: []int64{2}, Ints: []int64{-1, math.MaxInt32}},
				{Name: "b", Type: Bool, Ints: []int64{1}}, // a scalar
			},
			Inputs:  []Value{{Name: "x", Type: Float, Dims: []Dim{{Param: "N"}, {Size: 3}}}},
			Outputs: []Value{{Name: "y", Type: Int64, Dims: []Dim{}}},
		}}
}

func TestGraphsWithinEachOtherEnd(t *testing.T) {
	deep := &Graph{Name: "innermost"}
	for range 100 {
		deep = &Graph{Nodes: []Node{{Op: "Loop", Attrs: map[string]any{"body": deep}}}}
	}
	buf, err := (&Model{IR: 8, Opset: 18, Graph: *deep}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Unmarshal(buf); err == nil || !strings.Contains(err.Error(), "graphs within each other") {
		t.Errorf("100 graphs within each other: %v", err)
	}
}

func TestAModelIsReadAsItWasWritten(t *testing.T) {
	want := example()
	buf, err := want.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Unmarshal(buf)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
	again, err := got.Marshal()
	if err != nil || string(again) != string(buf) {
		t.Errorf("written again, the file is another; error %v", err)
	}
}

// A file that is cut off anywhere is an error or a smaller model, never a panic.
func TestFilesThatAreCutOffOrChangedDoNotPanic(t *testing.T) {
	buf, err := example().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for n := range buf {
		_, _ = Unmarshal(buf[:n]) // may be whole by chance
		changed := append([]byte(nil), buf...)
		changed[n] ^= 0x55
		_, _ = Unmarshal(changed)
	}
	for _, junk := range []string{"", "no such thing", "\x08\x08"} {
		if _, err := Unmarshal([]byte(junk)); err == nil || !strings.Contains(err.Error(), "not a whole ONNX file") {
			t.Errorf("%q: error %v", junk, err)
		}
	}
}

// raw is a tensor in other ways of writing than ours.
func TestTensorsAreReadHoweverTheyAreWritten(t *testing.T) {
	head := func(typ DataType, dims ...int64) (m message) {
		var packed []byte
		for _, d := range dims {
			packed = protowire.AppendVarint(packed, uint64(d))
		}
		m.bytes(tensorDims, packed)
		m.int(tensorType, int64(typ))
		m.text(tensorName, "w")
		return m
	}
	with := func(m message, field protowire.Number, b []byte) message { m.bytes(field, b); return m }
	for name, c := range map[string]struct {
		file   message
		floats []float32
		ints   []int64
	}{
		"float data": {with(head(Float, 2), tensorFloats, []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0x40}), []float32{1, 2},
			nil},
		"int64 data": {with(head(Int64, 2), tensorInt64s,
			[]byte{5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}), nil, []int64{5, -1}},
		"double": {with(head(Double, 1), tensorRaw, []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x3f}), []float32{1.5}, nil},
		"double data": {with(head(Double, 1), tensorDoubles, []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x3f}),
			[]float32{1.5}, nil},
		"float16": {with(head(Float16, 3), tensorRaw, []byte{0, 0x3c, 0, 0xc2, 1, 0}),
			[]float32{1, -3, 1.0 / (1 << 24)}, nil},
		"float16 as int32": {with(head(Float16, 1), tensorInt32s, []byte{0x80, 0x78}), []float32{1}, nil},
		"bfloat16":         {with(head(BFloat16, 1), tensorRaw, []byte{0x80, 0x3f}), []float32{1}, nil},
		"int8":             {with(head(Int8, 1), tensorRaw, []byte{0xff}), nil, []int64{-1}},
		"uint16":           {with(head(Uint16, 1), tensorRaw, []byte{0xff, 0xff}), nil, []int64{65535}},
	} {
		got, err := (&reader{}).tensor(c.file)
		if err != nil || !reflect.DeepEqual(got.Floats, c.floats) || !reflect.DeepEqual(got.Ints, c.ints) {
			t.Errorf("%s: %v %v, error %v; want %v %v", name, got.Floats, got.Ints, err, c.floats, c.ints)
		}
	}
	for name, file := range map[string]message{
		"too few":  with(head(Float, 3), tensorRaw, make([]byte, 8)),
		"no type":  head(99, 1),
		"negative": head(Float, -1),
		"huge":     head(Float, math.MaxInt32, math.MaxInt32, math.MaxInt32),
		"half":     with(head(Float, 1), tensorRaw, make([]byte, 3)),
	} {
		if _, err := (&reader{}).tensor(file); err == nil || !strings.Contains(err.Error(), `"w"`) {
			t.Errorf("%s: error %v; want one that names the tensor", name, err)
		}
	}
}

// Large exporters keep weights in a file beside the model.
func TestWeightsMayBeInAFileBeside(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "weights"), []byte{9, 9, 0, 0, 0x80, 0x3f, 9}, 0o666); err != nil {
		t.Fatal(err)
	}
	model := func(where map[string]string) string {
		m := example()
		m.Graph.Initializers = nil
		buf, err := m.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		var w, g message
		w.int(tensorDims, 1)
		w.int(tensorType, int64(Float))
		w.text(tensorName, "w")
		for k, v := range where {
			var e message
			e.text(entryKey, k)
			e.text(entryValue, v)
			w.bytes(tensorExternal, e)
		}
		w.int(tensorLocation, 1)
		g.bytes(graphInitializer, w)
		out := message(buf)
		out.bytes(modelGraph, g)
		file := filepath.Join(dir, "m.onnx")
		if err := os.WriteFile(file, out, 0o666); err != nil {
			t.Fatal(err)
		}
		return file
	}
	m, err := ReadFile(model(map[string]string{"location": "weights", "offset": "2", "length": "4"}))
	if err != nil || len(m.Graph.Initializers) != 1 || m.Graph.Initializers[0].Floats[0] != 1 {
		t.Errorf("model %+v, error %v; want a weight of 1", m, err)
	}
	for name, where := range map[string]map[string]string{
		"elsewhere": {"location": "../weights"}, "absent": {"location": "other"},
		"beyond":    {"location": "weights", "offset": "5", "length": "4"},
		"no number": {"location": "weights", "offset": "two"},
	} {
		if _, err := ReadFile(model(where)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestWhatCannotBeWrittenIsNamed(t *testing.T) {
	short, odd := example(), example()
	short.Graph.Initializers[0].Floats = []float32{1}
	odd.Graph.Nodes[0].Attrs["z"] = 1 // an int is not an int64
	for want, m := range map[string]*Model{"tensor w": short, "attribute z": odd} {
		if _, err := m.Marshal(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v; want one that says %q", err, want)
		}
	}
}
