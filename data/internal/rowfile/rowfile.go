// Package rowfile reads rows of numbers by their places in a file, which stays where it is.
package rowfile

import (
	"encoding/binary"
	"io"
	"math"
	"slices"
	"sync"

	"flowmatch/data/internal/files"
)

// File is rows of floats, one after the other, little-endian. It is safe for concurrent use.
type File struct {
	R     io.ReaderAt
	Path  string // for errors
	At    int64  // where the first number is
	N     int    // rows
	Width int    // numbers of a row
	Elem  int    // bytes of a number, 4 or 8
	// Columns are those that are read, in this order; nil: all.
	Columns []int
}

// Dim returns how many numbers of a row are read.
func (f *File) Dim() int {
	if f.Columns == nil {
		return f.Width
	}
	return len(f.Columns)
}

// Rows that lie within so many bytes of each other are read together, in pieces up to another size.
const near, piece = 8 << 10, 1 << 20

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Read writes the rows index, [len(index), Dim()], into dst, in any order.
func (f *File) Read(dst []float64, index []int) error {
	order := make([]int, len(index))
	for k := range order {
		order[k] = k
	}
	if !slices.IsSorted(index) {
		slices.SortFunc(order, func(a, b int) int { return index[a] - index[b] })
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	size := f.Width * f.Elem
	for from := 0; from < len(order); {
		first := index[order[from]]
		to, last := from+1, first
		for ; to < len(order); to++ {
			next := index[order[to]]
			if (next-last-1)*size > near || (next-first+1)*size > piece {
				break
			}
			last = next
		}
		bytes := (last - first + 1) * size
		*buf = slices.Grow((*buf)[:0], bytes)[:bytes]
		if err := f.fetch(*buf, first); err != nil {
			return err
		}
		for _, k := range order[from:to] {
			f.decode(dst[k*f.Dim():(k+1)*f.Dim()], (*buf)[(index[k]-first)*size:])
		}
		from = to
	}
	return nil
}

// fetch reads the bytes of rows from first on.
func (f *File) fetch(b []byte, first int) error {
	n, err := f.R.ReadAt(b, f.At+int64(first)*int64(f.Width*f.Elem))
	switch {
	case n == len(b):
		return nil
	case err == io.EOF:
		return files.Malformed(f.Path, "ends within %s: it has changed since it was opened; run the command again",
			files.Row(first+n/(f.Width*f.Elem)))
	}
	return files.Unreadable(f.Path, err)
}

// decode writes the numbers of a row into dst.
func (f *File) decode(dst []float64, b []byte) {
	for k := range dst {
		c := k
		if f.Columns != nil {
			c = f.Columns[k]
		}
		if f.Elem == 4 {
			dst[k] = float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*c:])))
			continue
		}
		dst[k] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*c:]))
	}
}

// Check reports a number that is not finite, of rows [len(index), Dim()] that [File.Read] has read: files are
// looked at when they are opened.
func (f *File) Check(x []float64, index []int) error {
	for i, v := range x {
		if v-v != 0 {
			return files.Malformed(f.Path, "%s has a number that is not finite (%g): it has changed since it was "+
				"opened; run the command again", files.Row(index[i/f.Dim()]), v)
		}
	}
	return nil
}

// Size returns the bytes of the rows.
func (f *File) Size() int64 { return int64(f.N) * int64(f.Width*f.Elem) }
