package machine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// alone has caches in a folder of the test.
func alone(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData"} {
		t.Setenv(name, dir)
	}
	t.Setenv(EnvVar, "")
}

func TestAMeasurementIsKeptAndTaken(t *testing.T) {
	alone(t)
	m := Model{CPU: Name{"Slide Rule", "test"}}
	c, err := Decide(m, 2)
	if err != nil || c.From != FromModel || c.Note != "" || c.Sizes != Choose(m, 2) {
		t.Fatalf("without a file: %+v (%v)", c, err)
	}
	sizes := Choose(m, 2)
	sizes.Tile = 1 << 20
	file, err := Tuned{CPU: "Slide Rule", Version: Version(), Threads: 2, Sizes: sizes}.Save()
	if err != nil {
		t.Fatal(err)
	}
	if c, err = Decide(m, 2); err != nil || c.From != FromTuning || c.Sizes != sizes || c.File != file {
		t.Errorf("with one: %+v (%v)", c, err)
	}
	if c, err = Decide(m, 3); err != nil || c.From != FromModel || !strings.Contains(c.Note, `another threads: "2"`) {
		t.Errorf("with other threads: %+v (%v)", c, err)
	}
	t.Setenv(EnvVar, "rows=64")
	if c, err = Decide(m, 2); err != nil || c.From != FromEnvironment || c.Sizes.Rows != 64 || c.Sizes.Tile != 1<<20 {
		t.Errorf("forced: %+v (%v)", c, err)
	}
	t.Setenv(EnvVar, "rows=many")
	if _, err = Decide(m, 2); err == nil || !strings.Contains(err.Error(), EnvVar) {
		t.Errorf("error %v, want that of the environment", err)
	}
}

func TestADamagedOrForeignFileIsNotTaken(t *testing.T) {
	alone(t)
	m := Model{CPU: Name{"Slide Rule", "test"}}
	file, err := File("Slide Rule")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	good := `"cpu": "Slide Rule", "threads": 2, "sizes": {"tile": 65536, "rows": 16, "strip": 256, ` +
		`"block": 28, "columns": 64, "pixels": 1024}`
	for text, want := range map[string]string{
		"": "damaged", "{": "damaged", `{"sizes": {"tile": 1}}`: "damaged", strings.Repeat("[", 1<<17): "damaged",
		`{` + good + `, "version": "of another day"}`: "another version",
	} {
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		c, err := Decide(m, 2)
		if err != nil || c.From != FromModel || !strings.Contains(c.Note, want) {
			t.Errorf("%.40q: %+v (%v), want a note with %q", text, c, err, want)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file, 0o777); err != nil {
		t.Fatal(err)
	}
	if c, err := Decide(m, 2); err != nil || !strings.Contains(c.Note, "is a folder") {
		t.Errorf("a folder in its place: %+v (%v)", c, err)
	}
	if _, err := Load(file+"x", "", "", 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
