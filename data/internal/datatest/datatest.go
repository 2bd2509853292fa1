package data

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// wantError checks that err holds the fragment and is marked as this room's.
func wantError(t *testing.T, what string, err error, fragment string) {
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

// writeTemp writes a file of the test and returns its path.
func writeTemp(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// sharedData returns the folder of the data sets beside the repository; without
// it the test is skipped, but not on CI, where it must be there.
func sharedData(t *testing.T) string {
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
