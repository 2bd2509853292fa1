package dataset

import (
	"os"
	"path/filepath"
	"strings"

	"flowmatch/data"
)

// Reads returns which path of the data a file is, or of which folder of pictures it lies in, at
// any depth: to write it would change the data. "" says that it is none of theirs. Links are
// followed; file may be yet to be made, or a folder.
func (c Config) Reads(file string) string {
	for _, in := range c.Files() {
		of, err := os.Stat(in)
		if err != nil {
			continue
		}
		if is, err := os.Stat(file); err == nil && os.SameFile(is, of) {
			return in
		}
		if of.IsDir() && c.ResolvedKind() == data.KindFolder && liesIn(resolved(file), resolved(in)) {
			return in
		}
	}
	return ""
}

// resolved returns the path of a file without links, as far as there is something of it.
func resolved(file string) string {
	abs, err := filepath.Abs(file)
	if err != nil {
		return file
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real
	}
	if parent := filepath.Dir(abs); parent != abs {
		return filepath.Join(resolved(parent), filepath.Base(abs))
	}
	return abs
}

// liesIn says whether a path is below that of a folder.
func liesIn(file, dir string) bool {
	rel, err := filepath.Rel(dir, file)
	return err == nil && rel != "." && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
