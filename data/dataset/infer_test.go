package dataset

import (
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"testing"

	"flowmatch/data"
	"flowmatch/data/internal/datatest"
)

func TestFilesSayWhatTheyAre(t *testing.T) {
	colour := func(side int) []byte { return datatest.PNG(t, datatest.Plain(side, side, color.RGBA{R: 9, A: 255})) }
	grey := func(w, h int) []byte { return datatest.PNG(t, image.NewGray(image.Rect(0, 0, w, h))) }
	dir := datatest.WriteFiles(t, map[string][]byte{
		"digits/0/a.png": grey(8, 8), "digits/1/b.png": grey(8, 8), "digits/1/note.txt": []byte("one"),
		"mixed/a.png": colour(12), "mixed/b.png": grey(10, 9), "mixed/c.png": grey(12, 20), "mixed/d.png": {1},
		"large/a.png": colour(100), "empty/x.txt": []byte("x"),
		"tars/a.tar": datatest.Tar(t, "1.png", colour(6)), "zipped.tgz": datatest.Gzipped(t, datatest.Tar(t, "1.png",
			grey(5, 5), "2.png", grey(5, 5))),
		"bytes.npy": array(2, 4, 5, 3), "flat.npy": array(2, 3),
		"x.csv": []byte("x\n0.5\n"), "x.dat": []byte("1 2 3"),
		"floats.npy": datatest.NPY(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }",
			make([]float32, 2)),
		"train.gz": datatest.Gzipped(t, datatest.IDX([]uint32{1, 2, 3}, make([]byte, 6))),
	})
	if err := os.Mkdir(filepath.Join(dir, "cifar"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"train.bin", "test.bin"} {
		if err := os.WriteFile(filepath.Join(dir, "cifar", f), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		c    Config
		want string // kind, size and channels, or the error
	}{
		{Config{Path: "digits"}, "folder 8 1"},
		{Config{Path: "digits", Size: 6, Channels: 3}, "folder 6 3"},
		{Config{Path: "digits", Kind: data.KindFolder, Channels: 3}, "folder 8 3"},
		{Config{Path: "mixed"}, "folder 12 3"},
		{Config{Path: "large"}, "folder 64 3"},
		{Config{Path: "tars"}, "shards 6 3"},
		{Config{Path: "zipped.tgz"}, "shards 5 1"},
		{Config{Path: "cifar"}, "cifar100 0 0"},
		{Config{Path: "bytes.npy"}, "images 0 0"},
		{Config{Path: "train.gz"}, "images 0 0"},
		{Config{Path: "flat.npy"}, "table 0 0"},
		{Config{Path: "floats.npy"}, "table 0 0"},
		{Config{Path: "x.csv"}, "table 0 0"},
		{Config{Path: "x.dat"}, " 0 0"},
		{Config{Name: "moons"}, "synthetic 0 0"},
		{Config{UCI: "power", Path: "digits"}, "uci 0 0"},
		{Config{Path: "empty"}, "empty: no images"},
		{Config{Path: "nowhere"}, "no such file"},
	} {
		got, err := c.c.Infer(dir)
		if err != nil {
			datatest.WantError(t, c.c.Path, err, c.want)
		} else if s := fmt.Sprint(got.ResolvedKind(), " ", got.Size, " ", got.Channels); s != c.want {
			t.Errorf("%s: got %s, want %s", c.c.Path, s, c.want)
		}
	}
}

// One picture of colour among many grey ones is seen wherever it lies, in files, shards and
// compressed shards; pictures that are stored as colour and show grey are grey.
func TestColourIsSeenHoweverRare(t *testing.T) {
	const n = 300
	shown := func(v uint8) []byte { return datatest.PNG(t, datatest.Plain(8, 8, color.RGBA{v, v, v, 255})) }
	red := datatest.PNG(t, datatest.Plain(8, 8, color.RGBA{R: 200, A: 255}))
	for _, at := range []int{-1, 2, n - 1} {
		content, entries := map[string][]byte{}, []any{}
		for i := range n {
			name, picture := fmt.Sprintf("%03d.png", i), shown(uint8(i))
			if i%2 == 0 {
				picture = datatest.PNG(t, image.NewGray(image.Rect(0, 0, 8, 8)))
			}
			if i == at {
				picture = red
			}
			content["folder/"+name] = picture
			entries = append(entries, name, picture)
		}
		content["plain.tar"] = datatest.Tar(t, entries...)
		content["zipped.tgz"] = datatest.Gzipped(t, content["plain.tar"])
		dir, want := datatest.WriteFiles(t, content), 3
		if at < 0 {
			want = 1
		}
		for _, path := range []string{"folder", "plain.tar", "zipped.tgz"} {
			got, err := Config{Path: path}.Infer(dir)
			if err != nil || got.Size != 8 || got.Channels != want {
				t.Errorf("%s, red at %d: size %d, %d channels, %v; want 8 and %d", path, at, got.Size, got.Channels,
					err, want)
			}
		}
	}
}
