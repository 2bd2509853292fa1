package machine

//go:generate go run ./gen -out cpuid_amd64.s

// cpuid asks the CPU.
func cpuid(leaf, sub uint32) (a, b, c, d uint32)

// fromCPU is what the CPU tells of itself.
func fromCPU() []Model { return []Model{readCPUID(cpuid)} }

// FastPairs says whether the instruction for pairs of bfloat16, VDPBF16PS, does more than that for floats. On AMD it
// does twice the work; on Intel (Sapphire Rapids) half, 89 GFLOP/s where that for floats does 178.
func FastPairs() bool { return isAMD(cpuid) }

// xgetbv asks for the states of registers that the system keeps (XCR0).
func xgetbv() (a, d uint32)
