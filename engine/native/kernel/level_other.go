//go:build !amd64 && !arm64

package kernel

// assemblyLevels are those with kernels in assembly: none.
func assemblyLevels() []Level { return nil }
