// Package files opens files of data, and words the errors of files that cannot be used.
package files

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"flowmatch/data"
	"flowmatch/internal/atomicfile"
	"flowmatch/internal/memory"
)

// Malformed makes a [data.FileError] about a file as a whole.
func Malformed(path, format string, args ...any) error {
	return &data.FileError{Path: path, Problem: fmt.Sprintf(format, args...)}
}

// MalformedAt is [Malformed] about one place in the file: a line, a row, an entry.
func MalformedAt(path, where, format string, args ...any) error {
	return &data.FileError{Path: path, Where: where, Problem: fmt.Sprintf(format, args...)}
}

// Unreadable is the error of a file that could be opened and cannot be read.
func Unreadable(path string, err error) error {
	if _, said := errors.AsType[*data.FileError](err); said {
		return err
	}
	return Malformed(path, "cannot be read: %v", err)
}

// MaxClasses bounds class labels, so that a column of identifiers taken for
// labels is noticed before a network with a row for each is built.
const MaxClasses = 1 << 16

// Label returns v as a class label, or says why it is none.
func Label(v float64) (int32, error) {
	if v != math.Trunc(v) || v < 0 || v >= MaxClasses {
		return 0, fmt.Errorf("%s is not a class label; want a whole number from 0 to %d",
			strconv.FormatFloat(v, 'f', -1, 64), MaxClasses-1)
	}
	return int32(v), nil
}

// Row names row i of a file without lines, counted from 1.
func Row(i int) string { return fmt.Sprintf("row %d", i+1) }

// OpenSized is [OpenFile] with the size of the file in bytes.
func OpenSized(path string) (f *os.File, size int64, err error) {
	if f, err = OpenFile(path); err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("data: %w", err), f.Close())
	}
	return f, info.Size(), nil
}

// OpenFile opens a file for reading; not a folder, a pipe, a socket or a device.
func OpenFile(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	if err := CheckRegular(path, info.Mode()); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	return f, nil
}

// CheckRegular reports what is no file with an end: a folder, a device or a pipe.
func CheckRegular(path string, mode fs.FileMode) error {
	if what := atomicfile.Irregular(mode); what != "" {
		return Malformed(path, "is %s; want a file", what)
	}
	return nil
}

// Open opens a file for reading and undoes gzip and bzip2, which it knows by the first bytes.
func Open(path string) (io.ReadCloser, error) {
	f, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	in := &Counter{R: f}
	buf := bufio.NewReaderSize(in, 1<<16)
	switch magic, _ := buf.Peek(4); {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		gz, err := gzip.NewReader(buf)
		if err != nil {
			f.Close()
			return nil, Malformed(path, "not a gzip file after all: %v", err)
		}
		return file{&unzipped{path, gz, in, 0}, f}, nil
	case len(magic) == 4 && string(magic[:3]) == "BZh" && '1' <= magic[3] && magic[3] <= '9':
		return file{&unzipped{path, bzip2.NewReader(buf), in, 0}, f}, nil
	}
	return file{buf, f}, nil
}

type file struct {
	io.Reader
	io.Closer
}

// Counter counts the bytes that are read of another reader.
type Counter struct {
	R io.Reader
	N int64 // bytes so far
}

// Read implements [io.Reader].
func (c *Counter) Read(b []byte) (int, error) {
	n, err := c.R.Read(b)
	c.N += int64(n)
	return n, err
}

// A compressed file may expand to expandFree bytes, and beyond that by expandMost: tables and
// images do by 2 to 50, and 1 MB made to fill the memory by 1000.
const expandFree, expandMost = 32 << 20, 80

// unzipped is what a compressed file holds, as long as that is in proportion to it.
type unzipped struct {
	path string
	r    io.Reader
	from *Counter
	n    int64
}

func (u *unzipped) Read(b []byte) (int, error) {
	n, err := u.r.Read(b)
	if u.n += int64(n); u.n > expandFree+expandMost*u.from.N {
		return 0, Malformed(u.path, "%d bytes of it are %d bytes uncompressed, more than %d times as many; "+
			"if this is right, uncompress the file and give that", u.from.N, u.n, expandMost)
	}
	return n, err
}

// Extension returns the lower-case extension of path, looking through ".gz" and ".bz2".
func Extension(path string) string {
	path = strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(path), ".gz"), ".bz2")
	return filepath.Ext(path)
}

// payloadCopies is how often a payload is in memory while it grows.
const payloadCopies = 3

// Payload reads exactly want bytes and then the end of r. It trusts no header:
// memory grows with what the file holds, not with what it claims, and what it holds may be
// more than there is memory for, if it is packed.
func Payload(r io.Reader, path string, want int64, of string) ([]byte, error) {
	fits := want
	if left, ok := memory.Available(); ok {
		fits = min(want, left/payloadCopies)
	}
	return payload(r, path, want, of, fits)
}

// payload is Payload where at first so many bytes fit the memory.
func payload(r io.Reader, path string, want int64, of string, fits int64) ([]byte, error) {
	got, err := io.ReadAll(io.LimitReader(r, fits))
	if fits < want && int64(len(got)) == fits && err == nil {
		if err := memory.Check(of, payloadCopies*float64(want)); err != nil {
			return nil, Malformed(path, "%v", err)
		}
		var rest []byte // memory has become free since
		rest, err = io.ReadAll(io.LimitReader(r, want-fits))
		got = append(got, rest...)
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, Unreadable(path, err)
	}
	if n := int64(len(got)); n < want {
		return nil, Malformed(path, "truncated: %d bytes after the header, want %d for %s; copy the file again",
			n, want, of)
	}
	n, err := io.ReadFull(r, make([]byte, 1))
	switch {
	case n > 0:
		return nil, Malformed(path, "more bytes than the %d of %s; the header does not fit the file", want, of)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, Malformed(path, "truncated: its compressed stream ends early; copy the file again")
	case err != io.EOF:
		return nil, Unreadable(path, err)
	}
	return got, nil
}

// Volume returns the number of elements of a shape, and false when a dimension
// is negative or the bytes of all elements (size each) do not fit an int64.
func Volume(shape []int, size int) (int64, bool) {
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

// Write replaces the file at path with what write writes, whole or not at all.
func Write(path string, write func(io.Writer) error) error {
	if err := atomicfile.WriteFile(path, write); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	return nil
}

// Numbered returns the names c0, c1, ... of n columns that have none.
func Numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("c%d", i)
	}
	return names
}
