package machine

// readSysctl reads what macOS and the BSDs tell by name; get says whether a name is known. Of cores of
// two kinds, those that are fast (perflevel0) do most of the work, and count.
func readSysctl(get func(name string) (int, bool)) Model {
	first := func(names ...string) (int, string) {
		for _, name := range names {
			if n, ok := get(name); ok && n > 0 {
				return n, "sysctl " + name
			}
		}
		return 0, ""
	}
	var m Model
	m.L1.Bytes, m.L1.Source = first("hw.perflevel0.l1dcachesize", "hw.l1dcachesize")
	m.L2.Bytes, m.L2.Source = first("hw.perflevel0.l2cachesize", "hw.l2cachesize")
	m.L3.Bytes, m.L3.Source = first("hw.perflevel0.l3cachesize", "hw.l3cachesize")
	m.Core.N, m.Core.Source = first("hw.physicalcpu", "kern.smp.cores")
	m.CPUs.N, m.CPUs.Source = first("hw.logicalcpu")
	if m.SMT.N, m.SMT.Source = first("kern.smp.threads_per_core"); m.SMT.N == 0 && m.Core.N > 0 && m.CPUs.N > 0 {
		m.SMT = Count{max(1, m.CPUs.N/m.Core.N), m.CPUs.Source}
	}
	m.L1.Shared = max(1, m.SMT.N)
	if m.L2.Shared, _ = first("hw.perflevel0.cpusperl2"); m.L2.Shared == 0 {
		m.L2.Shared = max(1, m.SMT.N)
	}
	if m.L3.Shared, _ = first("hw.perflevel0.cpusperl3"); m.L3.Shared == 0 {
		m.L3.Shared = max(1, m.CPUs.N)
	}
	return m
}
