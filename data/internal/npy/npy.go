// Package npy reads NumPy arrays.
package npy

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"flowmatch/data/internal/files"
	"flowmatch/internal/choice"
)

// Array is a NumPy array as the file holds it. Read here rather than with
// npyio, which takes a file that ends early for one full of zeros.
type Array struct {
	DType   string // such as <f8: byte order, kind, bytes
	Fortran bool   // columns are stored one after the other
	Shape   []int
	Raw     []byte

	order binary.ByteOrder
}

// The header is a Python dictionary of three entries in any order.
var (
	descrRE = regexp.MustCompile(`'descr':\s*'([^']*)'`)
	orderRE = regexp.MustCompile(`'fortran_order':\s*(True|False)`)
	shapeRE = regexp.MustCompile(`'shape':\s*\(([0-9,\s]*)\)`)
)

// Read reads an array from a file, gzipped or plain.
func Read(path string) (*Array, error) {
	f, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Decode(f, path)
}

// Decode reads an array of format version 1, 2 or 3; path is for the errors.
func Decode(r io.Reader, path string) (*Array, error) {
	a, err := Header(r, path)
	if err != nil {
		return nil, err
	}
	shape := choice.Cut("(" + strings.ReplaceAll(strings.Trim(fmt.Sprint(a.Shape), "[]"), " ", ", ") + ")")
	n, ok := files.Volume(a.Shape, a.Size())
	if !ok {
		return nil, files.Malformed(path, "NPY shape %s is too large", shape)
	}
	a.Raw, err = files.Payload(r, path, n*int64(a.Size()), fmt.Sprintf("shape %s of %s", shape, a.DType))
	return a, err
}

// Header reads what comes before the elements of an array.
func Header(r io.Reader, path string) (*Array, error) {
	text, err := header(r, path)
	if err != nil {
		return nil, err
	}
	descr, order := descrRE.FindStringSubmatch(text), orderRE.FindStringSubmatch(text)
	dims := shapeRE.FindStringSubmatch(text)
	if descr == nil || order == nil || dims == nil {
		return nil, files.Malformed(path, "NPY header %s; want descr, fortran_order and shape of a plain array",
			choice.Quote(strings.TrimSpace(text)))
	}
	a := &Array{DType: descr[1], order: binary.LittleEndian, Fortran: order[1] == "True"}
	if strings.HasPrefix(a.DType, ">") {
		a.order = binary.BigEndian
	}
	for _, field := range strings.Split(dims[1], ",") {
		if field = strings.TrimSpace(field); field == "" {
			continue // the comma behind the last
		}
		n, err := strconv.Atoi(field)
		if err != nil {
			return nil, files.Malformed(path, "NPY shape (%s) is too large", choice.Cut(dims[1]))
		}
		a.Shape = append(a.Shape, n)
	}
	if a.Size() == 0 {
		return nil, files.Malformed(path,
			"NPY elements are of type %s; want floats of 4 or 8 bytes or integers, such as <f8 or <i4",
			choice.Quote(a.DType))
	}
	return a, nil
}

// maxHeader bounds the bytes of a header: one of a plain array has 128.
const maxHeader = 1 << 16

func header(r io.Reader, path string) (string, error) {
	var start [8]byte
	if _, err := io.ReadFull(r, start[:]); err != nil || string(start[:6]) != "\x93NUMPY" {
		return "", files.Malformed(path, "not an NPY file: it does not begin with \\x93NUMPY")
	}
	width := 4
	switch start[6] {
	case 1:
		width = 2
	case 2, 3:
	default:
		return "", files.Malformed(path, "NPY format version %d; want 1, 2 or 3", start[6])
	}
	var length [4]byte
	if _, err := io.ReadFull(r, length[:width]); err != nil {
		return "", files.Malformed(path, "truncated within the NPY header")
	}
	n := int64(binary.LittleEndian.Uint32(length[:]))
	if n > maxHeader {
		return "", files.Malformed(path, "an NPY header of %d bytes; want at most %d", n, maxHeader)
	}
	header, err := io.ReadAll(io.LimitReader(r, n))
	if err != nil || int64(len(header)) < n {
		return "", files.Malformed(path, "truncated within the NPY header: %d of %d bytes", len(header), n)
	}
	return string(header), nil
}

// Size returns the bytes of an element, 0 for types that are not read.
func (a *Array) Size() int {
	if len(a.DType) != 3 || !strings.Contains("<>|=", a.DType[:1]) {
		return 0
	}
	switch a.DType[1:] {
	case "i1", "u1":
		return 1
	case "i2", "u2":
		return 2
	case "i4", "u4", "f4":
		return 4
	case "i8", "u8", "f8":
		return 8
	}
	return 0
}

// LittleEndian says whether the bytes of an element are in the order of the usual processors.
func (a *Array) LittleEndian() bool { return a.order == binary.LittleEndian }

// Whole says whether the elements are whole numbers.
func (a *Array) Whole() bool { return a.DType[1] != 'f' }

// At returns element i, in the order of the file.
func (a *Array) At(i int) float64 {
	switch a.DType[1:] {
	case "i1":
		return float64(int8(a.Raw[i]))
	case "u1":
		return float64(a.Raw[i])
	case "i2":
		return float64(int16(a.order.Uint16(a.Raw[2*i:])))
	case "u2":
		return float64(a.order.Uint16(a.Raw[2*i:]))
	case "i4":
		return float64(int32(a.order.Uint32(a.Raw[4*i:])))
	case "u4":
		return float64(a.order.Uint32(a.Raw[4*i:]))
	case "f4":
		return float64(math.Float32frombits(a.order.Uint32(a.Raw[4*i:])))
	case "i8":
		return float64(int64(a.order.Uint64(a.Raw[8*i:])))
	case "u8":
		return float64(a.order.Uint64(a.Raw[8*i:]))
	default: // f8: Size has refused all else
		return math.Float64frombits(a.order.Uint64(a.Raw[8*i:]))
	}
}
