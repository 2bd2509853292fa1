package table

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"flowmatch/data/internal/files"
	"flowmatch/data/internal/npy"
	"flowmatch/flow"
	"flowmatch/internal/choice"
)

// readNPYTable reads an array of 1 axis (one column) or 2.
func readNPYTable(path string, opts Options) (Table, error) {
	a, err := npy.Read(path)
	if err != nil {
		return Table{}, err
	}
	rest, err := reshape(a, path, opts)
	if err != nil {
		return Table{}, err
	}
	t, err := fromArray(a, path, opts)
	t.Shape = rest
	return t, err
}

// reshape makes an array one of rows, where the options ask for it, and returns the shape of a row of several
// axes.
func reshape(a *npy.Array, path string, opts Options) (rest []int, err error) {
	if opts.Shape != nil {
		if err := flatten(a, path, opts.Shape); err != nil {
			return nil, err
		}
	}
	if !opts.Flat || len(a.Shape) <= 2 {
		return nil, nil
	}
	if a.Fortran {
		return nil, files.Malformed(path, "array of shape %v in Fortran order; want C order", a.Shape)
	}
	d, ok := files.Volume(a.Shape[1:], 1)
	if !ok || d > maxColumns {
		return nil, files.Malformed(path, "array of shape %v; want at most %d numbers in each row", a.Shape, maxColumns)
	}
	rest = slices.Clone(a.Shape[1:])
	a.Shape = []int{a.Shape[0], int(d)}
	return rest, nil
}

// flatten makes the axes of points of a shape one. Axes of length 1 are none.
func flatten(a *npy.Array, path string, shape []int) error {
	wide := func(shape []int) []int {
		return slices.DeleteFunc(slices.Clone(shape), func(n int) bool { return n == 1 })
	}
	d := 1
	for _, n := range shape {
		d *= n
	}
	switch {
	case len(a.Shape) == 2 && a.Shape[1] == d:
		return nil
	case len(a.Shape) < 2 || !slices.Equal(wide(a.Shape[1:]), wide(shape)):
		return files.Malformed(path, "array of shape %s; want [N, %d] or [N, %s]", choice.Cut(fmt.Sprint(a.Shape)), d,
			strings.Trim(strings.ReplaceAll(fmt.Sprint(shape), " ", ", "), "[]"))
	case a.Fortran:
		return files.Malformed(path, "array of shape %v in Fortran order; want C order", a.Shape)
	}
	a.Shape = []int{a.Shape[0], d}
	return nil
}

// sides returns how many rows and columns an array has.
func sides(a *npy.Array, path string) (n, d int, err error) {
	if len(a.Shape) != 1 && len(a.Shape) != 2 {
		return 0, 0, files.Malformed(path,
			"array of shape %v; a table has 1 or 2 axes (for images say kind: images)", a.Shape)
	}
	n, d = a.Shape[0], 1
	if len(a.Shape) == 2 {
		d = a.Shape[1]
	}
	if n == 0 || d == 0 {
		return 0, 0, files.Malformed(path, "array of shape %v has no numbers", a.Shape)
	}
	if d > maxColumns {
		return 0, 0, files.Malformed(path, "array of shape %v; want at most %d columns", a.Shape, maxColumns)
	}
	return n, d, nil
}

func fromArray(a *npy.Array, path string, opts Options) (Table, error) {
	n, d, err := sides(a, path)
	if err != nil {
		return Table{}, err
	}
	names := opts.numbered(d)
	chosen, err := choose(path, names, &opts)
	if err != nil {
		return Table{}, err
	}
	x := make([]float64, 0, n*len(chosen))
	for i := range n {
		for _, c := range chosen {
			if a.Fortran {
				x = append(x, a.At(c*n+i))
			} else {
				x = append(x, a.At(i*d+c))
			}
		}
	}
	in := source{path: path, names: names, chosen: chosen, opts: opts, where: files.Row}
	if a.Whole() {
		in.whole = slices.Repeat([]bool{true}, len(chosen))
	}
	return in.assemble(x)
}

// EncodeNPY writes x as a NumPy array of shape (N, D), float64 in C order,
// format version 1.
func EncodeNPY(w io.Writer, x flow.Batch) error {
	if err := EncodeNPYHead(w, x.N, x.D); err != nil {
		return err
	}
	return EncodeNPYRows(w, x)
}

// EncodeNPYHead writes what comes before the numbers of an array [n, d], and EncodeNPYRows the numbers
// of some of its rows: for what is written in parts.
func EncodeNPYHead(w io.Writer, n, d int) error { return encodeHead(w, "<f8", n, d) }

// encodeHead writes what comes before an array [n, d] of numbers of a type.
func encodeHead(w io.Writer, descr string, n, d int) error {
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%d, %d), }", descr, n, d)
	// The data start at a multiple of 64 bytes: 10 come before the header, and a
	// line feed ends it.
	header += strings.Repeat(" ", 63-(10+len(header))%64) + "\n"
	var b bytes.Buffer
	b.WriteString("\x93NUMPY\x01\x00")
	binary.Write(&b, binary.LittleEndian, uint16(len(header)))
	b.WriteString(header)
	_, err := w.Write(b.Bytes())
	return err
}

// EncodeNPYRows writes rows of an array: see [EncodeNPYHead].
func EncodeNPYRows(w io.Writer, x flow.Batch) error {
	return binary.Write(w, binary.LittleEndian, x.X[:x.N*x.D])
}

// WriteIntNPY writes whole numbers to a file as a NumPy array of shape (n, d), int32 in C order. The file appears
// whole or not at all.
func WriteIntNPY(path string, n, d int, x []int32) error {
	return files.Write(path, func(w io.Writer) error { return EncodeIntNPY(w, n, d, x) })
}

// EncodeIntNPY writes what [WriteIntNPY] writes to w.
func EncodeIntNPY(w io.Writer, n, d int, x []int32) error {
	if len(x) != n*d {
		return fmt.Errorf("table: %d numbers are not an array of %d x %d", len(x), n, d)
	}
	if err := encodeHead(w, "<i4", n, d); err != nil {
		return err
	}
	return binary.Write(w, binary.LittleEndian, x)
}

// WriteNPY writes x to a file as [EncodeNPY] does. The file appears whole or not
// at all: an existing one is replaced at the end.
func WriteNPY(path string, x flow.Batch) error {
	return files.Write(path, func(w io.Writer) error { return EncodeNPY(w, x) })
}
