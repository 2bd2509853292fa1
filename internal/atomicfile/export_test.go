package atomicfile

import (
	"os"
	"testing"

	"flowmatch/internal/filelock"
)

// Fresh is fresh.
var Fresh = fresh

// WithoutLocks has a test run as where there are no locks.
func WithoutLocks(t *testing.T) {
	try = func(*os.File) (filelock.State, error) { return filelock.NoLocks, nil }
	t.Cleanup(func() { try = filelock.Try })
}
