//go:build !amd64

package kernel

func assemblyMatrix(Level) *Matrix { return portableMatrix() }
