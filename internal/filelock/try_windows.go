package filelock

import (
	"errors"
	"math"
	"os"

	"golang.org/x/sys/windows"
)

// Try takes the lock of an open file, which closing it gives back, and returns whether it
// has it: another open file of the same, of this process or another, may hold it. What is
// locked is a byte far behind the content, for nobody else can read one that is.
func Try(f *os.File) (State, error) { return try(f, windows.LOCKFILE_EXCLUSIVE_LOCK) }

// look is Try by a lock that any number may have at a time, and that Try keeps them from.
func look(f *os.File) (State, error) { return try(f, 0) }

func try(f *os.File, how uint32) (State, error) {
	at := &windows.Overlapped{Offset: math.MaxUint32, OffsetHigh: math.MaxInt32}
	err := windows.LockFileEx(windows.Handle(f.Fd()), how|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return Held, nil
	}
	if err != nil {
		return Held, err
	}
	return Taken, nil
}
