package memory

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// held adds up the shares that the processes have of the pages that they hold (PSS): pages that several of them
// hold are counted once. What one of them has held at most is the kernel's account.
func held(pid int) (now, peak int64) {
	below := map[int][]int{}
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, 0
	}
	for _, file := range files {
		stat, err := os.ReadFile(file)
		at := bytes.LastIndexByte(stat, ')') // behind the name, which may hold anything
		if err != nil || at < 0 {
			continue // it has ended since
		}
		var state string
		var parent int
		if n, _ := fmt.Sscan(string(stat[at+1:]), &state, &parent); n != 2 {
			continue
		}
		if number, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			below[parent] = append(below[parent], number)
		}
	}
	next := []int{pid}
	for len(next) > 0 {
		dir := filepath.Join("/proc", strconv.Itoa(next[0]))
		own := field(filepath.Join(dir, "smaps_rollup"), "Pss:")
		if own == 0 {
			own = field(filepath.Join(dir, "status"), "VmRSS:")
		}
		now, peak = now+own, max(peak, field(filepath.Join(dir, "status"), "VmHWM:"))
		next = append(next[1:], below[next[0]]...)
	}
	return now, max(now, peak)
}
