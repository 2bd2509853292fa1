package image

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"flowmatch/data/internal/files"
	"flowmatch/internal/choice"
)

// ReadIDX reads an IDX file of unsigned bytes, the format of MNIST, gzipped or
// plain: a magic number 0 0 8 n, then n dimensions as big-endian uint32, then the
// bytes, last dimension fastest. It returns the dimensions and the bytes. Another
// magic number, a file that ends early and one that goes on too long are
// a [data.FileError].
func ReadIDX(path string) (shape []int, pixels []byte, err error) {
	f, err := files.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	return decodeIDX(f, path)
}

func decodeIDX(r io.Reader, path string) ([]int, []byte, error) {
	shape, size, err := headIDX(r, path)
	if err != nil {
		return nil, nil, err
	}
	pix, err := files.Payload(r, path, size, "shape "+choice.Cut(fmt.Sprint(shape)))
	return shape, pix, err
}

// headIDX reads what comes before the bytes: their dimensions, and how many there are.
func headIDX(r io.Reader, path string) ([]int, int64, error) {
	var magic [4]byte
	if n, err := io.ReadFull(r, magic[:]); err != nil {
		return nil, 0, files.Malformed(path, "truncated: %d bytes, not even the 4 of the magic number", n)
	}
	if magic[0] != 0 || magic[1] != 0 {
		return nil, 0, files.Malformed(path,
			"magic number % x is not that of an IDX file; want 00 00 08 and the number of dimensions", magic)
	}
	if magic[2] != 8 {
		return nil, 0, files.Malformed(path, "IDX element type 0x%02x; only 0x08, unsigned bytes, is read", magic[2])
	}
	if magic[3] == 0 {
		return nil, 0, files.Malformed(path, "IDX file of 0 dimensions; want at least 1")
	}
	dims := make([]byte, 4*int(magic[3]))
	if n, err := io.ReadFull(r, dims); err != nil {
		return nil, 0, files.Malformed(path, "truncated: %d of the %d bytes of the dimensions", n, len(dims))
	}
	shape := make([]int, magic[3])
	for i := range shape {
		d := binary.BigEndian.Uint32(dims[4*i:])
		if d > math.MaxInt32 {
			return nil, 0, files.Malformed(path, "IDX dimension %d is %d; want below 2^31", i, d)
		}
		shape[i] = int(d)
	}
	size, ok := files.Volume(shape, 1)
	if !ok {
		return nil, 0, files.Malformed(path, "IDX shape %s is too large", choice.Cut(fmt.Sprint(shape)))
	}
	return shape, size, nil
}

// readIDXLabels reads n class labels.
func readIDXLabels(path string, n int) ([]int32, error) {
	shape, b, err := ReadIDX(path)
	if err != nil {
		return nil, err
	}
	if len(shape) != 1 || shape[0] != n {
		return nil, files.Malformed(path, "labels of shape %v for %d images; want shape [%d]", shape, n, n)
	}
	label := make([]int32, n)
	for i, v := range b {
		label[i] = int32(v)
	}
	return label, nil
}
