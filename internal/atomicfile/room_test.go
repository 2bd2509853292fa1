package atomicfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"flowmatch/internal/atomicfile"
)

func TestFits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.csv")
	for _, c := range []struct {
		path  string
		bytes float64
	}{{path, 1}, {os.DevNull, 1e30}, {filepath.Join(path, "none", "x.csv"), 1}} {
		if err := atomicfile.Fits(c.path, c.bytes); err != nil {
			t.Errorf("%g bytes to %s: %v", c.bytes, c.path, err)
		}
	}
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" && runtime.GOOS != "windows" {
		return
	}
	err := atomicfile.Fits(path, 1e30)
	want := "it would take 1e+12 EB, which is more than the disk has free: "
	if !errors.Is(err, atomicfile.ErrNoRoom) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, not %s", err, want)
	}
}
