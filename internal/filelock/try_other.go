//go:build !windows && (!unix || aix || solaris)

package filelock

import "os"

// Try takes the lock of an open file. This system has none: it is granted.
func Try(*os.File) (bool, error) { return true, nil }
