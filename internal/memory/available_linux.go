package memory

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

func available() (int64, bool) {
	left := free("/proc/meminfo")
	for _, group := range groups("/proc/self/cgroup", "/sys/fs/cgroup") {
		if has, ok := group.left(); ok && (left < 0 || has < left) {
			left = has
		}
	}
	var space syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_AS, &space) == nil && space.Cur < unlimited {
		if has := max(0, int64(space.Cur)-field("/proc/self/status", "VmSize:")); left < 0 || has < left {
			left = has
		}
	}
	return left, left >= 0
}

// free returns what the kernel could give without swapping, of a file as /proc/meminfo; -1:
// not known.
func free(file string) int64 {
	if kept := field(file, "MemAvailable:"); kept > 0 {
		return kept
	}
	return -1
}

// field returns the value of a line "name value kB", in bytes; 0 where there is none.
func field(file, name string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if rest, ok := strings.CutPrefix(line, name); ok {
			if n, _ := fmt.Sscanf(rest, "%d kB", &kib); n == 1 {
				return kib * 1024
			}
		}
	}
	return 0
}

// group is a control group: the folder of its files, and their names.
type group struct{ dir, limit, usage, reclaim string }

// groups returns those that limit this process: its own and those above it, of a file as
// /proc/self/cgroup, under the folder root.
func groups(file, root string) (all []group) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		g := group{limit: "memory.max", usage: "memory.current", reclaim: "inactive_file"}
		top := root
		switch {
		case parts[0] == "0" && parts[1] == "": // version 2
		case strings.Contains(","+parts[1]+",", ",memory,"):
			g = group{limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes", reclaim: "total_inactive_file"}
			top = filepath.Join(root, "memory")
		default:
			continue
		}
		// In a container the path may be that outside of it: then the files are at the top.
		for path := filepath.Clean("/" + parts[2]); ; path = filepath.Dir(path) {
			g.dir = filepath.Join(top, path)
			all = append(all, g)
			if path == "/" {
				break
			}
		}
	}
	return all
}

// left returns what the group may still take: its limit less what it uses and cannot give
// back.
func (g group) left() (int64, bool) {
	limit, ok := number(filepath.Join(g.dir, g.limit))
	if !ok || limit >= unlimited {
		return 0, false
	}
	used, _ := number(filepath.Join(g.dir, g.usage))
	if text, err := os.ReadFile(filepath.Join(g.dir, "memory.stat")); err == nil {
		for line := range strings.Lines(string(text)) {
			if rest, found := strings.CutPrefix(line, g.reclaim+" "); found {
				cached, _ := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
				used -= cached
			}
		}
	}
	return max(0, limit-max(0, used)), true
}

// number reads a file of one whole number; "max" is none.
func number(file string) (int64, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	v, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return v, err == nil
}
