package data

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"flowmatch/internal/atomicfile"
)

// FileError is a file that cannot be used: which, where in it, and what is wrong
// together with what would be right. Errors from the readers of this package are
// of this type, but for those of the operating system.
type FileError struct {
	Path    string
	Place   string // as a reader would look it up: `line 3, column "y"`; may be empty
	Problem string
}

// Error returns "data: path: place: problem".
func (e *FileError) Error() string {
	if e.Place == "" {
		return fmt.Sprintf("data: %s: %s", e.Path, e.Problem)
	}
	return fmt.Sprintf("data: %s: %s: %s", e.Path, e.Place, e.Problem)
}

// malformed makes a FileError without a place.
func malformed(path, format string, args ...any) error {
	return &FileError{Path: path, Problem: fmt.Sprintf(format, args...)}
}

// open opens a file for reading and undoes gzip, told by its first two bytes.
func open(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	buf := bufio.NewReaderSize(f, 1<<16)
	if magic, _ := buf.Peek(2); len(magic) < 2 || magic[0] != 0x1f || magic[1] != 0x8b {
		return file{buf, f}, nil
	}
	gz, err := gzip.NewReader(buf)
	if err != nil {
		f.Close()
		return nil, malformed(path, "not a gzip file after all: %v", err)
	}
	return file{gz, f}, nil
}

type file struct {
	io.Reader
	io.Closer
}

// extension returns the lower-case extension of path, looking through ".gz".
func extension(path string) string {
	path = strings.TrimSuffix(strings.ToLower(path), ".gz")
	return filepath.Ext(path)
}

// payload reads exactly want bytes and then the end of r. It trusts no header:
// memory grows with what the file holds, not with what it claims.
func payload(r io.Reader, path string, want int64, of string) ([]byte, error) {
	got, err := io.ReadAll(io.LimitReader(r, want))
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, malformed(path, "cannot be read: %v", err)
	}
	if n := int64(len(got)); n < want {
		return nil, malformed(path, "truncated: %d bytes after the header, want %d for %s; copy the file again", n, want, of)
	}
	n, err := io.ReadFull(r, make([]byte, 1))
	switch {
	case n > 0:
		return nil, malformed(path, "more bytes than the %d of %s; the header does not fit the file", want, of)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, malformed(path, "truncated: its gzip stream ends early; copy the file again")
	case err != io.EOF:
		return nil, malformed(path, "cannot be read: %v", err)
	}
	return got, nil
}

// volume returns the number of elements of a shape, and false when a dimension
// is negative or the bytes of all elements (size each) do not fit an int64.
func volume(shape []int, size int) (int64, bool) {
	n := int64(1)
	zero := false
	for _, d := range shape {
		switch {
		case d < 0:
			return 0, false
		case d == 0:
			zero = true
		case n > math.MaxInt64/int64(size)/int64(d):
			return 0, false
		default:
			n *= int64(d)
		}
	}
	if zero {
		return 0, true
	}
	return n, true
}

// writeFile replaces the file at path with what write writes, whole or not at all.
func writeFile(path string, write func(io.Writer) error) error {
	if err := atomicfile.WriteFile(path, write); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	return nil
}
