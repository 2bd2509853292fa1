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
func Try(f *os.File) (State, error) {
	const how = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	at := &windows.Overlapped{Offset: math.MaxUint32, OffsetHigh: math.MaxInt32}
	err := windows.LockFileEx(windows.Handle(f.Fd()), how, 0, 1, 0, at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return Held, nil
	}
	if err != nil {
		return Held, err
	}
	return Taken, nil
}
