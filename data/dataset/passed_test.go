package dataset

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"flowmatch/data"
	"flowmatch/data/internal/datatest"
)

// links makes symbolic links below a folder: names and where they lead.
func links(t *testing.T, dir string, to ...string) {
	t.Helper()
	for i := 0; i < len(to); i += 2 {
		if err := os.Symlink(to[i+1], filepath.Join(dir, to[i])); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNothingOfAFolderVanishesWithoutAWord(t *testing.T) {
	jpg := datatest.Shade(t, 7)
	dir := datatest.WriteFiles(t, map[string][]byte{
		"f/cat/a.jfif": jpg, "f/cat/noending": datatest.Shade(t, 8), "f/cat/notes.txt": []byte("a cat"),
		"f/cat/README": []byte("cats"), "f/cat/.DS_Store": {1}, "f/.git/x.png": jpg, "f/b.json": []byte("{}"),
		"elsewhere/dog/a.png": datatest.Shade(t, 9), "elsewhere/b.png": datatest.Shade(t, 10),
	})
	links(t, dir, "f/dog", "../elsewhere/dog", "f/cat/z.png", "../../elsewhere/b.png")
	s := mustOpen(t, whole(Config{Kind: data.KindFolder, Path: "f"}), dir, 1)
	if got := fmt.Sprint(s.ClassNames, reds(t, s.TrainSet)); got != "[cat dog] [[7 0] [8 0] [10 0] [9 1]]" {
		t.Errorf("got %s", got)
	}
	want := []string{"files that are no images are passed over: 1 without an ending, 1 .json, 1 .txt",
		"hidden files and folders are passed over: 2"}
	if !slices.Equal(s.Notes, want) {
		t.Errorf("notes %q, want %q", s.Notes, want)
	}
}

func TestFoldersThatCannotBeReadWholeAreErrors(t *testing.T) {
	p := datatest.Shade(t, 1)
	dir := datatest.WriteFiles(t, map[string][]byte{
		"loop/a/1.png": p, "twice/a/1.png": p, "pgm/a.pgm": []byte("P5 1 1 255\n0"), "named/a.dat": []byte("P6\n1 1\n"),
		"gif/a": []byte("GIF89a..."), "gone/a/1.png": p, "device/a.png": p, "pipe/b.png": p,
	})
	links(t, dir, "loop/a/again", "..", "twice/b", "a", "gone/b.png", "nowhere.png", "device/zero.png", "/dev/zero")
	if err := exec.Command("mkfifo", filepath.Join(dir, "pipe/a.png")).Run(); err != nil {
		t.Skipf("no pipe can be made here: %v", err)
	}
	for path, want := range map[string]string{
		"loop": "again: is the folder", "twice": "twice/b: is the folder", "pgm": "a.pgm: an image of format pgm",
		"named": "a.dat: an image of another kind", "gif": "gif/a: an image of another kind",
		"gone":   "b.png: no such file",
		"device": "zero.png: is a device; want a file", "pipe": "a.png: is a pipe; want a file",
	} {
		_, err := whole(Config{Kind: data.KindFolder, Path: path}).Open(dir, 1)
		datatest.WantError(t, path, err, want)
	}
	for _, c := range []Config{{Kind: data.KindImages}, {Kind: data.KindShards, Size: 4}, {Kind: data.KindCIFAR10}} {
		c.Path = "/dev/zero"
		_, err := c.Open("", 1)
		datatest.WantError(t, c.Kind, err, "/dev/zero: is a device; want a file")
	}
}

func TestShardsThatHoldAKeyTwiceAreErrors(t *testing.T) {
	a, b := datatest.Shade(t, 1), datatest.Shade(t, 2)
	var linked bytes.Buffer
	w := tar.NewWriter(&linked)
	for _, h := range []tar.Header{{Name: "a.png", Size: int64(len(a)), Typeflag: tar.TypeReg},
		{Name: "b.png", Linkname: "a.png", Typeflag: tar.TypeLink}} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write(a); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	dir := datatest.WriteFiles(t, map[string][]byte{
		"twice.tar": datatest.Tar(t, "1.png", a, "1.cls", "0", "1.png", b, "1.cls", "1"),
		"label.tar": datatest.Tar(t, "1.png", a, "1.cls", "0", "1.cls", "1"), "link.tar": linked.Bytes(),
		"ok.tar": datatest.Tar(t, "1.bin", a, "1.cls", "0", "2.png", b, "2.cls", "1", "2.json", "{}", ".x", "1"),
	})
	for path, want := range map[string]string{
		"twice.tar": "twice.tar: 1.png: this entry comes twice",
		"label.tar": "label.tar: 1.cls: this entry comes twice",
		"link.tar":  "link.tar: b.png: a link, or no plain file",
	} {
		_, err := whole(Config{Path: path}).Open(dir, 1)
		datatest.WantError(t, path, err, want)
	}
	s := mustOpen(t, whole(Config{Path: "ok.tar"}), dir, 1)
	want := []string{"files that are no images are passed over: 1 .json", "hidden files and folders are passed over: 1"}
	if got := fmt.Sprint(reds(t, s.TrainSet)); got != "[[1 0] [2 1]]" || !slices.Equal(s.Notes, want) {
		t.Errorf("got %s, notes %q", got, s.Notes)
	}
}

func TestShardsOfAFolderWithAnyName(t *testing.T) {
	dir := datatest.WriteFiles(t, map[string][]byte{"s[1]*/a.tar": datatest.Tar(t, "1.png", datatest.Shade(t, 1)),
		"s[1]*/b.tar": datatest.Tar(t, "1.png", datatest.Shade(t, 2))})
	for path, want := range map[string]int{"s[1]*": 2, "s[1]*/*.tar": 2, "s[1]*/a*": 1, "s[1]*/a.tar": 1} {
		s := mustOpen(t, whole(Config{Kind: data.KindShards, Path: path}), dir, 1)
		if s.TrainSet.Len() != want {
			t.Errorf("%s: %d images, want %d", path, s.TrainSet.Len(), want)
		}
	}
}

func TestClassesThatAreNotTrainedOnAreNoted(t *testing.T) {
	text := "x,k\n0.5,9\n"
	for i := range 40 {
		text += fmt.Sprintf("%d.5,%d\n", i, i%2)
	}
	dir := datatest.WriteFiles(t, map[string][]byte{"t.csv": []byte(text)})
	told := 0
	for seed := range uint64(20) {
		cfg := Config{Path: "t.csv", Label: "k", Val: new(0.0), Test: new(20.0), SplitSeed: &seed}
		s := mustOpen(t, cfg, dir, 1)
		_, label := rows(t, s.TrainSet, 0, s.TrainSet.Len(), nil)
		want := !slices.Contains(label, 2)
		noted := slices.ContainsFunc(s.Notes, func(n string) bool {
			return strings.HasPrefix(n, `of the classes "9" there is no point to train on`)
		})
		if want != noted {
			t.Errorf("seed %d: notes %q, and class 9 among the training rows is %v", seed, s.Notes, !want)
		}
		if told += len(s.Notes); seed == 0 {
			about := []string{`41 rows of 1 columns, named by the first line: "x"`,
				"21 to train on, 0 to validate on, 20 held out to evaluate", `3 classes of "k": "0", "1", "9"`}
			if got := s.Describe(); !slices.Equal(got, about) {
				t.Errorf("described as %q, want %q", got, about)
			}
		}
	}
	if told == 0 {
		t.Error("of no seed is the class held out")
	}
}

func TestALabelOfHundredsOfValuesIsNoted(t *testing.T) {
	text := "x,price\n"
	for i := range 3000 {
		text += fmt.Sprintf("%d.5,%d\n", i%17, i%120)
	}
	dir := datatest.WriteFiles(t, map[string][]byte{"t.csv": []byte(text)})
	s := mustOpen(t, Config{Path: "t.csv", Label: "price"}, dir, 1)
	if len(s.Notes) != 1 || !strings.HasPrefix(s.Notes[0], `label "price" has 120 values, each a class`) {
		t.Errorf("notes %q", s.Notes)
	}
}
