//go:build !amd64 && !arm64

package kernel

// assembly does nothing: there is only the portable level.
func assembly(*Vector) {}
