package image

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"flowmatch/data"
	"flowmatch/data/internal/datatest"
	"flowmatch/flow"
	"flowmatch/internal/seed"
)

// rows returns all points of f.
func rows(t testing.TB, f data.Finite, rng *rand.Rand) flow.Batch {
	t.Helper()
	x, _, err := data.Rows(f, 0, f.Len(), rng)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestIDXIsReadPlainAndGzipped(t *testing.T) {
	pix := []byte{1, 2, 3, 4, 5, 255}
	plain := datatest.IDX([]uint32{1, 2, 3}, pix)
	for name, file := range map[string][]byte{"plain": plain, "gzipped": datatest.Gzipped(t, plain)} {
		shape, got, err := ReadIDX(datatest.WriteTemp(t, "images-idx3-ubyte", file))
		if err != nil || !slices.Equal(shape, []int{1, 2, 3}) || !bytes.Equal(got, pix) {
			t.Errorf("%s: got %v %v (error %v), want [1 2 3] %v", name, shape, got, err, pix)
		}
	}
}

func TestBadIDXIsReported(t *testing.T) {
	good := datatest.IDX([]uint32{2, 2}, []byte{1, 2, 3, 4})
	zipped := datatest.Gzipped(t, good)
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
		{"a dimension beyond int32", datatest.IDX([]uint32{math.MaxUint32}, nil),
			"dimension 0 is 4294967295; want below 2^31"},
		{"a claim of 2^63 bytes", datatest.IDX([]uint32{1 << 30, 1 << 30, 8}, []byte{1}), "too large"},
		{"a claim of gigabytes", datatest.IDX([]uint32{1 << 30}, []byte{1}),
			"truncated: 1 bytes after the header, want 1073741824"},
		{"gzip cut short", zipped[:len(zipped)-9], "truncated: its compressed stream ends early"},
		{"gzip with a wrong sum", append(slices.Clone(zipped[:len(zipped)-8]), 1, 2, 3, 4, 4, 0, 0, 0),
			"gzip: invalid checksum"},
		{"gzip in name only", []byte{0x1f, 0x8b, 0, 0}, "not a gzip file after all"},
	} {
		_, _, err := ReadIDX(datatest.WriteTemp(t, "x-idx", c.file))
		datatest.WantError(t, c.name, err, c.want)
	}
}

func TestDequantizedPixelsAreUniformAndComeBackExactly(t *testing.T) {
	const n, seedValue = 40, 12
	pix := make([]byte, n*Levels)
	for i := range pix {
		pix[i] = byte(i)
	}
	for _, dequantize := range []bool{true, false} {
		m, err := New([]int{16, 16}, pix, nil, dequantize, nil)
		if err != nil {
			t.Fatal(err)
		}
		x := rows(t, m, seed.Rand(seedValue, "test", 0))
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
			datatest.Chi2(t, count, slices.Repeat([]float64{0.1}, 10), len(pix), seedValue)
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
	m, err := New([]int{3, 4}, make([]byte, d), nil, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	if bpd := (d*math.Ln2 + m.LogDet()) / (d * math.Ln2); math.Abs(bpd-8) > 1e-12 {
		t.Errorf("BPD got %g, want 8, tolerance 1e-12", bpd)
	}
	m.Standardizer = &data.Standardizer{Mean: []float64{0.5}, Std: []float64{0.25}}
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
		std   *data.Standardizer
		want  string
	}{
		{[]int{2, 2}, 5, nil, nil, "5 bytes are no whole number of images of shape [2 2]"},
		{nil, 4, nil, nil, "images of shape []"},
		{[]int{2, 0}, 4, nil, nil, "images of shape [2 0]"},
		{[]int{2, 2}, 8, []int32{1}, nil, "1 labels for 2 images"},
		{[]int{2, 2}, 4, nil, &data.Standardizer{Mean: []float64{0, 0}, Std: []float64{1, 1}},
			"standardizer of 2 coordinates for images of 4 pixels"},
		{[]int{2, 2}, 4, nil, &data.Standardizer{Mean: []float64{0}, Std: []float64{0}}, "deviation 0 is 0"},
	} {
		_, err := New(c.shape, make([]byte, c.n), c.label, true, c.std)
		datatest.WantError(t, c.want, err, c.want)
	}
}
