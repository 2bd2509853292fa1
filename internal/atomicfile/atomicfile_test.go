package atomicfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"flowmatch/internal/atomicfile"
)

// text returns a write function for one string.
func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func mustWrite(t *testing.T, path, s string) {
	t.Helper()
	if err := atomicfile.WriteFile(path, text(s)); err != nil {
		t.Fatal(err)
	}
}

func wantContent(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("content of %s: got %q, want %q", filepath.Base(path), got, want)
	}
}

// wantOnly fails unless dir holds exactly the named files: no temporary is left.
func wantOnly(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("files in the directory: got %v, want %v", got, want)
	}
}

func TestWriteFileCreatesAndReplaces(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model.safetensors")
	mustWrite(t, path, "first")
	wantContent(t, path, "first")
	mustWrite(t, path, "2nd")
	wantContent(t, path, "2nd")
	wantOnly(t, dir, "model.safetensors")
}

func TestFailureKeepsTheOldContentAndLeavesNoTemporary(t *testing.T) {
	broken := errors.New("the disk of the test is full")
	long := strings.Repeat("new ", 1<<18) // well over the buffer, so that bytes reach the file first
	for _, old := range []string{"", "old content"} {
		t.Run(fmt.Sprintf("old content %q", old), func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "a.txt")
			var files []string
			if old != "" {
				mustWrite(t, path, old)
				files = []string{"a.txt"}
			}
			err := atomicfile.WriteFile(path, func(w io.Writer) error {
				if _, err := io.WriteString(w, long); err != nil {
					return err
				}
				return broken
			})
			if !errors.Is(err, broken) {
				t.Errorf("error: got %v, want one that wraps %v", err, broken)
			}
			if err != nil && !strings.Contains(err.Error(), path) {
				t.Errorf("error does not name the file: %v", err)
			}
			wantOnly(t, dir, files...)
			if old != "" {
				wantContent(t, path, old)
			}
		})
	}
}

func TestPanicInTheWriterCleansUp(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.txt")
	mustWrite(t, path, "old")
	func() {
		defer func() {
			if r := recover(); r != "boom" {
				t.Errorf("panic: got %v, want it to pass through", r)
			}
		}()
		_ = atomicfile.WriteFile(path, func(io.Writer) error { panic("boom") })
	}()
	wantOnly(t, dir, "a.txt")
	wantContent(t, path, "old")
}

func TestReadersNeverSeeAPart(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.txt")
	mustWrite(t, path, "old")
	err := atomicfile.WriteFile(path, func(w io.Writer) error {
		_, err := io.WriteString(w, strings.Repeat("x", 1<<20))
		wantContent(t, path, "old") // in the middle of writing
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	wantContent(t, path, strings.Repeat("x", 1<<20))
}

func TestConcurrentWritersLeaveOneWholeFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.bin")
	const writers, size = 16, 200_000
	var wg sync.WaitGroup
	for k := range writers {
		wg.Go(func() {
			err := atomicfile.WriteFile(path, func(w io.Writer) error {
				for range 10 {
					if _, err := w.Write(bytes.Repeat([]byte{byte('A' + k)}, size/10)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Errorf("writer %d: %v", k, err)
			}
		})
	}
	wg.Wait()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != size || len(bytes.TrimLeft(got, string(got[:1]))) != 0 {
		t.Errorf("got a mixture of %d bytes, want %d equal bytes of one writer", len(got), size)
	}
	wantOnly(t, dir, "a.bin")
}

func TestPermissionsAreKept(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("windows has no permission bits")
	}
	path := filepath.Join(t.TempDir(), "a.txt")
	mustWrite(t, path, "x")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, path, "y")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o640 {
		t.Errorf("permissions: got %o, want 640", got)
	}
}

func TestSymbolicLinkStaysALink(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real.txt"), filepath.Join(dir, "latest.txt")
	mustWrite(t, real, "old")
	if err := os.Symlink("real.txt", link); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	mustWrite(t, link, "new")
	wantContent(t, real, "new")
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced by a file (%v, %v)", info, err)
	}
	wantOnly(t, dir, "latest.txt", "real.txt")
}

func TestDirectoriesAndMissingDirectoriesAreErrors(t *testing.T) {
	dir := t.TempDir()
	for name, path := range map[string]string{
		"a directory":              dir,
		"in a directory not there": filepath.Join(dir, "no", "a.txt"),
	} {
		if err := atomicfile.WriteFile(path, text("x")); err == nil {
			t.Errorf("%s: got no error", name)
		} else if !strings.HasPrefix(err.Error(), "atomicfile: ") {
			t.Errorf("%s: error without the room's prefix: %v", name, err)
		}
	}
	wantOnly(t, dir)
}

func TestDeviceIsWrittenThrough(t *testing.T) {
	if _, err := os.Stat(os.DevNull); err != nil || runtime.GOOS == "windows" {
		t.Skip("no ", os.DevNull)
	}
	if err := atomicfile.WriteFile(os.DevNull, text("x")); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Errorf("%s was replaced by a file (%v)", os.DevNull, err)
	}
}

func ExampleWriteFile() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "notes.txt")

	err = atomicfile.WriteFile(path, func(w io.Writer) error {
		_, err := fmt.Fprintln(w, "all of it, or nothing")
		return err
	})
	b, _ := os.ReadFile(path)
	fmt.Print(string(b), err)
	// Output:
	// all of it, or nothing
	// <nil>
}
