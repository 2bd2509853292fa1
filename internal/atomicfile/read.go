package atomicfile

import (
	"errors"
	"io/fs"
	"os"
)

// Irregular names what is no file with an end: a folder, a pipe, a socket or a device, as "a
// pipe"; "" of a file. Opening a pipe waits until somebody writes into it, maybe for ever, and
// what is read of it cannot be read again.
func Irregular(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return ""
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// Open opens a file for reading. What is no file is an error, also where a link leads to it:
// see [Irregular].
func Open(path string) (*os.File, error) {
	if err := regular(path); err != nil {
		return nil, err
	}
	return os.Open(path)
}

// Read returns the content of a file, which it opens as [Open] does.
func Read(path string) ([]byte, error) {
	if err := regular(path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

func regular(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if what := Irregular(info.Mode()); what != "" {
		return &fs.PathError{Op: "open", Path: path, Err: errors.New("is " + what + "; want a file")}
	}
	return nil
}
