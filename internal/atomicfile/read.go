package atomicfile

import (
	"errors"
	"io/fs"
	"os"
)

// Read returns the content of a regular file. A device or a pipe, which may have no end, is an
// error, also where a link leads to it.
func Read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode()&(fs.ModeDevice|fs.ModeNamedPipe|fs.ModeSocket) != 0 {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("it is a device or a pipe, not a file")}
	}
	return os.ReadFile(path)
}
