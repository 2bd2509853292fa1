//go:build linux || darwin || freebsd || dragonfly

package atomicfile

import "golang.org/x/sys/unix"

// freeOf returns the bytes that this user may still write to the file system of dir.
func freeOf(dir string) (bytes uint64, ok bool) {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return 0, false
	}
	return uint64(max(0, int64(s.Bavail))) * uint64(s.Bsize), true
}
