//go:build xla

package nn

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/go-xla/compute/xla"
	"github.com/gomlx/go-xla/pjrt"
)

// openXLA opens XLA through the PJRT plugin at path or, when path is empty,
// the one that scripts/setup-xla.sh has put in the user's data folder.
func openXLA(config string) (compute.Backend, error) {
	path, rest, found := strings.Cut(config, ",")
	options := pjrt.NamedValuesMap{}
	if found {
		number, isDevices := strings.CutPrefix(rest, "devices=")
		n, err := strconv.Atoi(number)
		if !isDevices || err != nil || n < 1 {
			return nil, fmt.Errorf("nn: option %q of xla; it must be devices=n", rest)
		}
		options["cpu_device_count"] = int64(n)
	}
	if path == "" {
		var err error
		if path, err = installedPlugin(); err != nil {
			return nil, err
		}
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%w: PJRT plugin: %v; run scripts/setup-xla.sh", ErrNoBackend, err)
	}
	xla.EnableAutoInstall(false) // never reach for the network behind the user's back
	b, err := xla.NewWithOptions(path, options)
	if err != nil {
		return nil, fmt.Errorf("%w: loading PJRT plugin %s: %v", ErrNoBackend, path, err)
	}
	return b, nil
}

// installedPlugin returns the best plugin there: a GPU's before the CPU's.
func installedPlugin() (string, error) {
	dir, err := pluginDir()
	if err != nil {
		return "", err
	}
	for _, name := range []string{"cuda", "cpu"} {
		p := filepath.Join(dir, "pjrt_"+name+".so")
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf(
		"%w: no PJRT plugin in %s; run scripts/setup-xla.sh, or name one as in xla:/path/to/plugin.so",
		ErrNoBackend, dir)
}

func pluginDir() (string, error) {
	if d := os.Getenv("XDG_DATA_HOME"); d != "" {
		return filepath.Join(d, "flowmatch"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("nn: no home folder on %s: %w", runtime.GOOS, err)
	}
	return filepath.Join(home, ".local", "share", "flowmatch"), nil
}
