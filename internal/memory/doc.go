// Package memory reports what this process holds.
package memory

// Process returns the bytes that this process holds now and has held at most; 0:
// this system does not report it.
func Process() (now, peak int64) { return process() }
