package filelock_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"flowmatch/internal/filelock"
)

const childEnv = "FLOWMATCH_TEST_LOCK"

// kept is the lock of a child, which would be gone were it collected.
var kept *filelock.Folder

// As a child this test program takes a lock, says so, and holds it until it is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		var err error
		kept, err = filelock.LockFolder(dir)
		fmt.Println("locked", err)
		time.Sleep(time.Hour)
	}
	os.Exit(m.Run())
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func locks(t *testing.T) {
	t.Helper()
	switch runtime.GOOS {
	case "aix", "solaris", "illumos", "plan9", "js", "wasip1":
		t.Skip("this system has no locks")
	}
}

func TestAFolderHasOneHolder(t *testing.T) {
	locks(t)
	dir := t.TempDir()
	l, err := filelock.LockFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = filelock.LockFolder(dir)
	if want := fmt.Sprintf("process %d on ", os.Getpid()); !errors.Is(err, filelock.ErrHeld) ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("a second lock: %v, want ErrHeld by %q", err, want)
	}
	filelock.Clear(dir) // not one that is held
	if got := names(t, dir); got != ".lock" || !filelock.IsHeld(dir) {
		t.Errorf("in the folder: %q", got)
	}
	l.Unlock()
	l.Unlock() // does nothing
	if got := names(t, dir); got != "" || filelock.IsHeld(dir) {
		t.Errorf("left in the folder: %s", got)
	}
	if l, err = filelock.LockFolder(dir); err != nil {
		t.Errorf("after it was given back: %v", err)
	}
	l.Unlock()
}

// TestWhoLooksHoldsNothing: many look at once at a lock whose holder was killed, and at one that is held.
func TestWhoLooksHoldsNothing(t *testing.T) {
	locks(t)
	free, held := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(free, ".lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := filelock.LockFolder(held)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Unlock()
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 200 {
				if filelock.IsHeld(free) || !filelock.IsHeld(held) {
					t.Error("a look changes what others see")
					return
				}
			}
		})
	}
	all.Wait()
}

func TestALockIsGoneWithItsProcess(t *testing.T) {
	locks(t)
	dir := t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked <nil>\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	_, err = filelock.LockFolder(dir)
	if want := fmt.Sprintf("process %d on ", child.Process.Pid); !errors.Is(err, filelock.ErrHeld) ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("while the child holds it: %v, want ErrHeld by %q", err, want)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.Wait() // it was killed: no news
	if got := names(t, dir); got != ".lock" || filelock.IsHeld(dir) {
		t.Errorf("left in the folder: %q", got)
	}
	filelock.Clear(dir)
	if got := names(t, dir); got != "" {
		t.Errorf("left in the folder that was cleared: %q", got)
	}
	l, err := filelock.LockFolder(dir)
	if err != nil {
		t.Errorf("after the child was killed: %v", err)
	}
	l.Unlock()
}

// Whoever finds the file of a lock that is just being given back takes another.
func TestManyTakeTurns(t *testing.T) {
	locks(t)
	dir := t.TempDir()
	var inside, turns int
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				l, err := filelock.LockFolder(dir)
				if errors.Is(err, filelock.ErrHeld) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				inside++
				turns++
				if inside != 1 {
					t.Errorf("%d hold the lock", inside)
				}
				mu.Unlock()
				runtime.Gosched()
				mu.Lock()
				inside--
				mu.Unlock()
				l.Unlock()
			}
		})
	}
	all.Wait()
	if turns == 0 {
		t.Error("nobody got the lock")
	}
	if got := names(t, dir); got != "" {
		t.Errorf("left in the folder: %s", got)
	}
}

func TestErrors(t *testing.T) {
	if _, err := filelock.LockFolder(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	locks(t)
	// What somebody wrote into the file cannot move the cursor.
	dir := t.TempDir()
	file := filepath.Join(dir, ".lock")
	if err := os.WriteFile(file, []byte("process \x1b[2J\xff 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if state, err := filelock.Try(f); state != filelock.Taken || err != nil {
		t.Fatal(state, err)
	}
	if _, err := filelock.LockFolder(dir); err == nil || strings.Contains(err.Error(), "\x1b") ||
		!utf8.ValidString(err.Error()) {
		t.Errorf("got %q", err)
	}
}

// A link in the place of the lock is not followed, wherever it leads, and ends at once.
func TestWhatIsNoFileIsNoLock(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, put := range map[string]func(path string) error{
		"a link to a file":      func(path string) error { return os.Symlink(other, path) },
		"a link to a folder":    func(path string) error { return os.Symlink(filepath.Dir(other), path) },
		"a link to what is not": func(path string) error { return os.Symlink(other+"2", path) },
		"a link to itself":      func(path string) error { return os.Symlink(path, path) },
		"a folder":              func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		dir := t.TempDir()
		if err := put(filepath.Join(dir, ".lock")); err != nil {
			t.Skip(err)
		}
		filelock.Clear(dir)
		l, err := filelock.LockFolder(dir)
		if err == nil || errors.Is(err, filelock.ErrHeld) || !strings.Contains(err.Error(), "no regular file") {
			t.Errorf("%s: %v, want an error that says what it is", what, err)
			l.Unlock()
		}
		if got := names(t, dir); got != ".lock" {
			t.Errorf("%s: left in the folder: %q", what, got)
		}
	}
	if text, err := os.ReadFile(other); err != nil || string(text) != "mine" {
		t.Errorf("the file of another is %q, %v", text, err)
	}
	if _, err := os.Stat(other + "2"); err == nil {
		t.Error("a file was made where a link leads")
	}
}
