//go:build !amd64

package kernel

// assemblyDoubles are the products of a level in assembly: there are none.
func assemblyDoubles(Level) *Doubles { return nil }
