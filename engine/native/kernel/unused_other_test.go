//go:build !amd64

package kernel

// unusedPairs are products of pairs that this CPU has, and that the table m does not use by itself: none.
func unusedPairs(*Matrix) *pairMatrix { return nil }
