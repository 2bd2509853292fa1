package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"

	"flowmatch/data"
	"flowmatch/data/image"
	"flowmatch/data/internal/datatest"
	"flowmatch/flow"
)

// reds returns the red of each image of a part, with its label (-1: none).
func reds(t *testing.T, f data.Finite) [][2]int {
	t.Helper()
	x, label := rows(t, f, 0, f.Len(), datatest.Rand())
	row, out := make([]byte, f.Dim()), make([][2]int, f.Len())
	for i := range out {
		image.Pixels(row, x.Row(i))
		for p := range row {
			if p%3 == 0 && row[p] != row[0] || p%3 != 0 && row[p] != 0 {
				t.Fatalf("image %d is %v, want one red", i, row)
			}
		}
		out[i] = [2]int{int(row[0]), -1}
		if label != nil {
			out[i][1] = int(label[i])
		}
	}
	return out
}

// whole opens all images as the training part.
func whole(c Config) Config {
	c.Size, c.Val = 4, new(0.0)
	if c.TestPath == "" {
		c.Test = new(0.0)
	}
	return c
}

func TestAFolderOfImagesHasItsFoldersAsClasses(t *testing.T) {
	dir := datatest.WriteFiles(t, map[string][]byte{
		"train/dog/b.png": datatest.Shade(t, 11), "train/dog/a.PNG": datatest.Shade(t, 10),
		"train/cat/deep/x.jpg": datatest.Shade(t, 5), "train/cat/y.jpeg": datatest.Shade(t, 6),
		"train/README": {1}, "train/.hidden/z.png": {1}, "train/dog/.z.png": {1}, "train/empty/note.md": {1},
		"test/dog/1.png": datatest.Shade(t, 30), "none/b.png": datatest.Shade(t, 2), "none/a.png": datatest.Shade(t, 1),
		"one/x/b.png": datatest.Shade(t, 2), "one/x/a.png": datatest.Shade(t, 1),
		"nested/x/dog/1.png": datatest.Shade(t, 1), "nested/x/cat/1.png": datatest.Shade(t, 2),
		"test2/dog/1.png": datatest.Shade(t, 31), "test2/cat/1.png": datatest.Shade(t, 32),
	})
	for _, c := range []struct {
		path, want string
	}{
		{"train", "2 [cat dog] [[5 0] [6 0] [10 1] [11 1]]"},
		{"none", "0 [] [[1 -1] [2 -1]]"},
		{"one", "0 [] [[1 -1] [2 -1]]"},
		{"nested", "2 [cat dog] [[2 0] [1 1]]"},
	} {
		s := mustOpen(t, whole(Config{Kind: data.KindFolder, Path: c.path}), dir, 1)
		if got := fmt.Sprint(s.Classes, s.ClassNames, reds(t, s.TrainSet)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.path, got, c.want)
		}
		if got := fmt.Sprint(s.Kind, s.Shape, s.Dim, s.Levels, s.Skipped); got != "images[4 4 3] 48 256 0" {
			t.Errorf("%s: opened as %s", c.path, got)
		}
	}
	s := mustOpen(t, whole(Config{Kind: data.KindFolder, Path: "train", TestPath: "test2"}), dir, 1)
	if got := fmt.Sprint(s.Classes, reds(t, s.Test)); got != "2 [[32 0] [31 1]]" {
		t.Errorf("test part: got %s", got)
	}
	grey := whole(Config{Kind: data.KindFolder, Path: "train", Channels: 1})
	if s := mustOpen(t, grey, dir, 1); !slices.Equal(s.Shape, []int{4, 4}) || s.Dim != 16 {
		t.Errorf("grey images of shape %v, dimension %d, want [4 4] and 16", s.Shape, s.Dim)
	}
	divided := Config{Kind: data.KindFolder, Path: "train", Size: 4, Val: new(1.0), Test: new(1.0)}
	if s := mustOpen(t, divided, dir, 1); s.TrainSet.Len() != 2 || s.Val.Len() != 1 || s.Test.Len() != 1 ||
		s.Val.Classes() != 2 {
		t.Errorf("parts of %d, %d and %d, want 2, 1 and 1", s.TrainSet.Len(), s.Val.Len(), s.Test.Len())
	}
}

// shards holds three shards, of which one is compressed, of images whose red is
// 10 times their label, plus 1 in the second shard and 2 in the third.
func shards(t testing.TB) (dir string) {
	dir = datatest.WriteFiles(t, map[string][]byte{
		"s/a.tar": datatest.Tar(t, "0001.png", datatest.Shade(t, 10), "0001.cls", "1\n", "0002.cls", "0",
			"0002.txt", "5", "0002.png", datatest.Shade(t, 0), "0003.json", "{}"),
		"s/b.tar.gz": datatest.Gzipped(t, datatest.Tar(t, "./0001.png", datatest.Shade(t, 21), "./0001.txt", " 2 ",
			"./0004.cls", "0", "./0004.jpg", datatest.Shade(t, 1))),
		"s/c.tgz": datatest.Gzipped(t, datatest.Tar(t, "7.png", datatest.Shade(t, 32), "7.cls", "3")),
		"s/note":  {1},
	})
	return dir
}

func TestShardsAreReadFromAFileAFolderAndAPattern(t *testing.T) {
	dir := shards(t)
	all := "[[10 1] [0 0] [21 2] [1 0] [32 3]]"
	for _, c := range []struct{ path, want string }{
		{"s", all}, {"s/*", all}, {"s/a.tar", "[[10 1] [0 0]]"}, {"s/[bc].*", "[[21 1] [1 0] [32 2]]"},
	} {
		s := mustOpen(t, whole(Config{Kind: data.KindShards, Path: c.path}), dir, 1)
		if got := fmt.Sprint(reds(t, s.TrainSet)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.path, got, c.want)
		}
	}
	if k := (Config{Path: "s/*.tar"}).ResolvedKind(); k != data.KindShards {
		t.Errorf("kind of *.tar: got %q, want shards", k)
	}
}

func TestShardsWithoutLabelsHaveTheirFoldersOrNoClasses(t *testing.T) {
	for _, c := range []struct {
		name, want string
		entries    []any
	}{
		{"folders", "2 [cat dog] [[1 1] [2 0]]",
			[]any{"set/dog/a.png", datatest.Shade(t, 1), "set/cat/a.png", datatest.Shade(t, 2)}},
		{"captions", "0 [] [[1 -1] [2 -1]]", []any{"a.png", datatest.Shade(t, 1), "a.txt", "a dog", "b.png",
			datatest.Shade(t, 2), "b.txt", "7 cats, or more than thirty-two bytes"}},
	} {
		dir := datatest.WriteFiles(t, map[string][]byte{"x.tar": datatest.Tar(t, c.entries...)})
		s := mustOpen(t, whole(Config{Path: "x.tar"}), dir, 1)
		if got := fmt.Sprint(s.Classes, s.ClassNames, reds(t, s.TrainSet)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestCorruptImagesFailByNameOrAreLeftOutAndCounted(t *testing.T) {
	good, bad := datatest.Shade(t, 1), datatest.Shade(t, 2)[:40]
	dir := datatest.WriteFiles(t, map[string][]byte{
		"f/a/1.png": datatest.Shade(t, 1), "f/a/2.png": bad, "f/b/3.png": datatest.Shade(t, 3),
		"f/b/4.jpg": []byte("GIF89a"),
		"x.tar": datatest.Tar(t, "1.png", good, "1.cls", "1", "2.png", bad, "2.cls", "2", "3.png", datatest.Shade(t, 3),
			"3.cls", "3"),
		"x.tar.gz": datatest.Gzipped(t,
			datatest.Tar(t, "1.png", good, "1.cls", "1", "2.png", bad, "2.cls", "2", "3.png",
				datatest.Shade(t, 3), "3.cls", "3")),
		"bad/1.png": bad,
	})
	for _, c := range []struct {
		c             Config
		problem, want string
	}{
		{Config{Kind: data.KindFolder, Path: "f"},
			filepath.Join(dir,
				"f/a/2.png") + ": not a PNG that can be decoded: unexpected EOF (corrupt: skip leaves such images out)",
			"2 2 [[1 0] [3 1]]"},
		{Config{Path: "x.tar"}, filepath.Join(dir, "x.tar") + ": 2.png: not a PNG that can be decoded",
			"1 2 [[1 0] [3 1]]"},
		{Config{Path: "x.tar.gz"}, filepath.Join(dir, "x.tar.gz") + ": 2.png: not a PNG that can be decoded",
			"1 2 [[1 0] [3 1]]"},
	} {
		for _, limit := range []int64{image.MaxDecoded, 50} { // in memory, and one image kept
			if limit == 50 && c.c.Path == "x.tar.gz" {
				continue
			}
			_, err := whole(c.c).openPictures(dir, 1, limit)
			datatest.WantError(t, c.c.Path, err, c.problem)
			c.c.Corrupt = CorruptSkip
			s, err := whole(c.c).openPictures(dir, 1, limit)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(s.Skipped, " ", s.Classes, " ", reds(t, s.TrainSet)); got != c.want {
				t.Errorf("%s, limit %d: got %s, want %s", c.c.Path, limit, got, c.want)
			}
			c.c.Corrupt = ""
		}
	}
	_, err := whole(Config{Kind: data.KindFolder, Path: "bad", Corrupt: CorruptSkip}).Open(dir, 1)
	datatest.WantError(t, "nothing left", err, "none of the 1 images can be decoded")
}

func TestFoldersAndShardsThatDoNotFitAreReported(t *testing.T) {
	p := datatest.Shade(t, 1)
	tape := datatest.Tar(t, "1.png", p, "2.png", p)
	zipped := datatest.Gzipped(t, datatest.Tar(t, "1.png", p, "2.png", p))
	dir := datatest.WriteFiles(t, map[string][]byte{
		"mixed/a/1.png": p, "mixed/2.png": p, "none/x.csv": {1}, "gif/a.gif": p, "ok/a/1.png": p, "ok/b/1.png": p,
		"other/c/1.png": p, "other/a/1.png": p, "flat/1.png": p,
		"cut.tar": tape[:700], "cut2.tar": tape[:2000], "cut3.tar": tape[:2048], "cut4.tar": tape[:1100],
		"void.tar": nil, "cut.tar.gz": zipped[:len(zipped)-30], "text.tar": bytes.Repeat([]byte("no tar\n"), 100),
		"empty.tar": datatest.Tar(t), "webp.tar": datatest.Tar(t, "a.webp", p),
		"cls.tar":  datatest.Tar(t, "a.png", p, "a.cls", "dog"),
		"half.tar": datatest.Tar(t, "a.png", p, "a.cls", "1", "b.png", p),
		"side.tar": datatest.Tar(t, "k/a.png", p, "b.png", p), "num.tar": datatest.Tar(t, "a.png", p, "a.cls", "1"),
	})
	folder := func(path, test string) Config { return Config{Kind: data.KindFolder, Path: path, TestPath: test} }
	for _, c := range []struct {
		c    Config
		want string
	}{
		{folder("mixed", ""),
			"mixed: 2.png lies beside the folders of the classes; want every image in a folder of its class, or none"},
		{folder("none", ""), "none: no images; want .png, .jpg or .jpeg, in a folder for each class " +
			"or in none; the other files are 1 .csv"},
		{folder("nowhere", ""), "no such file"},
		{folder("gif", ""), "a.gif: an image of format gif; only PNG and JPEG are read"},
		{folder("ok", "other"), `class "c" is not one of "a", "b", the classes of the training images (`},
		{folder("ok", "flat"), "flat: its classes are not given as those of the training images are"},
		{Config{Path: "num.tar", TestPath: "empty.tar"}, "empty.tar: no images in 1 shards"},
		{Config{Path: "cut.tar"},
			"cut.tar: ends without the mark of the end of a tar file, after entry 1.png; is it truncated?"},
		{Config{Path: "cut2.tar"}, "cut2.tar: ends without the mark of the end of a tar file, after entry 2.png"},
		{Config{Path: "cut3.tar"}, "cut3.tar: ends without the mark of the end of a tar file, after entry 2.png"},
		{Config{Path: "cut4.tar"},
			"cut4.tar: cannot be read as tar after entry 1.png: unexpected EOF; is it truncated?"},
		{Config{Path: "void.tar"}, "void.tar: ends without the mark of the end of a tar file, after the beginning"},
		{Config{Path: "cut.tar.gz"}, "cut.tar.gz: cannot be read as tar after "},
		{Config{Path: "text.tar"}, "text.tar: cannot be read as tar after the beginning: "},
		{Config{Path: "nowhere.tar"}, "no such file"},
		{Config{Path: "none/*.tar"}, "none/*.tar: no shards; want .tar, .tar.gz or .tgz"},
		{Config{Path: "[.tar"}, "syntax error in pattern; want a shard, a folder of shards or a pattern"},
		{Config{Path: "none", Kind: data.KindShards}, "no shards"},
		{Config{Path: "webp.tar"}, "webp.tar: a.webp: an image of format webp"},
		{Config{Path: "cls.tar"}, `cls.tar: a.cls: "dog" is not a class label; want a whole number from 0 to 65535`},
		{Config{Path: "half.tar"},
			"half.tar: b.png: no label: want an entry b.cls with the number of the class, as 1 of the 2 images have"},
		{Config{Path: "side.tar"}, "side.tar: b.png lies beside the folders"},
	} {
		_, err := whole(c.c).Open(dir, 1)
		datatest.WantError(t, fmt.Sprint(c.c.Path, " ", c.c.TestPath), err, c.want)
	}
	c := whole(Config{Path: "ok.tar.gz"})
	dir = datatest.WriteFiles(t, map[string][]byte{"ok.tar.gz": zipped})
	_, err := c.openPictures(dir, 1, 50)
	datatest.WantError(t, "a compressed shard beyond the limit", err,
		"2 images of 48 bytes do not fit the 50 bytes of memory that they may have, "+
			"and a compressed shard cannot be read in any order; gunzip the shards")
}

func TestImagesFromFilesAreThoseInMemoryInAnyOrderAndConcurrently(t *testing.T) {
	const n, b, steps = 40, 9, 30
	dir := datatest.Noise(t, n)
	config := func(c Config) Config {
		c.Size, c.Flip, c.Standardize, c.Val, c.Test = 5, true, StandardizeScalar, new(5.0), new(5.0)
		return c
	}
	open := func(c Config, limit int64) *data.Set {
		s, err := config(c).openPictures(dir, 7, limit)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	fill := func(s *data.Set, step int) (flow.Batch, []int32) {
		x, label := flow.NewBatch(b, s.Dim), make([]int32, b)
		if err := s.Train.Fill(x, flow.Given{Label: label}, uint64(step)); err != nil {
			t.Error(err)
		}
		return x, label
	}
	reference := open(Config{Kind: data.KindFolder, Path: "f"}, image.MaxDecoded)
	want, wantLabel := make([]flow.Batch, steps), make([][]int32, steps)
	for step := range steps {
		want[step], wantLabel[step] = fill(reference, step)
	}
	for _, c := range []Config{{Kind: data.KindFolder, Path: "f"}, {Path: "s.tar"}} {
		for _, limit := range []int64{10, 600, image.MaxDecoded} { // none kept, 8 kept, all in memory
			s := open(c, limit)
			if !reflect.DeepEqual(reference.Standardizer, s.Standardizer) {
				t.Errorf("%s, limit %d: standardizer %v, want %v", c.Path, limit, s.Standardizer,
					reference.Standardizer)
			}
			var team sync.WaitGroup
			for worker := range 3 {
				team.Go(func() {
					for k := range steps {
						step := (k*7 + worker*11) % steps
						x, label := fill(s, step)
						if !slices.Equal(x.X, want[step].X) || !slices.Equal(label, wantLabel[step]) {
							t.Errorf("%s, limit %d: step %d differs from the one in memory", c.Path, limit, step)
						}
					}
				})
			}
			team.Wait()
		}
	}
}

func TestAFileGoneAfterOpeningIsAnErrorOfTheStream(t *testing.T) {
	dir := datatest.Noise(t, 8)
	s, err := whole(Config{Kind: data.KindFolder, Path: "f"}).openPictures(dir, 1, 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "f", "1")); err != nil {
		t.Fatal(err)
	}
	err = s.Train.Fill(flow.NewBatch(8, s.Dim), flow.Given{}, 0)
	_, _, rowsErr := data.Rows(s.TrainSet, 0, 8, datatest.Rand())
	for what, err := range map[string]error{"Fill": err, "Rows": rowsErr} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v, want that the file does not exist", what, err)
		}
		datatest.WantError(t, what, err, filepath.Join(dir, "f", "1", "00"))
	}
}

func TestEveryImageOfShardsComesOnceAnEpoch(t *testing.T) {
	dir := shards(t)
	c := whole(Config{Kind: data.KindShards, Path: "s/a.tar"})
	c.Dequantize = new(false)
	s, err := c.openPictures(dir, 3, 10)
	if err != nil {
		t.Fatal(err)
	}
	for epoch := range uint64(5) {
		x := flow.NewBatch(2, s.Dim)
		if err := s.Train.Fill(x, flow.Given{}, epoch); err != nil {
			t.Fatal(err)
		}
		seen := []float64{x.X[0], x.X[s.Dim]}
		slices.Sort(seen)
		for i, v := range []float64{0.5/128 - 1, 10.5/128 - 1} {
			if math.Abs(seen[i]-v) > 1e-15 {
				t.Errorf("epoch %d: reds %v, want one of each", epoch, seen)
			}
		}
	}
}

func TestFoldersOfNumbersAreClassesInTheOrderOfTheNumbers(t *testing.T) {
	files := map[string][]byte{}
	for k := range 12 {
		files[fmt.Sprintf("f/%d/a.png", k)] = datatest.Shade(t, k)
	}
	s := mustOpen(t, whole(Config{Kind: data.KindFolder, Path: "f"}), datatest.WriteFiles(t, files), 1)
	if want := data.NameClasses(nil, 12); !slices.Equal(s.ClassNames, want) {
		t.Errorf("classes %v, want %v", s.ClassNames, want)
	}
	for _, r := range reds(t, s.TrainSet) {
		if r[0] != r[1] {
			t.Errorf("the image of folder %d has label %d", r[0], r[1])
		}
	}
}
