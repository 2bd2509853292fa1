package data

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// idxFile builds an IDX file of unsigned bytes.
func idxFile(shape []uint32, pix []byte) []byte {
	b := []byte{0, 0, 8, byte(len(shape))}
	for _, d := range shape {
		b = binary.BigEndian.AppendUint32(b, d)
	}
	return append(b, pix...)
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestIDXIsReadPlainAndGzipped(t *testing.T) {
	pix := []byte{1, 2, 3, 4, 5, 255}
	plain := idxFile([]uint32{1, 2, 3}, pix)
	for name, file := range map[string][]byte{"plain": plain, "gzipped": gzipped(t, plain)} {
		shape, got, err := ReadIDX(writeTemp(t, "images-idx3-ubyte", file))
		if err != nil || !slices.Equal(shape, []int{1, 2, 3}) || !bytes.Equal(got, pix) {
			t.Errorf("%s: got %v %v (error %v), want [1 2 3] %v", name, shape, got, err, pix)
		}
	}
}

func TestBadIDXIsReported(t *testing.T) {
	good := idxFile([]uint32{2, 2}, []byte{1, 2, 3, 4})
	zipped := gzipped(t, good)
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "truncated: 0 bytes, not even the 4 of the magic number"},
		{"a PNG", []byte("\x89PNG\r\n"), "magic number 89 50 4e 47 is not that of an IDX file"},
		{"floats", []byte{0, 0, 0x0d, 1, 0, 0, 0, 0}, "element type 0x0d; only 0x08"},
		{"no dimensions", []byte{0, 0, 8, 0}, "0 dimensions"},
		{"half the dimensions", good[:9], "truncated: 5 of the 8 bytes of the dimensions"},
		{"a byte short", good[:len(good)-1], "truncated: 3 bytes after the header, want 4 for shape [2 2]"},
		{"a byte long", append(slices.Clone(good), 9), "more bytes than the 4 of shape [2 2]"},
		{"a dimension beyond int32", idxFile([]uint32{math.MaxUint32}, nil), "dimension 0 is 4294967295; want below 2^31"},
		{"a claim of 2^63 bytes", idxFile([]uint32{1 << 30, 1 << 30, 8}, []byte{1}), "too large"},
		{"a claim of gigabytes", idxFile([]uint32{1 << 30}, []byte{1}), "truncated: 1 bytes after the header, want 1073741824"},
		{"gzip cut short", zipped[:len(zipped)-9], "truncated: its gzip stream ends early"},
		{"gzip with a wrong sum", append(slices.Clone(zipped[:len(zipped)-8]), 1, 2, 3, 4, 4, 0, 0, 0), "gzip: invalid checksum"},
		{"gzip in name only", []byte{0x1f, 0x8b, 0, 0}, "not a gzip file after all"},
	} {
		_, _, err := ReadIDX(writeTemp(t, "x-idx", c.file))
		wantError(t, c.name, err, c.want)
	}
}

func TestDequantizedPixelsAreUniformAndComeBackExactly(t *testing.T) {
	const n, seedValue = 40, 12
	pix := make([]byte, n*Levels)
	for i := range pix {
		pix[i] = byte(i)
	}
	for _, dequantize := range []bool{true, false} {
		m, err := NewImages([]int{16, 16}, pix, nil, dequantize, nil)
		if err != nil {
			t.Fatal(err)
		}
		x, _ := Rows(m, 0, n, seed.Rand(seedValue, "test", 0))
		back := make([]byte, len(x.X))
		Pixels(back, x.X)
		if !bytes.Equal(back, pix) {
			t.Errorf("dequantize %v: the pixels do not come back, seed %d", dequantize, seedValue)
		}
		mean := 0.0
		count := make([]float64, 10)
		for i, y := range x.X {
			if !(y >= -1 && y < 1) {
				t.Fatalf("dequantize %v: pixel %d became %g, outside [-1, 1)", dequantize, pix[i], y)
			}
			u := (y+1)*128 - float64(pix[i])
			mean += u / float64(len(pix))
			count[int(u*10)]++
		}
		tol := 1e-12 // rounding of the sum
		if dequantize {
			tol = 5 * math.Sqrt(1.0/12/float64(len(pix)))
			chi2(t, count, slices.Repeat([]float64{0.1}, 10), len(pix), seedValue)
		}
		if math.Abs(mean-0.5) > tol {
			t.Errorf("dequantize %v: mean noise %g, want 0.5, tolerance %g, seed %d", dequantize, mean, tol, seedValue)
		}
	}
}

func TestPixelsHoldsToTheRangeOfABytes(t *testing.T) {
	got := make([]byte, 7)
	Pixels(got, []float64{-7, -1, math.Nextafter(-1+1.0/128, -2), 1, 9, math.NaN(), math.Inf(1)})
	if want := []byte{0, 0, 0, 255, 255, 0, 255}; !bytes.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAUniformModelOfImagesCosts8BitsPerDim(t *testing.T) {
	// p(y) = 2^-D on [-1, 1]^D: BPD = (D ln 2 + D ln 128) / (D ln 2) = 8.
	const d = 12
	m, err := NewImages([]int{3, 4}, make([]byte, d), nil, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	if bpd := (d*math.Ln2 + m.LogDet()) / (d * math.Ln2); math.Abs(bpd-8) > 1e-12 {
		t.Errorf("BPD got %g, want 8, tolerance 1e-12", bpd)
	}
	m.Standardizer = &Standardizer{Mean: []float64{0.5}, Std: []float64{0.25}}
	// z is spread over 4 times the length: p(z) = 8^-D.
	if bpd := (d*math.Log(8) + m.LogDet()) / (d * math.Ln2); math.Abs(bpd-8) > 1e-12 {
		t.Errorf("standardized: BPD got %g, want 8, tolerance 1e-12", bpd)
	}
}

func TestNewImagesRefusesWhatDoesNotFit(t *testing.T) {
	for _, c := range []struct {
		shape []int
		n     int
		label []int32
		std   *Standardizer
		want  string
	}{
		{[]int{2, 2}, 5, nil, nil, "5 bytes are no whole number of images of shape [2 2]"},
		{nil, 4, nil, nil, "images of shape []"},
		{[]int{2, 0}, 4, nil, nil, "images of shape [2 0]"},
		{[]int{2, 2}, 8, []int32{1}, nil, "1 labels for 2 images"},
		{[]int{2, 2}, 4, nil, &Standardizer{Mean: []float64{0, 0}, Std: []float64{1, 1}}, "standardizer of 2 coordinates for images of 4 pixels"},
		{[]int{2, 2}, 4, nil, &Standardizer{Mean: []float64{0}, Std: []float64{0}}, "deviation 0 is 0"},
	} {
		_, err := NewImages(c.shape, make([]byte, c.n), c.label, true, c.std)
		wantError(t, c.want, err, c.want)
	}
}

func TestMNISTLoads(t *testing.T) {
	dir := filepath.Join(sharedData(t), "mnist")
	c := Config{
		Path: "t10k-images-idx3-ubyte.gz", LabelsPath: "t10k-labels-idx1-ubyte.gz",
		Standardize: StandardizeScalar, Val: new(1000.0), Test: new(0.2),
	}
	s, err := c.Open(dir, 13)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(s.Shape, s.Dim, s.Classes, s.TrainSet.Len(), s.Val.Len(), s.Test.Len(), s.Levels, s.Dequantized), "[28 28] 784 10 7000 1000 2000 256 true"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	x, label := flow.NewBatch(7000, 784), make([]int32, 7000)
	if err := s.Train.Fill(x, label, 0); err != nil { // a whole epoch
		t.Fatal(err)
	}
	mean, std, _ := moments(x.X, 1, len(x.X))
	// The standardizer knows the law of the noise and not its draw, whose effect
	// on the mean is 5 deviations of sqrt(1/12/n)/128/Std at most.
	if tol := 5e-5; math.Abs(mean) > tol || math.Abs(std-1) > tol {
		t.Errorf("training pixels: mean %g, deviation %g, want 0 and 1, tolerance %g", mean, std, tol)
	}
	count := make([]int, 10)
	for _, k := range label {
		count[k]++
	}
	for k, n := range count {
		if n < 500 || n > 900 { // the digits are 9 to 11.4 % of the file
			t.Errorf("digit %d comes %d times in 7000", k, n)
		}
	}
	// Digit means differ: labels and images belong together.
	s.Original(x)
	ink := make([]float64, 10)
	for i, k := range label {
		for _, v := range x.Row(i) {
			ink[k] += (v + 1) / float64(count[k])
		}
	}
	if !(ink[0] > 1.5*ink[1]) {
		t.Errorf("zeros have %g ink and ones %g; labels do not belong to their images", ink[0], ink[1])
	}
}
