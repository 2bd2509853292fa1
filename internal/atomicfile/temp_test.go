package atomicfile_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"flowmatch/internal/atomicfile"
)

// childEnv names a file that this test program, as a child, begins to write until it is
// killed.
const childEnv = "FLOWMATCH_TEST_ATOMICFILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		_ = atomicfile.WriteFile(path, func(io.Writer) error {
			os.Stdout.WriteString("writing")
			time.Sleep(time.Hour)
			return nil
		})
	}
	os.Exit(m.Run())
}

// begin has a child begin to write a file, and returns what kills it.
func begin(t *testing.T, path string) (kill func()) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, len("writing"))); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		child.Wait() // it was killed: no news
	}
}

func count(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// What a killed process left is removed by the next that writes into the folder, or sweeps
// it; what one is writing stays.
func TestStrayTemporariesAreSwept(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, ".mine.tmp-none")
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	kill := begin(t, filepath.Join(dir, "a"))
	mustWrite(t, filepath.Join(dir, "b"), "b")
	atomicfile.Sweep(dir)
	if n := count(t, dir); n != 3 {
		t.Fatalf("%d files while one is written, want 3", n)
	}
	kill()
	atomicfile.Sweep(dir)
	wantOnly(t, dir, ".mine.tmp-none", "b")

	dir = t.TempDir()
	begin(t, filepath.Join(dir, "a"))()
	if n := count(t, dir); n != 1 {
		t.Fatalf("%d files after a kill, want the temporary one", n)
	}
	mustWrite(t, filepath.Join(dir, "b"), "b")
	wantOnly(t, dir, "b")
	atomicfile.Sweep(filepath.Join(dir, "none")) // is no fault
}

// Without locks nobody knows what is being written: it stays.
func TestWithoutLocksNothingIsSwept(t *testing.T) {
	atomicfile.WithoutLocks(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	err := atomicfile.WriteFile(path, func(w io.Writer) error {
		atomicfile.Sweep(dir) // as a reader does meanwhile
		_, err := io.WriteString(w, "whole")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	wantContent(t, path, "whole")
	wantOnly(t, dir, "a")
}

// What has just been closed may be about to get its name.
func TestAFileIsFreshForAMinute(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "a"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for age, want := range map[time.Duration]bool{0: true, 50 * time.Second: true, 70 * time.Second: false} {
		at := time.Now().Add(-age)
		if err := os.Chtimes(f.Name(), at, at); err != nil {
			t.Fatal(err)
		}
		if got := atomicfile.Fresh(f); got != want {
			t.Errorf("a file of %v is fresh: %v, want %v", age, got, want)
		}
	}
}

func TestNamesAsLongAsTheFileSystemTakes(t *testing.T) {
	for _, name := range []string{strings.Repeat("x", 255), strings.Repeat("x", 199) + strings.Repeat("é", 28)} {
		dir := t.TempDir()
		mustWrite(t, filepath.Join(dir, name), "long")
		wantOnly(t, dir, name)
	}
}

// A process that leaves its writers alone leaves nothing of them behind.
func TestAbandonedFilesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := atomicfile.WriteBytes(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	began, goOn, ended := make(chan bool), make(chan bool), make(chan error)
	go func() {
		ended <- atomicfile.WriteFile(path, func(io.Writer) error {
			close(began)
			<-goOn
			return nil
		})
	}()
	<-began
	if n := count(t, dir); n != 2 {
		t.Fatalf("%d files; want the old one and the temporary one", n)
	}
	atomicfile.Abandon()
	if n := count(t, dir); n != 1 && runtime.GOOS != "windows" { // which removes no file that is open
		t.Errorf("%d files; want the old one alone", n)
	}
	close(goOn)
	<-ended // whatever became of it
	if n := count(t, dir); n != 1 {
		t.Errorf("%d files at the end", n)
	}
}
