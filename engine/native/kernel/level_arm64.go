package kernel

// assemblyLevels are those with kernels in assembly that this CPU has: Go runs on no arm64
// without NEON.
func assemblyLevels() []Level { return []Level{NEON} }
