//go:build !linux

package native

import "unsafe"

// inHugePages does nothing: this system has no such advice.
func inHugePages(unsafe.Pointer, int) {}
