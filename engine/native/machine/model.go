// Package machine knows the caches and cores of the machine, and the sizes by which the engine goes
// through tensors there.
//
// There are only a few types: [Model] is what is known of a machine, each number with its source;
// [Sizes] are chosen from one by [Choose], a pure function, forced by [EnvVar], or found by a
// measurement and kept in a file ([File]). No result depends on them.
//
// # Caveats
//
// Caches are those of the CPUs that this process may run on when it starts. In a container or a
// virtual machine they are what the host tells, which may be nothing: then they are assumed.
package machine

import (
	"fmt"
	"runtime"
)

// Model is what is known of a machine.
type Model struct {
	CPU  Name  `json:"cpu"`
	L1   Cache `json:"l1d"` // of data
	L2   Cache `json:"l2"`
	L3   Cache `json:"l3"`
	Core Count `json:"cores"`            // physical ones, that this process may run on
	SMT  Count `json:"threads_per_core"` // CPUs, to the system, of one of them
	CPUs Count `json:"cpus"`             // that this process may run on
}

// Cache is one of a level. Where cores have different ones, it is that which leaves a CPU least.
type Cache struct {
	Bytes  int    `json:"bytes"`     // 0: there is none, or it is not known
	Shared int    `json:"shared_by"` // CPUs that this process may run on and that share it
	Source string `json:"source"`
}

// Count is a number of something.
type Count struct {
	N      int    `json:"n"`
	Source string `json:"source"`
}

// Name is what the CPU is called.
type Name struct {
	Name   string `json:"name"`
	Source string `json:"source"`
}

// assumed is the source of a number that nothing tells.
const assumed = "assumed"

// Caches of a machine that tells nothing: most have at least these.
const (
	assumedL1 = 32 << 10
	assumedL2 = 1 << 20
)

// Share is what of a cache is left to one of so many busy threads.
func (c Cache) Share(threads int) int { return c.Bytes / max(1, min(c.Shared, threads)) }

// String describes the cache, such as "2048 KiB, shared by 2 CPUs (/sys)".
func (c Cache) String() string {
	if c.Bytes == 0 {
		return fmt.Sprintf("not known (%s)", c.Source)
	}
	text := fmt.Sprintf("%d KiB", c.Bytes>>10)
	if c.Shared > 1 {
		text += fmt.Sprintf(", shared by %d CPUs", c.Shared)
	}
	return fmt.Sprintf("%s (%s)", text, c.Source)
}

// Read asks the system, and the CPU where the system does not tell.
func Read() Model {
	m := Model{}
	for _, r := range readings() {
		m = m.or(r)
	}
	return m.complete(runtime.NumCPU())
}

// or returns m, with what it does not know taken from o.
func (m Model) or(o Model) Model {
	if m.CPU.Name == "" {
		m.CPU = o.CPU
	}
	for _, c := range []struct{ to, from *Cache }{{&m.L1, &o.L1}, {&m.L2, &o.L2}, {&m.L3, &o.L3}} {
		if c.to.Bytes == 0 && c.from.plausible() {
			*c.to = *c.from
		}
	}
	for _, c := range []struct{ to, from *Count }{{&m.Core, &o.Core}, {&m.SMT, &o.SMT}, {&m.CPUs, &o.CPUs}} {
		if c.to.N <= 0 {
			*c.to = *c.from
		}
	}
	return m
}

// plausible says whether a cache may have that size; some virtual machines tell nonsense.
func (c Cache) plausible() bool { return c.Bytes >= 4<<10 && c.Bytes <= 1<<30 && c.Shared >= 0 }

// complete assumes what is not known; cpus is what Go counts.
func (m Model) complete(cpus int) Model {
	if m.CPU.Name == "" {
		m.CPU = Name{runtime.GOARCH, assumed}
	}
	if m.CPUs.N <= 0 {
		m.CPUs = Count{cpus, "Go's runtime"}
	}
	if m.SMT.N <= 0 {
		m.SMT = Count{1, assumed}
	}
	if m.Core.N <= 0 {
		m.Core = Count{max(1, m.CPUs.N/m.SMT.N), assumed}
	}
	if m.L1.Bytes == 0 {
		m.L1 = Cache{assumedL1, m.SMT.N, assumed}
	}
	if m.L2.Bytes == 0 {
		m.L2 = Cache{assumedL2, m.SMT.N, assumed}
	}
	if m.L3.Bytes == 0 {
		m.L3 = Cache{0, 0, "nothing tells of one"}
	}
	for _, c := range []*Cache{&m.L1, &m.L2, &m.L3} {
		c.Shared = min(c.Shared, m.CPUs.N)
		if c.Bytes > 0 {
			c.Shared = max(c.Shared, 1)
		}
	}
	return m
}
