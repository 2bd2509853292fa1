package machine

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// sysCPU is where Linux tells of CPUs.
const sysCPU = "sys/devices/system/cpu"

// readSys reads what Linux tells of the CPUs that the process may run on, in a tree with sys and proc.
func readSys(root fs.FS, allowed []int) Model {
	m := Model{CPU: Name{cpuName(root), "/proc/cpuinfo"}}
	if len(allowed) > 0 {
		m.CPUs = Count{len(allowed), "affinity"}
	}
	cores := map[string]bool{}
	for _, cpu := range allowed {
		dir := path.Join(sysCPU, "cpu"+strconv.Itoa(cpu))
		siblings, ok := list(root, path.Join(dir, "topology/thread_siblings_list"))
		if ok {
			m.SMT = Count{max(m.SMT.N, common(siblings, allowed)), "/" + sysCPU + "/cpu*/topology"}
			cores[strings.Join(numbers(siblings), ",")] = true
		}
		m.caches(root, dir, allowed)
	}
	if len(cores) > 0 {
		m.Core = Count{len(cores), "/" + sysCPU + "/cpu*/topology"}
	}
	return m
}

// caches takes in those of one CPU that leave less than what is known.
func (m *Model) caches(root fs.FS, dir string, allowed []int) {
	for i := range 10 {
		index := path.Join(dir, "cache/index"+strconv.Itoa(i))
		kind := text(root, path.Join(index, "type"))
		bytes := kibibytes(text(root, path.Join(index, "size")))
		if bytes == 0 || kind == "Instruction" {
			continue
		}
		c := Cache{Bytes: bytes, Shared: 1, Source: "/" + sysCPU + "/cpu*/cache"}
		if shared, ok := list(root, path.Join(index, "shared_cpu_list")); ok {
			c.Shared = max(1, common(shared, allowed))
		}
		level, _ := strconv.Atoi(text(root, path.Join(index, "level"))) // else none of ours
		m.least(level, c)
	}
}

// least takes a cache of a level if it leaves less than the one that is known.
func (m *Model) least(level int, c Cache) {
	to := map[int]*Cache{1: &m.L1, 2: &m.L2, 3: &m.L3}[level]
	if to == nil || !c.plausible() || to.Bytes > 0 && to.Bytes/max(1, to.Shared) <= c.Bytes/max(1, c.Shared) {
		return
	}
	*to = c
}

// cpuName is the name of the first CPU: in words where x86 tells, else by numbers of ARM.
func cpuName(root fs.FS) string {
	text, err := fs.ReadFile(root, "proc/cpuinfo")
	if err != nil {
		return ""
	}
	field := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok {
			if key = strings.TrimSpace(key); field[key] == "" {
				field[key] = strings.TrimSpace(value)
			}
		}
	}
	if name := field["model name"]; name != "" {
		family, model, stepping := field["cpu family"], field["model"], field["stepping"]
		if family == "" {
			return name
		}
		// Virtual machines often hide the name of a model, but not its numbers.
		return name + " " + family + "." + model + "." + stepping
	}
	if field["CPU implementer"] != "" {
		return "ARM " + field["CPU implementer"] + " " + field["CPU part"]
	}
	return ""
}

func text(root fs.FS, name string) string {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// kibibytes reads a size such as 48K or 32M; 0 for what is none.
func kibibytes(text string) int {
	unit := 1
	for suffix, n := range map[string]int{"K": 1 << 10, "M": 1 << 20, "G": 1 << 30} {
		if digits, ok := strings.CutSuffix(text, suffix); ok {
			text, unit = digits, n
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1<<30/unit {
		return 0
	}
	return n * unit
}

// list reads a list of CPUs such as 0-3,8.
func list(root fs.FS, name string) (cpus []int, ok bool) {
	for part := range strings.SplitSeq(text(root, name), ",") {
		from, to, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(from)
		if err != nil {
			return nil, false
		}
		b := a
		if isRange {
			if b, err = strconv.Atoi(to); err != nil || b < a || b-a > 1<<16 {
				return nil, false
			}
		}
		for ; a <= b; a++ {
			cpus = append(cpus, a)
		}
	}
	return cpus, true
}

// common is how many of a list the process may run on.
func common(cpus, allowed []int) (n int) {
	for _, c := range cpus {
		if slices.Contains(allowed, c) {
			n++
		}
	}
	return n
}

func numbers(cpus []int) (out []string) {
	for _, c := range cpus {
		out = append(out, strconv.Itoa(c))
	}
	return out
}
