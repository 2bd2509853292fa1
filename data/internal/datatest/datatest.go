// Package datatest has what the tests of the rooms of data share: files of each format,
// and checks of errors and of draws.
package datatest

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
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// WantError checks that err holds the fragment and is marked as one of data.
func WantError(t testing.TB, what string, err error, fragment string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("%s: no error, want one that says %q", what, fragment)
	case !strings.Contains(err.Error(), fragment):
		t.Errorf("%s: got error %q, want one that says %q", what, err, fragment)
	case !strings.HasPrefix(err.Error(), "data: "):
		t.Errorf("%s: error %q does not begin with \"data: \"", what, err)
	}
}

// WriteTemp writes a file of the test and returns its path.
func WriteTemp(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// SharedData returns the folder of the data sets beside the repository; without
// it the test is skipped, but not on CI, where it must be there.
func SharedData(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
	data := filepath.Join(filepath.Dir(dir), "shared", "data")
	if _, err := os.Stat(data); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not there, and CI needs it", data)
		}
		t.Skipf("%s is not there", data)
	}
	return data
}

// WriteFiles writes files, by their names with slashes, into a new folder.
func WriteFiles(t testing.TB, files map[string][]byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, b := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Gzipped compresses b.
func Gzipped(t testing.TB, b []byte) []byte {
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

// IDX builds an IDX file of unsigned bytes.
func IDX(shape []uint32, pix []byte) []byte {
	b := []byte{0, 0, 8, byte(len(shape))}
	for _, d := range shape {
		b = binary.BigEndian.AppendUint32(b, d)
	}
	return append(b, pix...)
}

// NPY builds an NPY file of the given header and little-endian numbers.
func NPY(version byte, header string, numbers any) []byte {
	b := bytes.NewBufferString("\x93NUMPY")
	b.Write([]byte{version, 0})
	if version == 1 {
		binary.Write(b, binary.LittleEndian, uint16(len(header)))
	} else {
		binary.Write(b, binary.LittleEndian, uint32(len(header)))
	}
	b.WriteString(header)
	binary.Write(b, binary.LittleEndian, numbers)
	return b.Bytes()
}

// PNG encodes a picture.
func PNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// JPEG encodes a picture at full quality.
func JPEG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Plain is a picture of one colour.
func Plain(w, h int, c color.Color) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for p := range w * h {
		img.Set(p%w, p/w, c)
	}
	return img
}

// Shade is a PNG of 6 x 4 pixels, all of them red = v.
func Shade(t testing.TB, v int) []byte {
	return PNG(t, Plain(6, 4, color.NRGBA{byte(v), 0, 0, 255}))
}

// Tar is a shard of entries name, content, name, content and so on.
func Tar(t testing.TB, entries ...any) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for ; len(entries) > 0; entries = entries[2:] {
		content, ok := entries[1].([]byte)
		if !ok {
			content = []byte(entries[1].(string))
		}
		head := tar.Header{Name: entries[0].(string), Mode: 0o644, Size: int64(len(content))}
		if err := w.WriteHeader(&head); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Rand is a generator that always draws the same.
func Rand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// Chi2 compares counts with probabilities by Pearson's statistic, whose mean is
// the degrees of freedom and whose deviation is sqrt(2 df); cells that expect
// fewer than 5 are pooled.
func Chi2(t testing.TB, got, prob []float64, n int, seedValue uint64) {
	t.Helper()
	stat, df, poolGot, poolWant := 0.0, -1.0, 0.0, 0.0
	term := func(g, w float64) { stat += (g - w) * (g - w) / w; df++ }
	for i, p := range prob {
		if w := p * float64(n); w >= 5 {
			term(got[i], w)
		} else {
			poolGot, poolWant = poolGot+got[i], poolWant+w
		}
	}
	if poolWant >= 5 {
		term(poolGot, poolWant)
	} else if poolGot > 30 {
		t.Errorf("%g samples where %.2f are expected (seed %d)", poolGot, poolWant, seedValue)
	}
	if limit := df + 5*math.Sqrt(2*df); stat > limit {
		t.Errorf("chi-square: got %.1f, want about %g, limit %.1f (5 deviations), n %d, seed %d", stat, df, limit, n,
			seedValue)
	}
}

// Noise is a folder, f, and a shard, s.tar, of the same n images of two classes, with noise.
func Noise(t testing.TB, n int) (dir string) {
	files, entries := map[string][]byte{}, []any{}
	for i := range n {
		img := Plain(6, 5, color.Black)
		rng := Rand()
		for range i {
			rng.Uint64()
		}
		for p := range 30 {
			c := color.NRGBA{byte(rng.Uint32()), byte(rng.Uint32()), byte(i), 255}
			img.(*image.NRGBA).SetNRGBA(p%6, p/6, c)
		}
		files[fmt.Sprintf("f/%d/%03d.png", i%2, i)] = PNG(t, img)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		entries = append(entries, name, files[name])
	}
	files["s.tar"] = Tar(t, entries...)
	return WriteFiles(t, files)
}
