package kernel

import (
	"encoding/binary"
	"os"
)

// haveBF16 says whether the CPU has the instructions for bfloat16 (FEAT_BF16), by what the
// kernel tells each process; package cpu of x/sys does not. Where it cannot be read, there are none.
func haveBF16() bool {
	const hwcap2, bf16 = 26, 1 << 14 // AT_HWCAP2 and HWCAP2_BF16 of Linux
	auxv, err := os.ReadFile("/proc/self/auxv")
	if err != nil {
		return false
	}
	for ; len(auxv) >= 16; auxv = auxv[16:] {
		if binary.NativeEndian.Uint64(auxv) == hwcap2 {
			return binary.NativeEndian.Uint64(auxv[8:])&bf16 != 0
		}
	}
	return false
}
