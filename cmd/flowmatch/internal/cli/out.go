package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"flowmatch/data"
	"flowmatch/data/dataset"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
	"flowmatch/run"
)

// inFolder reports what writable does of a file of --out.
func inFolder(file string, inputs ...string) error { return writable("--out", file, inputs...) }

// writable reports a file of a flag that cannot be written, for its folder is not there or takes
// no files or its name is too long, or that must not be, for it is one of the inputs or belongs to
// a run: before the work that it is to hold.
func writable(flag, file string, inputs ...string) error {
	dir := filepath.Dir(file)
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s %q: no such folder: %q; make it first", flag, file, dir)
	case err != nil:
		return fmt.Errorf("%s %q: %w", flag, file, err)
	case !info.IsDir():
		return fmt.Errorf("%s %q: %q is a file, not a folder", flag, file, dir)
	}
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return fmt.Errorf("%s %q is a folder; give the name of a file", flag, file)
	}
	if run.Owns(file) {
		return usagef("%s %q is a file of the run in that folder; give another name", flag, file)
	}
	for _, in := range inputs {
		if in != "" && (dataset.Config{Path: in, Kind: data.KindFolder}).Reads(file) != "" {
			return usagef("%s %q would replace %q, which is read; give another name", flag, file, in)
		}
	}
	if err := atomicfile.Check(file); err != nil {
		cause := err
		if at, ok := errors.AsType[*fs.PathError](err); ok {
			cause = at.Err // without the name of a file that is made for a try
		}
		return fmt.Errorf("%s %q cannot be written: %w; give another name or folder", flag, choice.Cut(file), cause)
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
