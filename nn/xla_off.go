//go:build !xla

package nn

import (
	"fmt"

	"github.com/gomlx/compute"
)

// openXLA returns the error that says why this binary has no XLA: it needs cgo, which the
// default build must not.
func openXLA(string) (compute.Backend, error) {
	return nil, fmt.Errorf("%w: this binary was built without XLA; "+
		"run scripts/setup-xla.sh, which fetches the plugin and builds a flowmatch with -tags xla", ErrNoBackend)
}
