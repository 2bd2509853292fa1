//go:build unix && !aix && !solaris

package filelock

import (
	"errors"
	"os"
	"syscall"
)

// Try takes the lock of an open file, which closing it gives back, and returns whether it
// has it: another open file of the same, of this process or another, may hold it.
func Try(f *os.File) (State, error) { return try(f, syscall.LOCK_EX) }

// look is Try by a lock that any number may have at a time, and that Try keeps them from.
func look(f *os.File) (State, error) { return try(f, syscall.LOCK_SH) }

func try(f *os.File, how int) (State, error) {
	for {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			return stateOf(err)
		}
	}
}

// stateOf says what an answer of the system means.
func stateOf(err error) (State, error) {
	switch {
	case err == nil:
		return Taken, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return Held, nil
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.ENOLCK):
		return NoLocks, nil // of this file system
	}
	return Held, err
}
