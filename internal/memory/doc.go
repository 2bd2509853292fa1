// Package memory tells what this process holds.
package memory

// Process returns the bytes that this process holds now and has held at most; 0:
// this system does not tell.
func Process() (now, peak int64) { return process() }
