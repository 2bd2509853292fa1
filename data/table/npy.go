package data

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"flowmatch/flow"
)

// array is a NumPy array as the file holds it. Read here rather than with
// npyio, which takes a file that ends early for one full of zeros.
type array struct {
	dtype   string // such as <f8: byte order, kind, bytes
	order   binary.ByteOrder
	fortran bool
	shape   []int
	raw     []byte
}

// The header is a Python dictionary of three entries in any order.
var (
	npyDescr = regexp.MustCompile(`'descr':\s*'([^']*)'`)
	npyOrder = regexp.MustCompile(`'fortran_order':\s*(True|False)`)
	npyShape = regexp.MustCompile(`'shape':\s*\(([0-9,\s]*)\)`)
)

func readNPY(path string) (*array, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return decodeNPY(f, path)
}

// decodeNPY reads an array of format version 1, 2 or 3.
func decodeNPY(r io.Reader, path string) (*array, error) {
	header, err := npyHeader(r, path)
	if err != nil {
		return nil, err
	}
	descr, order, dims := npyDescr.FindStringSubmatch(header), npyOrder.FindStringSubmatch(header), npyShape.FindStringSubmatch(header)
	if descr == nil || order == nil || dims == nil {
		return nil, malformed(path, "NPY header %q; want descr, fortran_order and shape of a plain array", strings.TrimSpace(header))
	}
	a := &array{dtype: descr[1], order: binary.LittleEndian, fortran: order[1] == "True"}
	if strings.HasPrefix(a.dtype, ">") {
		a.order = binary.BigEndian
	}
	for _, field := range strings.Split(dims[1], ",") {
		if field = strings.TrimSpace(field); field == "" {
			continue // the comma behind the last
		}
		n, err := strconv.Atoi(field)
		if err != nil {
			return nil, malformed(path, "NPY shape (%s) is too large", dims[1])
		}
		a.shape = append(a.shape, n)
	}
	size := a.size()
	if size == 0 {
		return nil, malformed(path, "NPY elements are of type %q; want floats of 4 or 8 bytes or integers, such as <f8 or <i4", a.dtype)
	}
	n, ok := volume(a.shape, size)
	if !ok {
		return nil, malformed(path, "NPY shape (%s) is too large", dims[1])
	}
	a.raw, err = payload(r, path, n*int64(size), fmt.Sprintf("shape (%s) of %s", strings.TrimSpace(dims[1]), a.dtype))
	return a, err
}

func npyHeader(r io.Reader, path string) (string, error) {
	var start [8]byte
	if _, err := io.ReadFull(r, start[:]); err != nil || string(start[:6]) != "\x93NUMPY" {
		return "", malformed(path, "not an NPY file: it does not begin with \\x93NUMPY")
	}
	width := 4
	switch start[6] {
	case 1:
		width = 2
	case 2, 3:
	default:
		return "", malformed(path, "NPY format version %d; want 1, 2 or 3", start[6])
	}
	var length [4]byte
	if _, err := io.ReadFull(r, length[:width]); err != nil {
		return "", malformed(path, "truncated within the NPY header")
	}
	n := int64(binary.LittleEndian.Uint32(length[:]))
	header, err := io.ReadAll(io.LimitReader(r, n))
	if err != nil || int64(len(header)) < n {
		return "", malformed(path, "truncated within the NPY header: %d of %d bytes", len(header), n)
	}
	return string(header), nil
}

// size returns the bytes of an element, 0 for types that are not read.
func (a *array) size() int {
	if len(a.dtype) != 3 || !strings.Contains("<>|=", a.dtype[:1]) {
		return 0
	}
	switch a.dtype[1:] {
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

// at returns element i, in the order of the file.
func (a *array) at(i int) float64 {
	switch a.dtype[1:] {
	case "i1":
		return float64(int8(a.raw[i]))
	case "u1":
		return float64(a.raw[i])
	case "i2":
		return float64(int16(a.order.Uint16(a.raw[2*i:])))
	case "u2":
		return float64(a.order.Uint16(a.raw[2*i:]))
	case "i4":
		return float64(int32(a.order.Uint32(a.raw[4*i:])))
	case "u4":
		return float64(a.order.Uint32(a.raw[4*i:]))
	case "f4":
		return float64(math.Float32frombits(a.order.Uint32(a.raw[4*i:])))
	case "i8":
		return float64(int64(a.order.Uint64(a.raw[8*i:])))
	case "u8":
		return float64(a.order.Uint64(a.raw[8*i:]))
	default: // f8: size has refused all else
		return math.Float64frombits(a.order.Uint64(a.raw[8*i:]))
	}
}

// readNPYTable reads an array of 1 axis (one column) or 2.
func readNPYTable(path string, opts TableOptions) (Table, error) {
	a, err := readNPY(path)
	if err != nil {
		return Table{}, err
	}
	return a.table(path, opts)
}

func (a *array) table(path string, opts TableOptions) (Table, error) {
	if len(a.shape) != 1 && len(a.shape) != 2 {
		return Table{}, malformed(path, "array of shape %v; a table has 1 or 2 axes (for images say kind: images)", a.shape)
	}
	n, d := a.shape[0], 1
	if len(a.shape) == 2 {
		d = a.shape[1]
	}
	if n == 0 || d == 0 {
		return Table{}, malformed(path, "array of shape %v has no numbers", a.shape)
	}
	names := numbered(d)
	chosen, err := choose(path, names, opts)
	if err != nil {
		return Table{}, err
	}
	x := make([]float64, 0, n*len(chosen))
	for i := range n {
		for _, c := range chosen {
			if a.fortran {
				x = append(x, a.at(c*n+i))
			} else {
				x = append(x, a.at(i*d+c))
			}
		}
	}
	return assemble(path, names, chosen, opts, x, rowPlace)
}

// rowPlace names row i of a file without lines, counted from 1.
func rowPlace(i int) string { return fmt.Sprintf("row %d", i+1) }

// EncodeNPY writes x as a NumPy array of shape (N, D), float64 in C order,
// format version 1.
func EncodeNPY(w io.Writer, x flow.Batch) error {
	header := fmt.Sprintf("{'descr': '<f8', 'fortran_order': False, 'shape': (%d, %d), }", x.N, x.D)
	// The data start at a multiple of 64 bytes: 10 come before the header, and a
	// line feed ends it.
	header += strings.Repeat(" ", 63-(10+len(header))%64) + "\n"
	var b bytes.Buffer
	b.WriteString("\x93NUMPY\x01\x00")
	binary.Write(&b, binary.LittleEndian, uint16(len(header)))
	b.WriteString(header)
	if _, err := w.Write(b.Bytes()); err != nil {
		return err
	}
	return binary.Write(w, binary.LittleEndian, x.X[:x.N*x.D])
}

// WriteNPY writes x to a file as [EncodeNPY] does. The file appears whole or not
// at all: an existing one is replaced at the end.
func WriteNPY(path string, x flow.Batch) error {
	return writeFile(path, func(w io.Writer) error { return EncodeNPY(w, x) })
}
