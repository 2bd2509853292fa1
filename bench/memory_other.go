//go:build !unix

package bench

// processMemory is not known here.
func processMemory() (now, peak int64) { return 0, 0 }
