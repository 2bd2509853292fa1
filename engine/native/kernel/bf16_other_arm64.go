//go:build !linux && !darwin

package kernel

// haveBF16 says that the CPU has no instructions for bfloat16: this system does not tell.
func haveBF16() bool { return false }
