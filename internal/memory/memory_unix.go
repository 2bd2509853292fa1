//go:build unix && !linux

package memory

import (
	"runtime"
	"syscall"
)

// process reports the peak only; at the start of a process that is what it holds.
func process() (now, peak int64) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0, 0
	}
	peak = int64(u.Maxrss)
	if runtime.GOOS != "darwin" {
		peak *= 1024
	}
	return peak, peak
}
