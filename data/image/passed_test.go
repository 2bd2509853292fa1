package image

import (
	"archive/tar"
	"bytes"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A folder of a class without images makes no class, and a label without an image no label: both
// are told.
func TestWhatIsWithoutImagesIsTold(t *testing.T) {
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 4, 4))); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, d := range []string{"cat", "dog", "owl/young", "eel"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string][]byte{"cat/1.png": picture.Bytes(), "dog/1.png": picture.Bytes(),
		"owl/young/why.txt": []byte("none yet")} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	m, err := ReadFolder(dir, Options{Size: 4})
	if err != nil || !slices.Equal(m.ClassNames, []string{"cat", "dog"}) ||
		!slices.Contains(m.Notes, `folders without images are passed over, and are no classes: "eel", "owl"`) {
		t.Errorf("%v: %+v", err, m)
	}

	var shard bytes.Buffer
	w := tar.NewWriter(&shard)
	for _, f := range []struct{ name, text string }{
		{"a.png", picture.String()}, {"a.cls", "0"}, {"lost.cls", "3"}, {"b.png", picture.String()}, {"b.cls", "1"},
	} {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Size: int64(len(f.text)), Mode: 0o666}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "a.tar")
	if err := os.WriteFile(file, shard.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	m, err = ReadShards(file, Options{Size: 4})
	if err != nil || !strings.Contains(strings.Join(m.Notes, "; "), "labels without an image are passed over: 1") {
		t.Errorf("%v: %+v", err, m)
	}
}
