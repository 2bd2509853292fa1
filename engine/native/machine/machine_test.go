package machine

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// table is machines as they tell of themselves, and the sizes that are chosen there.
var table = []struct {
	name    string
	m       Model
	threads int
	want    string
}{
	{"Zen 4, a core of one thread", model(32<<10, 1, 1<<20, 1, 32<<20, 8, 8), 8,
		"tile=2048K,rows=128,strip=1024,block=168,columns=512,pixels=65536"},
	{"Zen 4, both threads of a core busy", model(32<<10, 2, 1<<20, 2, 32<<20, 16, 16), 16,
		"tile=1024K,rows=128,strip=512,block=84,columns=256,pixels=32768"},
	{"Zen 4, one thread of it busy", model(32<<10, 2, 1<<20, 2, 32<<20, 16, 16), 1,
		"tile=2048K,rows=128,strip=1024,block=168,columns=512,pixels=65536"},
	{"Zen 2", model(32<<10, 1, 512<<10, 1, 16<<20, 4, 8), 8,
		"tile=1024K,rows=128,strip=1024,block=84,columns=256,pixels=32768"},
	{"Sapphire Rapids", model(48<<10, 1, 2<<20, 1, 300<<20, 2, 2), 2,
		"tile=4096K,rows=128,strip=1024,block=336,columns=1024,pixels=131072"},
	{"Apple M1, four fast cores", model(128<<10, 1, 12<<20, 4, 0, 0, 8), 8,
		"tile=6144K,rows=128,strip=4096,block=504,columns=1024,pixels=131072"},
	{"Graviton 3", model(64<<10, 1, 1<<20, 1, 32<<20, 64, 64), 64,
		"tile=2048K,rows=128,strip=2048,block=168,columns=512,pixels=65536"},
	{"a container that tells nothing", Model{}, 4,
		"tile=2048K,rows=128,strip=1024,block=168,columns=512,pixels=65536"},
	{"nonsense of a virtual machine", Model{L1: Cache{Bytes: 3}, L2: Cache{Bytes: 1 << 40}}, 4,
		"tile=2048K,rows=128,strip=1024,block=168,columns=512,pixels=65536"},
}

func model(l1, s1, l2, s2, l3, s3, cpus int) Model {
	return Model{L1: Cache{l1, s1, "test"}, L2: Cache{l2, s2, "test"}, L3: Cache{l3, s3, "test"},
		CPUs: Count{cpus, "test"}}
}

func TestChoose(t *testing.T) {
	for _, c := range table {
		got := Choose(c.m, c.threads)
		if got.String() != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
		if err := got.Valid(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Whatever a machine tells, sizes are valid.
func TestEverySizeIsValid(t *testing.T) {
	for l1 := 0; l1 < 40; l1++ {
		for l2 := 0; l2 < 40; l2++ {
			for _, threads := range []int{1, 3, 200} {
				m := model(1<<l1, threads, 3<<l2, threads, 0, 0, threads)
				if err := Choose(m, threads).Valid(); err != nil {
					t.Fatalf("L1 %d, L2 %d: %v", m.L1.Bytes, m.L2.Bytes, err)
				}
			}
		}
	}
}

func TestThisMachineSaysWhereItsNumbersComeFrom(t *testing.T) {
	m := Read()
	for what, source := range map[string]string{"CPU": m.CPU.Source, "L1": m.L1.Source, "L2": m.L2.Source,
		"L3": m.L3.Source, "cores": m.Core.Source, "threads": m.SMT.Source, "CPUs": m.CPUs.Source} {
		if source == "" {
			t.Errorf("%s has no source in %+v", what, m)
		}
	}
	if m.CPU.Name == "" || m.L1.Bytes < 4<<10 || m.L2.Bytes < 4<<10 || m.CPUs.N < 1 || m.Core.N < 1 {
		t.Errorf("%+v", m)
	}
}

// tree is /sys of CPUs of two threads each: 48 KiB and 2 MiB a core, 32 MiB for all.
func tree(cpus int) fstest.MapFS {
	fs := fstest.MapFS{"proc/cpuinfo": {Data: []byte("processor\t: 0\ncpu family\t: 6\nmodel\t\t: 143\n" +
		"model name\t: Slide Rule\nstepping\t: 8\n\nprocessor\t: 1\nmodel name\t: Other\n")}}
	for c := range cpus {
		dir := fmt.Sprintf("%s/cpu%d/", sysCPU, c)
		pair := fmt.Sprintf("%d-%d", c&^1, c|1)
		put := func(name, text string) { fs[dir+name] = &fstest.MapFile{Data: []byte(text + "\n")} }
		put("topology/thread_siblings_list", pair)
		for i, x := range [][4]string{{"1", "Data", "48K", pair}, {"1", "Instruction", "32K", pair},
			{"2", "Unified", "2048K", pair}, {"3", "Unified", "32M", fmt.Sprintf("0-%d", cpus-1)}} {
			index := fmt.Sprintf("cache/index%d/", i)
			put(index+"level", x[0])
			put(index+"type", x[1])
			put(index+"size", x[2])
			put(index+"shared_cpu_list", x[3])
		}
	}
	return fs
}

func TestLinuxTellsOfTheCPUsThatMayBeUsed(t *testing.T) {
	fs := tree(8)
	for _, c := range []struct {
		allowed                 []int
		shared, all, cores, smt int
	}{
		{[]int{0, 1, 2, 3, 4, 5, 6, 7}, 2, 8, 4, 2},
		{[]int{1, 3}, 1, 2, 2, 1}, // a container with a CPU each of two cores
		{[]int{4, 5}, 2, 2, 1, 2},
	} {
		m := readSys(fs, c.allowed)
		if m.CPU.Name != "Slide Rule 6.143.8" || m.L1.Bytes != 48<<10 || m.L2.Bytes != 2<<20 || m.L3.Bytes != 32<<20 ||
			m.L1.Shared != c.shared || m.L2.Shared != c.shared || m.L3.Shared != c.all || m.Core.N != c.cores ||
			m.SMT.N != c.smt || m.CPUs.N != len(c.allowed) {
			t.Errorf("CPUs %v: %+v", c.allowed, m)
		}
	}
}

// Of cores of two kinds the caches that leave least count.
func TestTheSmallestCacheCounts(t *testing.T) {
	fs := tree(4)
	for _, c := range []string{"2", "3"} {
		fs[sysCPU+"/cpu"+c+"/cache/index2/size"] = &fstest.MapFile{Data: []byte("512K")}
	}
	if m := readSys(fs, []int{0, 1, 2, 3}); m.L2.Bytes != 512<<10 {
		t.Errorf("L2 %+v, want that of the small cores", m.L2)
	}
	if m := readSys(fs, []int{0, 1}); m.L2.Bytes != 2<<20 {
		t.Errorf("L2 %+v, want that of the large cores", m.L2)
	}
}

func TestWithoutATreeEverythingIsAssumed(t *testing.T) {
	m := readSys(fstest.MapFS{}, nil).complete(3)
	if m.L1.Source != assumed || m.L2.Source != assumed || m.CPUs.N != 3 || m.Core.N != 3 || m.L3.Bytes != 0 {
		t.Errorf("%+v", m)
	}
	arm := fstest.MapFS{"proc/cpuinfo": {Data: []byte("CPU implementer\t: 0x41\nCPU part\t: 0xd40\n")}}
	if m := readSys(arm, []int{0}); m.CPU.Name != "ARM 0x41 0xd40" {
		t.Errorf("name %q", m.CPU.Name)
	}
}

// fake answers CPUID from a table of leaf and subleaf.
func fake(leaves map[[2]uint32][4]uint32) cpuidFunc {
	return func(leaf, sub uint32) (a, b, c, d uint32) {
		r := leaves[[2]uint32{leaf, sub}]
		return r[0], r[1], r[2], r[3]
	}
}

// cache is the registers of a cache of lines of 64 bytes.
func cache(kind, level, shared, ways, sets uint32) [4]uint32 {
	return [4]uint32{kind | level<<5 | (shared-1)<<14, 63 | (ways-1)<<22, sets - 1, 0}
}

func TestCPUID(t *testing.T) {
	letters := func(s string) uint32 { return binary.LittleEndian.Uint32([]byte(s)) }
	intel := map[[2]uint32][4]uint32{
		{0, 0}: {0x1f, letters("Genu"), letters("ntel"), letters("ineI")}, {leafExtended, 0}: {leafBrand + 2},
		{leafBrand, 0}: {letters("Xeon"), letters(" 3\x00\x00")},
		{4, 0}:         cache(1, 1, 2, 12, 64), {4, 1}: cache(2, 1, 2, 8, 64), {4, 2}: cache(3, 2, 2, 16, 2048),
		{4, 3}: cache(3, 3, 128, 15, 1<<17), {leafTopology, 0}: {0, 2},
	}
	m := readCPUID(fake(intel))
	if m.L1.Bytes != 48<<10 || m.L2.Bytes != 2<<20 || m.L3.Bytes != 120<<20 || m.L2.Shared != 2 || m.L3.Shared != 128 ||
		m.SMT.N != 2 || m.CPU.Name != "Xeon 3" || m.L1.Source != "CPUID 4" {
		t.Errorf("Intel: %+v", m)
	}
	amd := map[[2]uint32][4]uint32{
		{0, 0}: {0x10, letters("Auth"), letters("cAMD"), letters("enti")}, {leafExtended, 0}: {0x80000028},
		{leafTopologyAMD, 0}: {0, 1 << 8},
		{leafCachesAMD, 0}:   cache(1, 1, 2, 8, 64), {leafCachesAMD, 1}: cache(2, 1, 2, 8, 64),
		{leafCachesAMD, 2}: cache(3, 2, 2, 8, 2048), {leafCachesAMD, 3}: cache(3, 3, 16, 16, 1<<15),
	}
	m = readCPUID(fake(amd))
	if m.L1.Bytes != 32<<10 || m.L2.Bytes != 1<<20 || m.L3.Bytes != 32<<20 || m.SMT.N != 2 || m.L3.Shared != 16 {
		t.Errorf("AMD: %+v", m)
	}
	if m := readCPUID(fake(nil)).complete(1); m.L1.Source != assumed {
		t.Errorf("a CPU that tells nothing: %+v", m)
	}
}

func TestSysctl(t *testing.T) {
	apple := map[string]int{"hw.perflevel0.l1dcachesize": 128 << 10, "hw.l1dcachesize": 64 << 10,
		"hw.perflevel0.l2cachesize": 12 << 20, "hw.l2cachesize": 4 << 20, "hw.perflevel0.cpusperl2": 4,
		"hw.physicalcpu": 8, "hw.logicalcpu": 8}
	get := func(name string) (int, bool) { n, ok := apple[name]; return n, ok }
	m := Model{}.or(readSysctl(get)).complete(8)
	if m.L1.Bytes != 128<<10 || m.L2.Bytes != 12<<20 || m.L2.Shared != 4 || m.SMT.N != 1 || m.Core.N != 8 ||
		m.L2.Source != "sysctl hw.perflevel0.l2cachesize" {
		t.Errorf("%+v", m)
	}
	if m := (Model{}).or(readSysctl(func(string) (int, bool) { return 0, false })).complete(2); m.L1.Source != assumed {
		t.Errorf("without answers: %+v", m)
	}
}

func TestWindowsRecords(t *testing.T) {
	record := func(relation uint32, body []byte) []byte {
		b := binary.LittleEndian.AppendUint32(nil, relation)
		return append(binary.LittleEndian.AppendUint32(b, uint32(8+len(body))), body...)
	}
	core := func(mask uint64) []byte {
		b := make([]byte, 40)
		binary.LittleEndian.PutUint64(b[24:], mask)
		return record(relationCore, b)
	}
	cache := func(level byte, size, kind uint32, mask uint64) []byte {
		b := make([]byte, 48)
		b[0] = level
		binary.LittleEndian.PutUint32(b[4:], size)
		binary.LittleEndian.PutUint32(b[8:], kind)
		binary.LittleEndian.PutUint64(b[32:], mask)
		return record(relationCache, b)
	}
	var all []byte
	for _, r := range [][]byte{core(3), core(12), cache(1, 32<<10, 2, 3), cache(1, 32<<10, 1, 3),
		cache(2, 1<<20, 0, 3), cache(3, 32<<20, 0, 15), record(3, make([]byte, 24))} {
		all = append(all, r...)
	}
	m := readRecords(all)
	if m.L1.Bytes != 32<<10 || m.L2.Bytes != 1<<20 || m.L2.Shared != 2 || m.L3.Shared != 4 || m.Core.N != 2 ||
		m.SMT.N != 2 {
		t.Errorf("%+v", m)
	}
	for n := range all { // what is cut off is left out
		readRecords(all[:n])
	}
}

func TestForcedSizes(t *testing.T) {
	s := Choose(Model{}, 1)
	got, err := s.With("tile=3M, rows=256")
	if err != nil || got.Tile != 3<<20 || got.Rows != 256 || got.Strip != s.Strip {
		t.Errorf("%v (%v)", got, err)
	}
	if again, err := s.With(got.String()); err != nil || again != got {
		t.Errorf("%v read again is %v (%v)", got, again, err)
	}
	for text, want := range map[string]string{
		"tiles=3M": "of tile, rows, strip", "tile": "want sizes such as", "tile=1K": "from 64K to 1048576K",
		"rows=17": "a multiple of 16", "rows=1M": "a whole number from 16", "rows=16,rows=32": "twice",
		"strip=-1": "a whole number", "": "want sizes such as", "tile=99999999999999999999": "a whole number",
	} {
		if _, err := s.With(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}
