package native

import (
	"testing"

	"github.com/gomlx/compute/support/backendtest"

	"flowmatch/engine/native/kernel"
)

// backends returns a backend for each set of instructions that this CPU has.
func backends(t testing.TB) map[string]*Backend {
	t.Helper()
	out := map[string]*Backend{}
	for _, l := range kernel.Levels() {
		b, err := newAt(l, Options{Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Finalize)
		out[l.String()] = b
	}
	return out
}

// TestCompliance runs the suite that GoMLX has for its backends.
func TestCompliance(t *testing.T) {
	for name, b := range backends(t) {
		t.Run(name, func(t *testing.T) { backendtest.RunAll(t, b, nil) })
	}
}
