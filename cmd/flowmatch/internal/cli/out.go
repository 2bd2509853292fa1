package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"flowmatch/data"
	"flowmatch/data/dataset"
	"flowmatch/run"
)

// inFolder reports a file of --out that cannot be written, for its folder is not there, or that
// must not be, for it is one of the inputs or belongs to a run: before the work that it is to
// hold.
func inFolder(file string, inputs ...string) error {
	dir := filepath.Dir(file)
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("--out %q: no such folder: %q; make it first", file, dir)
	case err != nil:
		return fmt.Errorf("--out %q: %w", file, err)
	case !info.IsDir():
		return fmt.Errorf("--out %q: %q is a file, not a folder", file, dir)
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return fmt.Errorf("--out %q is a folder; give the name of a file", file)
	}
	if run.Owns(file) {
		return usagef("--out %q is a file of the run in that folder; give another name", file)
	}
	for _, in := range inputs {
		if in != "" && (dataset.Config{Path: in, Kind: data.KindFolder}).Reads(file) != "" {
			return usagef("--out %q would replace %q, which is read; give another name", file, in)
		}
	}
	return nil
}

// sparesData reports a file of --out that would change the data that a run is trained on.
func sparesData(file string, c run.Config) error {
	if in := c.Data.Reads(file); in != "" {
		return usagef("--out %q would change the data in %q; give another name", file, in)
	}
	return nil
}
