package machine

import (
	"encoding/binary"
	"strings"
)

// cpuidFunc asks an x86 CPU for a leaf and a subleaf; it returns EAX, EBX, ECX and EDX.
type cpuidFunc func(leaf, sub uint32) (a, b, c, d uint32)

// Leaves of CPUID.
const (
	leafVendor, leafCaches, leafTopology = 0, 4, 0xb
	leafExtended, leafBrand              = 0x80000000, 0x80000002
	leafCachesAMD, leafTopologyAMD       = 0x8000001d, 0x8000001e
)

// readCPUID reads what the CPU tells of itself. It knows of all CPUs and not of those that the process
// may run on.
func readCPUID(ask cpuidFunc) Model {
	top, _, _, _ := ask(leafVendor, 0)
	extended, _, _, _ := ask(leafExtended, 0)
	m := Model{CPU: Name{brand(ask, extended), "CPUID"}}
	leaf, source := uint32(leafCaches), "CPUID 4"
	if extended >= leafTopologyAMD && isAMD(ask) {
		leaf, source = leafCachesAMD, "CPUID 0x8000001D"
		_, b, _, _ := ask(leafTopologyAMD, 0)
		m.SMT = Count{int(b>>8&0xff) + 1, "CPUID 0x8000001E"}
	} else if top < leafCaches {
		return m
	}
	if m.SMT.N == 0 && top >= leafTopology {
		if _, b, _, _ := ask(leafTopology, 0); b&0xffff > 0 {
			m.SMT = Count{int(b & 0xffff), "CPUID 0xB"}
		}
	}
	for sub := range uint32(16) {
		a, b, c, _ := ask(leaf, sub)
		kind := a & 0x1f
		if kind == 0 {
			break
		}
		if kind == 2 { // instructions
			continue
		}
		bytes := (int(b>>22) + 1) * (int(b>>12&0x3ff) + 1) * (int(b&0xfff) + 1) * (int(c) + 1)
		m.least(int(a>>5&7), Cache{Bytes: bytes, Shared: int(a>>14&0xfff) + 1, Source: source})
	}
	return m
}

// isAMD says whether the leaves of AMD are there, which Hygon's CPUs have too.
func isAMD(ask cpuidFunc) bool {
	_, b, c, d := ask(leafVendor, 0)
	vendor := words(b, d, c)
	return vendor == "AuthenticAMD" || vendor == "HygonGenuine"
}

// brand is the name of the CPU.
func brand(ask cpuidFunc, extended uint32) string {
	if extended < leafBrand+2 {
		return ""
	}
	var s string
	for i := range uint32(3) {
		a, b, c, d := ask(leafBrand+i, 0)
		s += words(a, b, c, d)
	}
	return strings.TrimSpace(strings.TrimRight(s, "\x00"))
}

// words are registers as text.
func words(x ...uint32) string {
	var b []byte
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return string(b)
}
