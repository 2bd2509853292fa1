// Package filelock says who writes into a folder or a file, by locks of the operating
// system: one is gone with the process that holds it, however that ends.
//
// There is one type, [Folder], and a function for a single file, [Try]. Where the system or
// the file system has no such locks (plan9, js, some network folders) every lock of a folder is
// granted, and Try says that there are none: nobody knows who writes there.
// The lines are our own because the usual library, gofrs/flock, opens the file itself, and on
// Windows locks its content, so that nobody could read there who holds it.
package filelock

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
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

// State is what is known of a lock.
type State int

// The states of a lock that was tried: it is ours now, or another's, or there are no locks
// here.
const (
	Taken State = iota
	Held
	NoLocks
)

// LockFolder takes the lock of a folder, which must be there. Where it is held the error is
// [ErrHeld], and says by whom. A link or another folder in the place of its file is an error.
func LockFolder(dir string) (*Folder, error) {
	const pause = 5 * time.Millisecond
	path := filepath.Join(dir, name)
	for patience := 5; ; patience-- {
		l, err := take(path)
		if err == nil || patience == 0 || !errors.Is(err, ErrHeld) {
			return l, err
		}
		time.Sleep(pause) // maybe it is being given back, or cleared
	}
}

// take takes a lock, if it is free.
func take(path string) (*Folder, error) {
	f, err := open(path)
	switch {
	case err == nil:
		return lock(f, path)
	case errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist) && exists(filepath.Dir(path)):
		return nil, inTurns(path) // between the look and the opening
	}
	return nil, fmt.Errorf("filelock: %w", err)
}

// inTurns is the error of a file that comes and goes.
func inTurns(path string) error {
	return fmt.Errorf("%w: %s is taken and given back all the time", ErrHeld, path)
}

// open opens the file of a lock, or makes it. Neither follows a link, which may lead anywhere.
func open(path string) (*os.File, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file, as that of a lock is; remove it", path)
	}
	return os.OpenFile(path, os.O_RDWR, 0)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// lock takes the lock of an open file, or closes it.
func lock(f *os.File, path string) (*Folder, error) {
	state, err := Try(f)
	switch {
	case err != nil:
		err = fmt.Errorf("filelock: %s: %w", path, err)
	case state == Held:
		err = fmt.Errorf("%w: %s is held by %s", ErrHeld, path, holder(f))
	case !Is(f, path): // who held it has just removed it
		err = inTurns(path)
	default:
		err = sign(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Folder{f}, nil
}

// Clear removes the file of a lock whose holder was killed, where that is known.
func Clear(dir string) {
	path := filepath.Join(dir, name)
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return
	}
	f, err := open(path)
	if err != nil {
		return
	}
	if state, err := Try(f); err == nil && state == Taken && Is(f, path) {
		(&Folder{f}).Unlock()
		return
	}
	f.Close()
}

// IsHeld says whether a folder's lock is held; false where nobody knows. It leaves the folder as it is.
func IsHeld(dir string) bool {
	path := filepath.Join(dir, name)
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()       // which gives back what look took
	state, err := look(f) // others who look at the time hold nothing
	return err == nil && state == Held && Is(f, path)
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
