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
	csvText(t, table, 100, 0)
	csvText(t, secret, 100, 0)
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
	known := Config{}
	known.Data.Path = table
	if err := dataOf(dir, OpenOptions{Known: &known}); !errors.Is(err, ErrForeign) {
		t.Errorf("a path that is another than the one known: %v, want ErrForeign", err)
	}
	known.Data.Path = secret
	if err := dataOf(dir, OpenOptions{Known: &known}); err != nil {
		t.Errorf("the path that is known: %v", err)
	}
	if err := dataOf(dir, OpenOptions{Set: []string{"seed=3"}}); !errors.Is(err, ErrPath) {
		t.Errorf("a setting that is no path of the data: %v", err)
	}

	// Within the folder, and not by a link.
	inside, link := filepath.Join(dir, "data.csv"), filepath.Join(dir, "link.csv")
	csvText(t, inside, 100, 0)
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

// A folder is no more trusted for what it lacks.
func TestAFolderWithoutVersionsIsAStrangers(t *testing.T) {
	folder := t.TempDir()
	table := filepath.Join(folder, "a.csv")
	csvText(t, table, 100, 0)
	dir := filepath.Join(folder, "run")
	onTable(t, dir, table)
	own := filepath.Join(dir, ConfigFile)
	for _, gone := range []string{versionsFile, MetricsFile} {
		if err := os.Remove(filepath.Join(dir, gone)); err != nil {
			t.Fatal(err)
		}
		for name, read := range map[string]func(set ...string) error{
			"trained": func(set ...string) error { _, err := ReadConfig(own, set); return err },
			"resumed": func(set ...string) error { _, err := ReadResumed(dir, set); return err },
		} {
			if err := read(); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "data.path is") {
				t.Errorf("%s without %s: %v, want ErrForeign", name, gone, err)
			}
			if err := read("data.path=" + table); err != nil {
				t.Errorf("%s without %s, with a path that is given: %v", name, gone, err)
			}
		}
	}
	rewrite(t, own, "backend: native", "backend: xla:"+filepath.Join(dir, "evil.so"))
	if err := os.Remove(filepath.Join(dir, CheckpointFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadResumed(dir, []string{"data.path=" + table}); !errors.Is(err, ErrForeign) ||
		!strings.Contains(err.Error(), "backend is") {
		t.Errorf("a library, resumed with nothing beside run.yaml: %v, want ErrForeign", err)
	}
	if _, err := ReadConfig(own, nil); err != nil {
		t.Errorf("a run file of the user, with nothing beside it: %v", err)
	}
}

// What patterns match, and what lies below a folder, is looked at too.
func TestLinksOutOfAFolder(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	for _, sub := range []string{"plain/a", "linked", "around", "dots"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{filepath.Join(dir, "plain", "1.tar"), filepath.Join(dir, "plain", "a", "1.png"),
		filepath.Join(outside, "1.tar")} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"l1": outside, "linked/1.png": filepath.Join(outside, "1.tar"), "plain/b": filepath.Join(dir, "plain", "a"),
		"around/a": filepath.Join(dir, "linked"), "around/b": filepath.Join(dir, "around"),
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Skip(err)
		}
	}
	for path, want := range map[string]bool{
		"plain": true, "plain/*.tar": true, "plain/a/1.png": true, "plain/1.tar": true, "plain/none.csv": true,
		"l?/*.tar": false, "l1/*.tar": false, "l*": false, "*/*.tar": false, "linked": false, "linked/*.png": false,
		"linked/1.png": false, "around": false, "dots/../l1/1.tar": false, "dots/../plain/1.tar": false,
	} {
		if got := within(dir, dir+string(filepath.Separator)+filepath.FromSlash(path)); got != want {
			t.Errorf("%s is within: %v, want %v", path, got, want)
		}
	}
}

// Without a place for a key a run is not known again; its training says so.
func TestATrainingWithoutAKeySaysSo(t *testing.T) {
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME", "AppData", "home"} {
		t.Setenv(name, "")
	}
	folder := t.TempDir()
	table := filepath.Join(folder, "a.csv")
	csvText(t, table, 100, 0)
	text := fmt.Sprintf("data: {path: %q}\nnet: {hidden: [4]}\ntrain: {steps: 4, batch: 8}\n", table)
	train := func(text, dir string) (told string) {
		o := TrainOptions{Unsealed: func(keys []string, why error) { told = fmt.Sprint(keys, why) }}
		_, err := Train(t.Context(), parseText(t, text), dir, o)
		if err != nil {
			t.Fatal(err)
		}
		return told
	}
	dir := filepath.Join(folder, "run")
	if told := train(text, dir); !strings.HasPrefix(told, "[data.path]") {
		t.Errorf("the training says %q", told)
	}
	if err := dataOf(dir, OpenOptions{}); !errors.Is(err, ErrForeign) {
		t.Errorf("opened: %v, want ErrForeign", err)
	}
	if err := dataOf(dir, OpenOptions{Set: []string{"data.path=" + table}}); err != nil {
		t.Errorf("opened as the warning says: %v", err)
	}
	moons := "data: {name: moons}\nnet: {hidden: [4]}\ntrain: {steps: 4, batch: 8}\n"
	if told := train(moons, t.TempDir()); told != "" {
		t.Errorf("a run that names nothing outside says %q", told)
	}
}
