package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"flowmatch/internal/memory"
)

// ErrNoRoom is returned for a file that its disk does not hold.
var ErrNoRoom = errors.New("more than the disk has free")

// Fits reports that a file which is to be written to path, of so many bytes, is larger than what its disk has
// free: [ErrNoRoom]. nil: there is room now, or it is not known, or path is no regular file.
func Fits(path string, bytes float64) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	free, ok := freeOf(filepath.Dir(path))
	if !ok || bytes <= float64(free) {
		return nil
	}
	return fmt.Errorf("it would take %s, which is %w: %s", memory.Size(bytes), ErrNoRoom, memory.Size(float64(free)))
}
