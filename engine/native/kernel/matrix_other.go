//go:build !amd64 && !arm64

package kernel

func assemblyMatrix(Level) *Matrix { return portableMatrix() }
