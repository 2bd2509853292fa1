//go:build !linux

package machine

import "unsafe"

// InHugePages does nothing: this system has no such advice.
func InHugePages(unsafe.Pointer, int) {}
