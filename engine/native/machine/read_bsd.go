//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package machine

import "golang.org/x/sys/unix"

// readings are what there is to be known, the best first.
func readings() []Model {
	m := readSysctl(func(name string) (int, bool) {
		if n, err := unix.SysctlUint64(name); err == nil {
			return int(n), true
		}
		n, err := unix.SysctlUint32(name)
		return int(n), err == nil
	})
	for _, name := range []string{"machdep.cpu.brand_string", "hw.model"} {
		if text, err := unix.Sysctl(name); err == nil && m.CPU.Name == "" {
			m.CPU = Name{text, "sysctl " + name}
		}
	}
	return append([]Model{m}, fromCPU()...)
}
