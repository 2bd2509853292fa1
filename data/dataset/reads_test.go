package dataset

import (
	"os"
	"path/filepath"
	"testing"

	"flowmatch/data"
)

func TestWhatReadsAFile(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"img/cat", "elsewhere"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"img/cat/1.png", "t.csv", "labels.idx"} {
		if err := os.WriteFile(at(name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"link.png": "img/cat/1.png", "links": "img", "u.csv": "t.csv"} {
		if err := os.Symlink(at(to), at(link)); err != nil {
			t.Skip(err)
		}
	}
	images := Config{Kind: data.KindFolder, Path: at("img"), LabelsPath: at("labels.idx")}
	tables := Config{Path: at("t.csv")}
	for _, c := range []struct {
		of   Config
		file string
		want string
	}{
		{images, "img/cat/1.png", "img"}, {images, "img/cat/2.png", "img"}, {images, "img/new/deep/2.png", "img"},
		{images, "link.png", "img"}, {images, "links/cat/3.png", "img"}, {images, "labels.idx", "labels.idx"},
		{images, "elsewhere/1.png", ""}, {images, "img.png", ""}, {images, "t.csv", ""},
		{tables, "t.csv", "t.csv"}, {tables, "u.csv", "t.csv"}, {tables, "v.csv", ""},
		{Config{Name: "moons"}, "t.csv", ""},
	} {
		want := c.want
		if want != "" {
			want = at(want)
		}
		if got := c.of.Reads(at(c.file)); got != want {
			t.Errorf("%s: read as %q, want %q", c.file, got, want)
		}
	}
}
