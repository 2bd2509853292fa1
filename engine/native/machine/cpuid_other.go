//go:build !amd64

package machine

// fromCPU is nothing: a program cannot ask other CPUs.
func fromCPU() []Model { return nil }
