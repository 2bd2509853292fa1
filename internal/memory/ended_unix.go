//go:build unix && !linux

package memory

import (
	"os"
	"runtime"
	"syscall"
)

func ended(state *os.ProcessState) int64 {
	u, ok := state.SysUsage().(*syscall.Rusage)
	switch {
	case !ok:
		return 0
	case runtime.GOOS == "darwin":
		return int64(u.Maxrss)
	}
	return 1024 * int64(u.Maxrss)
}
