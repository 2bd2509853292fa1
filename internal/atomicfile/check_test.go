package atomicfile_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"flowmatch/internal/atomicfile"
)

// Check says beforehand what WriteFile would, and leaves nothing behind.
func TestCheckTellsWhatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "old")
	mustWrite(t, old, "kept")
	for _, path := range []string{old, filepath.Join(dir, "new"), os.DevNull} {
		if err := atomicfile.Check(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	wantContent(t, old, "kept")
	long := filepath.Join(dir, strings.Repeat("n", 256))
	none := filepath.Join(dir, "none", "x")
	for _, path := range []string{long, none} {
		if err := atomicfile.Check(path); err == nil {
			t.Errorf("%s: no error", path)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v; want old alone", entries, err)
	}
	if runtime.GOOS == "windows" || os.Getuid() == 0 {
		return // the mode of a folder stops nobody
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o777)
	if err := atomicfile.Check(filepath.Join(dir, "new")); err == nil {
		t.Error("a folder that takes no files: no error")
	}
}
