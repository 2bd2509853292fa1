//go:build !(linux && amd64)

package machine

import "errors"

// tiles is an error: kernels use them on Linux only, where it was tested that signals leave them alone.
func tiles() error { return errors.New("tiles of AMX are used on Linux on amd64 only") }
