// Package filelock says who writes into a folder or a file, by locks of the operating
// system: one is gone with the process that holds it, however that ends.
//
// There is one type, [Folder], and a function for a single file, [Try]. Where the system or
// the file system has no such locks (plan9, js, some network folders) everything is granted.
// The lines are our own because the usual library, gofrs/flock, opens the file itself, and on
// Windows locks its content, so that nobody could read there who holds it.
package filelock

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// name is the file of a folder's lock. It is there only while somebody holds it, or was
// killed holding it.
const name = ".lock"

// ErrHeld is returned by [LockFolder] where another process, or another part of this one,
// holds the lock.
var ErrHeld = errors.New("another program is writing into this folder")

// Folder is a lock of a folder that is held.
type Folder struct{ file *os.File }

// LockFolder takes the lock of a folder, which must be there. Where it is held the error is
// [ErrHeld], and says by whom.
func LockFolder(dir string) (*Folder, error) {
	path := filepath.Join(dir, name)
	for patience := 5; ; patience-- {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, fmt.Errorf("filelock: %w", err)
		}
		held, err := Try(f)
		switch {
		case err != nil:
			err = fmt.Errorf("filelock: %s: %w", path, err)
		case !held && patience > 0: // maybe it is being cleared
			f.Close()
			time.Sleep(5 * time.Millisecond)
			continue
		case !held:
			err = fmt.Errorf("%w: %s is held by %s", ErrHeld, path, holder(f))
		case !Is(f, path): // who held it has just removed it
			f.Close()
			continue
		default:
			err = sign(f)
		}
		if err != nil {
			f.Close()
			return nil, err
		}
		return &Folder{f}, nil
	}
}

// Clear removes the file of a lock whose holder was killed.
func Clear(dir string) {
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return
	}
	if held, err := Try(f); err == nil && held && Is(f, path) {
		(&Folder{f}).Unlock()
		return
	}
	f.Close()
}

// Unlock gives the lock back; a second call does nothing.
func (l *Folder) Unlock() {
	if l == nil || l.file == nil {
		return
	}
	f := l.file
	l.file = nil
	// Once it is closed the file may be another's, whose it must not be taken from. Windows
	// removes no file that is open, ours or another's.
	if runtime.GOOS != "windows" {
		os.Remove(f.Name())
		f.Close()
		return
	}
	f.Close()
	os.Remove(f.Name())
}

// Is reports whether an open file is still the one at a path.
func Is(f *os.File, path string) bool {
	a, errA := f.Stat()
	b, errB := os.Lstat(path)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// sign writes who holds a lock.
func sign(f *os.File) error {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	text := fmt.Sprintf("process %d on %s, since %s\n", os.Getpid(), host, time.Now().Format(time.DateTime))
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("filelock: %w", err)
	}
	if _, err := f.WriteAt([]byte(text), 0); err != nil {
		return fmt.Errorf("filelock: %w", err)
	}
	return nil
}

// holder reads who holds a lock.
func holder(f *os.File) string {
	const longest = 200
	b, err := io.ReadAll(io.NewSectionReader(f, 0, longest))
	text := strings.TrimSpace(string(b))
	if err != nil || !strings.HasPrefix(text, "process ") {
		return "a process that has not said yet which it is"
	}
	return strings.Map(printable, text)
}

// printable keeps what somebody else wrote from moving the cursor of a terminal.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return '?'
	}
	return r
}
