package diskcache

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// put writes a file of n bytes, of which it says that it has need.
func put(c Cache, name string, n, need int) error {
	return c.Write(name, int64(need), func(w io.Writer) error {
		_, err := w.Write(make([]byte, n))
		return err
	})
}

func TestWhatWasNotUsedForLongestMakesRoom(t *testing.T) {
	c := Cache{Dir: filepath.Join(t.TempDir(), "new", "folder"), Limit: 100}
	for i, name := range []string{"a.rows", "a.json", "b.rows", "c.rows"} {
		if err := put(c, name, 20, 20); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(time.Duration(i-10) * time.Hour)
		if err := os.Chtimes(c.Path(name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	c.Used("a.json")
	if n, bytes := c.Usage(); n != 3 || bytes != 80 {
		t.Errorf("%d entries of %d bytes, want 3 of 80", n, bytes)
	}
	if err := put(c, "d.rows", 50, 30); err != nil { // larger than expected: b goes before, c behind it
		t.Fatal(err)
	}
	left, err := filepath.Glob(c.Path("*"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range left {
		names = append(names, filepath.Base(file))
	}
	if got := fmt.Sprint(names); got != "[a.json a.rows d.rows]" {
		t.Errorf("left %s", got)
	}
}

// A folder that a user names may hold other files, and so may that of the program: they are no entries.
func TestFilesOfOthersAreLeftAlone(t *testing.T) {
	c := Cache{Dir: t.TempDir(), Limit: 50}
	other := filepath.Join(c.Dir, "thesis.json")
	if err := os.WriteFile(other, make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.rows", "b.rows"} {
		if err := put(c, name, 40, 40); err != nil {
			t.Fatal(err)
		}
	}
	if n, bytes := c.Usage(); n != 1 || bytes != 40 {
		t.Errorf("%d entries of %d bytes, want the last alone", n, bytes)
	}
	if info, err := os.Stat(other); err != nil || info.Size() != 1000 {
		t.Errorf("the file beside: %v, %v", info, err)
	}
}

func TestWhatDoesNotFitIsAnErrorAndLeavesNothing(t *testing.T) {
	c := Cache{Dir: t.TempDir(), Limit: 100}
	if err := put(c, "old.rows", 60, 60); err != nil {
		t.Fatal(err)
	}
	own := errors.New("of the writer")
	for _, w := range []struct {
		n, need int
		own     error
		want    string
	}{{10, 101, nil, SizeVar}, {101, 1, nil, SizeVar}, {10, 1, own, "of the writer"}} {
		err := c.Write("new.rows", int64(w.need), func(out io.Writer) error {
			if _, err := out.Write(make([]byte, w.n)); err != nil {
				return err
			}
			return w.own
		})
		if err == nil || !strings.Contains(err.Error(), w.want) || (w.own == nil) != errors.Is(err, ErrNoRoom) {
			t.Errorf("%+v: %v", w, err)
		}
	}
	if n, bytes := c.Usage(); n != 1 || bytes != 60 {
		t.Errorf("%d entries of %d bytes, want the old one alone", n, bytes)
	}
	c.Dir = c.Path("old.rows")
	if err := put(c, "x.rows", 1, 1); err == nil || !strings.Contains(err.Error(), DirVar) {
		t.Errorf("a file in the place of the folder: %v", err)
	}
}

func TestOpenTakesFolderAndSizeFromTheEnvironment(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(DirVar, dir)
	for text, want := range map[string]int64{"": defaultLimit, "20GB": 20e9, "1.5 tb": 15e11, "700 kB": 7e5, "12": 12,
		"0": 0, "-1": -1, "GB": -1, "20 GiB": -1, "nan": -1, "inf": -1} {
		t.Setenv(SizeVar, text)
		c, err := Open()
		if (err != nil) != (want < 0) || err == nil && (c.Limit != want || c.Dir != dir) {
			t.Errorf("%q: %+v, %v, want %d", text, c, err, want)
		}
	}
}
