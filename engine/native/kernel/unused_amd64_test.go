package kernel

import "golang.org/x/sys/cpu"

// unusedPairs are products of pairs that this CPU has, and that the table m does not use by itself.
func unusedPairs(m *Matrix) *pairMatrix {
	tiled := m.pairs != nil && m.pairs.tiled != nil
	if m.panel == 32 && m.lanes == 16 && cpu.X86.HasAVX512BF16 && (m.pairs == nil || tiled) {
		p := pairsAVX512(m)
		p.blocks = m.blocks
		return p
	}
	return nil
}
