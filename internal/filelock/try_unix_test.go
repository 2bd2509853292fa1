//go:build unix && !aix && !solaris

package filelock

import (
	"syscall"
	"testing"
)

// A file system without locks is not one whose files nobody holds.
func TestHeldFreeAndWithoutLocks(t *testing.T) {
	for errno, want := range map[syscall.Errno]State{
		syscall.EWOULDBLOCK: Held, syscall.ENOLCK: NoLocks, syscall.ENOSYS: NoLocks, syscall.EOPNOTSUPP: NoLocks,
	} {
		if got, err := stateOf(errno); got != want || err != nil {
			t.Errorf("%v: state %d, error %v; want %d", errno, got, err, want)
		}
	}
	if got, err := stateOf(nil); got != Taken || err != nil {
		t.Errorf("no error: state %d, error %v", got, err)
	}
	if _, err := stateOf(syscall.EIO); err == nil {
		t.Error("a fault of the disk is none")
	}
}
