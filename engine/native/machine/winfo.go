package machine

import (
	"encoding/binary"
	"math/bits"
)

// Relations of records of GetLogicalProcessorInformationEx.
const (
	relationCore  = 0
	relationCache = 2
)

// readRecords reads the records of GetLogicalProcessorInformationEx of a 64-bit Windows. A record has
// its relation, its size, and then what it tells: of a core flags and, from byte 24 on, a mask of its
// CPUs; of a cache level, size, type and, from byte 32 on, a mask.
func readRecords(b []byte) Model {
	const source = "GetLogicalProcessorInformationEx"
	var m Model
	for len(b) >= 8 {
		relation, size := binary.LittleEndian.Uint32(b), int(binary.LittleEndian.Uint32(b[4:]))
		if size < 8 || size > len(b) {
			break
		}
		body := b[8:size]
		b = b[size:]
		switch {
		case relation == relationCore && len(body) >= 32:
			cpus := bits.OnesCount64(binary.LittleEndian.Uint64(body[24:]))
			m.Core = Count{m.Core.N + 1, source}
			m.SMT = Count{max(m.SMT.N, cpus), source}
		case relation == relationCache && len(body) >= 40:
			if kind := binary.LittleEndian.Uint32(body[8:]); kind != 0 && kind != 2 { // instructions, traces
				continue
			}
			m.least(int(body[0]), Cache{Bytes: int(binary.LittleEndian.Uint32(body[4:])),
				Shared: max(1, bits.OnesCount64(binary.LittleEndian.Uint64(body[32:]))), Source: source})
		}
	}
	return m
}
