package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	// The key of these tests is none of the user's.
	home, err := os.MkdirTemp("", "flowmatch-run")
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "AppData"} {
		os.Setenv(name, home)
	}
	code := m.Run()
	os.RemoveAll(home)
	os.Exit(code)
}

// onTable trains a run on a table and returns its folder.
func onTable(t *testing.T, dir, table string) {
	t.Helper()
	text := fmt.Appendf(nil, "data: {path: %q}\nnet: {hidden: [4]}\ntrain: {steps: 4, batch: 8}\n", table)
	c, err := ParseConfig(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Train(t.Context(), c, dir, TrainOptions{}); err != nil {
		t.Fatal(err)
	}
}

// rewrite replaces a part of a file.
func rewrite(t *testing.T, file, old, new string) {
	t.Helper()
	text := string(read(t, file))
	if !strings.Contains(text, old) {
		t.Fatalf("%s has no %q:\n%s", file, old, text)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(text, old, new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func dataOf(dir string, o OpenOptions) error {
	r, err := OpenWith(dir, o)
	if err != nil {
		return err
	}
	_, err = r.Data()
	return err
}

// Of a folder that was not made here, paths are followed only within it, or where who opens it
// gives them.
func TestTheFolderOfAStranger(t *testing.T) {
	folder := t.TempDir()
	table, secret := filepath.Join(folder, "a.csv"), filepath.Join(folder, "secret.csv")
	csv(t, table, 100, 0)
	csv(t, secret, 100, 0)
	dir := filepath.Join(folder, "run")
	onTable(t, dir, table)
	own := filepath.Join(dir, ConfigFile)
	if err := dataOf(dir, OpenOptions{}); err != nil {
		t.Errorf("a folder that was made here: %v", err)
	}
	if _, err := ReadConfig(own, nil); err != nil {
		t.Errorf("its run.yaml: %v", err)
	}

	// Its run.yaml is made to name another file.
	rewrite(t, own, "a.csv", "secret.csv")
	err := dataOf(dir, OpenOptions{})
	if !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "data.path is") ||
		!strings.Contains(err.Error(), "secret.csv") {
		t.Errorf("a path outside: %v, want ErrForeign", err)
	}
	for name, read := range map[string]func([]string) error{
		"trained": func(set []string) error { _, err := ReadConfig(own, set); return err },
		"resumed": func(set []string) error { _, err := ReadResumed(dir, set); return err },
		"opened":  func(set []string) error { return dataOf(dir, OpenOptions{Set: set}) },
	} {
		if err := read(nil); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v, want ErrForeign", name, err)
		}
		if err := read([]string{"data.path=" + secret}); err != nil {
			t.Errorf("%s with a path that is given: %v", name, err)
		}
	}
	if err := dataOf(dir, OpenOptions{Set: []string{"seed=3"}}); !errors.Is(err, ErrPath) {
		t.Errorf("a setting that is no path of the data: %v", err)
	}

	// Within the folder, and not by a link.
	inside, link := filepath.Join(dir, "data.csv"), filepath.Join(dir, "link.csv")
	csv(t, inside, 100, 0)
	rewrite(t, own, secret, "data.csv")
	if err := dataOf(dir, OpenOptions{}); err != nil {
		t.Errorf("a path within: %v", err)
	}
	if err := os.Symlink(secret, link); err != nil {
		t.Skip(err)
	}
	rewrite(t, own, "path: data.csv", "path: link.csv")
	if err := dataOf(dir, OpenOptions{}); !errors.Is(err, ErrForeign) {
		t.Errorf("a link to what is outside: %v, want ErrForeign", err)
	}

	// A library is code.
	rewrite(t, own, "path: link.csv", "path: data.csv")
	rewrite(t, own, "backend: native", "backend: xla:"+filepath.Join(dir, "evil.so"))
	if _, err := Open(dir, ""); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "backend is") {
		t.Errorf("a library: %v, want ErrForeign", err)
	}
	if _, err := ReadConfig(own, nil); !errors.Is(err, ErrForeign) {
		t.Errorf("a library, to be trained with: %v, want ErrForeign", err)
	}
	if err := dataOf(dir, OpenOptions{Backend: "native"}); err != nil {
		t.Errorf("with another backend: %v", err)
	}
}
