package kernel

import (
	"golang.org/x/sys/cpu"

	"flowmatch/engine/native/machine"
)

// assemblyLevels are those with kernels in assembly that this CPU has.
func assemblyLevels() (out []Level) {
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		out = append(out, AVX2)
	}
	if cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL {
		out = append(out, AVX512)
		if machine.Tiles() == nil && cpu.X86.HasAVX512BF16 {
			out = append(out, AMX)
		}
	}
	return out
}
