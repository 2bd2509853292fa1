package memory

import (
	"fmt"
	"os"
	"strings"
)

// process reads the kernel's account of this process. (The one that
// getrusage gives begins with the memory of the process that started this one.)
func process() (now, peak int64) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(status)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			now = kib * 1024
		}
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 {
			peak = kib * 1024
		}
	}
	return now, max(now, peak)
}
