//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package memory

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// available returns all the memory of the machine: what of it is free these systems do not say
// in one number, and what is larger than all of it cannot be.
func available() (int64, bool) {
	name := "hw.physmem"
	switch runtime.GOOS {
	case "darwin":
		name = "hw.memsize"
	case "netbsd":
		name = "hw.physmem64"
	}
	if all, err := unix.SysctlUint64(name); err == nil {
		return int64(min(all, unlimited)), true
	}
	all, err := unix.SysctlUint32(name) // a word of a machine of 32 bits
	return int64(all), err == nil
}
