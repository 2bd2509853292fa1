package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"

	"github.com/parquet-go/parquet-go"

	"flowmatch/classify"
	"flowmatch/data"
	"flowmatch/data/dataset"
	"flowmatch/engine/onnx"
	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/metrics"
	"flowmatch/nn"
)

// dataKinds are the kinds of files that points and images come from.
func dataKinds() []kind {
	table := func(name string, whole func(*torturer) ([]byte, error)) kind {
		return kind{name, whole, nil, readData(dataset.Config{Kind: data.KindTable}, name)}
	}
	images := func(name, file string, c dataset.Config, whole func(*torturer) ([]byte, error)) kind {
		return kind{name, whole, nil, readData(c, file)}
	}
	return []kind{
		table("x.csv", csvOf), table("x.csv.gz", zipped(csvOf)), table("x.npy", npyOf), table("x.parquet", parquetOf),
		images("IDX", "x-images-idx3-ubyte", dataset.Config{Kind: data.KindImages}, idxOf),
		images("IDX, zipped", "x-images-idx3-ubyte.gz", dataset.Config{Kind: data.KindImages}, zipped(idxOf)),
		images("PNG", "a.png", dataset.Config{Kind: data.KindFolder, Size: 4}, pngOf),
		images("JPEG", "a.jpg", dataset.Config{Kind: data.KindFolder, Size: 4}, jpegOf),
		images("shard", "a.tar", dataset.Config{Kind: data.KindShards, Size: 4}, shardOf),
	}
}

// otherKinds are files that an evaluation reads.
func otherKinds() []kind {
	return []kind{
		{"ONNX", onnxOf, nil, readONNX},
		{"statistics of features", statisticsOf, nil, func(file string) (bool, error) {
			_, err := eval.ReadStatistics(file)
			return err == nil, nil
		}},
	}
}

// readData returns a reader of data, which gives the file the name that its kind asks for. Of
// what it takes it draws a batch, which must be finite.
func readData(c dataset.Config, name string) func(file string) (bool, error) {
	return func(file string) (bool, error) {
		dir := file + ".data"
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return false, err
		}
		defer os.RemoveAll(dir)
		c.Path = filepath.Join(dir, name)
		if err := os.Rename(file, c.Path); err != nil {
			return false, err
		}
		if c.Kind == data.KindFolder {
			c.Path = dir
		}
		set, err := c.Open("", 1)
		if err != nil {
			return false, nil
		}
		x := flow.NewBatch(4, set.Dim)
		if err := set.Train.Fill(x, flow.Given{}, 0); err != nil {
			return true, nil
		}
		for _, v := range x.X {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return true, fmt.Errorf("a point has %v", v)
			}
		}
		return true, nil
	}
}

// zipped returns the maker of a file that is compressed.
func zipped(whole func(*torturer) ([]byte, error)) func(*torturer) ([]byte, error) {
	return func(t *torturer) ([]byte, error) {
		b, err := whole(t)
		return zip(b), err
	}
}

// zip compresses bytes.
func zip(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b) // into memory, which does not fail
	w.Close()
	return out.Bytes()
}

func csvOf(t *torturer) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintln(&b, "first,\"second, quoted\",label")
	for i := range 20 {
		fmt.Fprintf(&b, "%g,%g,%d\n", t.rng.NormFloat64(), 1e3*t.rng.NormFloat64(), i%3)
	}
	return b.Bytes(), nil
}

func npyOf(t *torturer) ([]byte, error) {
	b := npyHead("(20, 3)")
	for range 60 {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(t.rng.NormFloat64()))
	}
	return b, nil
}

// npyHead is what an NPY file of that shape begins with.
func npyHead(shape string) []byte {
	header := fmt.Sprintf("%-117s\n", "{'descr': '<f8', 'fortran_order': False, 'shape': "+shape+", }")
	b := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), 0)
	return append(b, header...)
}

func parquetOf(t *torturer) ([]byte, error) {
	type row struct {
		A float64 `parquet:"a"`
		B float32 `parquet:"b"`
		C int64   `parquet:"c"`
	}
	rows := make([]row, 20)
	for i := range rows {
		rows[i] = row{t.rng.NormFloat64(), t.rng.Float32(), t.rng.Int64N(9)}
	}
	var b bytes.Buffer
	err := parquet.Write(&b, rows)
	return b.Bytes(), err
}

func idxOf(t *torturer) ([]byte, error) {
	b := idxHead(20, 4, 5)
	for range 20 * 4 * 5 {
		b = append(b, byte(t.rng.UintN(256)))
	}
	return b, nil
}

// idxHead is what an IDX file of bytes with these sizes begins with.
func idxHead(sizes ...uint32) []byte {
	b := []byte{0, 0, 8, byte(len(sizes))}
	for _, n := range sizes {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

// picture returns a small picture.
func picture(t *torturer) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, 9, 7))
	for i := range m.Pix {
		m.Pix[i] = byte(t.rng.UintN(256))
	}
	m.Set(0, 0, color.White)
	return m
}

func pngOf(t *torturer) ([]byte, error) {
	var b bytes.Buffer
	err := png.Encode(&b, picture(t))
	return b.Bytes(), err
}

func jpegOf(t *torturer) ([]byte, error) {
	var b bytes.Buffer
	err := jpeg.Encode(&b, picture(t), nil)
	return b.Bytes(), err
}

func shardOf(t *torturer) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := range 4 {
		one, err := pngOf(t)
		if err != nil {
			return nil, err
		}
		for name, text := range map[string][]byte{"png": one, "cls": fmt.Append(nil, i%2)} {
			h := tar.Header{Name: fmt.Sprintf("%04d.%s", i, name), Size: int64(len(text)), Mode: 0o600}
			if err := w.WriteHeader(&h); err != nil {
				return nil, err
			}
			w.Write(text) // into memory
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// onnxOf makes a network of images [N, 1, 4, 4]: a convolution, its mean over the image, and
// a linear map.
func onnxOf(t *torturer) ([]byte, error) {
	weight := func(name string, dims ...int64) onnx.Tensor {
		w := onnx.Tensor{Name: name, Type: onnx.Float, Dims: dims}
		for range w.Size() {
			w.Floats = append(w.Floats, t.rng.Float32())
		}
		return w
	}
	value := func(name string, dims ...onnx.Dim) onnx.Value {
		return onnx.Value{Name: name, Type: onnx.Float, Dims: dims}
	}
	batch := onnx.Dim{Param: "N"}
	pads := map[string]any{"pads": []int64{1, 1, 1, 1}, "kernel_shape": []int64{3, 3}}
	m := onnx.Model{IR: 8, Opset: 17, Graph: onnx.Graph{
		Name: "features",
		Nodes: []onnx.Node{
			{Op: "Conv", In: []string{"x", "kernel"}, Out: []string{"c"}, Attrs: pads},
			{Op: "Relu", In: []string{"c"}, Out: []string{"r"}},
			{Op: "GlobalAveragePool", In: []string{"r"}, Out: []string{"p"}},
			{Op: "Flatten", In: []string{"p"}, Out: []string{"f"}, Attrs: map[string]any{"axis": int64(1)}},
			{Op: "Gemm", In: []string{"f", "w", "b"}, Out: []string{"y"}},
		},
		Initializers: []onnx.Tensor{weight("kernel", 5, 1, 3, 3), weight("w", 5, 6), weight("b", 6)},
		Inputs:       []onnx.Value{value("x", batch, onnx.Dim{Size: 1}, onnx.Dim{Size: 4}, onnx.Dim{Size: 4})},
		Outputs:      []onnx.Value{value("y", batch, onnx.Dim{Size: 6})},
	}}
	return m.Marshal()
}

// readONNX opens a file as a network whose features are compared.
func readONNX(file string) (bool, error) {
	eng, err := nn.Open("")
	if err != nil {
		return false, err
	}
	_, err = classify.OpenExtractor(file, eng, []int{4, 4, 1}, classify.ExtractorOptions{})
	return err == nil, nil
}

func statisticsOf(t *torturer) ([]byte, error) {
	x := flow.NewBatch(20, 4)
	for i := range x.X {
		x.X[i] = t.rng.NormFloat64()
	}
	s, err := metrics.NewFeatureStats("torture", "all", x)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = metrics.WriteFeatureStats(&b, s)
	return b.Bytes(), err
}
