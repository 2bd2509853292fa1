package machine

//go:generate go run ./gen -out cpuid_amd64.s

// cpuid asks the CPU.
func cpuid(leaf, sub uint32) (a, b, c, d uint32)

// fromCPU is what the CPU tells of itself.
func fromCPU() []Model { return []Model{readCPUID(cpuid)} }
