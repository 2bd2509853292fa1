package table

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"flowmatch/data/internal/files"
	"flowmatch/data/internal/npy"
	"flowmatch/data/internal/rowfile"
	"flowmatch/internal/choice"
)

// headOfArray reads what comes before the numbers of an array.
func headOfArray(path string) (*npy.Array, error) {
	f, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return npy.Header(f, path)
}

// array is an NPY file whose numbers are read piece by piece.
type array struct {
	*npy.Array
	f    *os.File
	at   int64 // where the numbers begin
	n, d int
	rest []int // the shape of a row of more than one axis
	// read reads the chosen numbers of rows, the next ones where the array is in C order.
	read func(x []float64, chosen []int, from, n int) error
}

// piecesOf opens an array that may be compressed, which is then held whole.
func piecesOf(path string) (*array, error) {
	if strings.HasSuffix(strings.ToLower(path), ".npy") {
		return openArray(path, Options{})
	}
	whole, err := npy.Read(path)
	if err != nil {
		return nil, err
	}
	a := &array{Array: whole}
	if a.n, a.d, err = sides(whole, path); err != nil {
		return nil, err
	}
	a.read = a.rows(bytes.NewReader(whole.Raw))
	if a.Fortran {
		a.read = func(x []float64, chosen []int, from, n int) error {
			return a.columns(bytes.NewReader(whole.Raw), x, chosen, from, n)
		}
	}
	return a, nil
}

// openArray opens an array that is not compressed; nil where it is.
func openArray(path string, opts Options) (*array, error) {
	f, size, err := files.OpenSized(path)
	if err != nil {
		return nil, err
	}
	a := &array{f: f}
	if a.Array, err = npy.Header(f, path); err != nil {
		f.Close()
		if strings.HasSuffix(strings.ToLower(path), ".npy") {
			return nil, err
		}
		return nil, files.Malformed(path, "a compressed array cannot be read from disk: uncompress it, or say "+
			"data.memory: held")
	}
	if a.at, err = f.Seek(0, io.SeekCurrent); err == nil {
		err = a.check(path, size-a.at)
	}
	if err == nil {
		a.rest, err = reshape(a.Array, path, opts)
	}
	if err == nil {
		a.n, a.d, err = sides(a.Array, path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	a.read = a.rows(bufio.NewReaderSize(a.f, 1<<20))
	if a.Fortran {
		a.read = func(x []float64, chosen []int, from, n int) error {
			return a.columns(io.NewSectionReader(a.f, a.at, size-a.at), x, chosen, from, n)
		}
	}
	return a, nil
}

// check reports a file that does not have as many bytes behind its head as the head says.
func (a *array) check(path string, bytes int64) error {
	shape := choice.Cut("(" + strings.ReplaceAll(strings.Trim(fmt.Sprint(a.Shape), "[]"), " ", ", ") + ")")
	n, ok := files.Volume(a.Shape, a.Size())
	want := n * int64(a.Size())
	switch of := fmt.Sprintf("shape %s of %s", shape, a.DType); {
	case !ok:
		return files.Malformed(path, "NPY shape %s is too large", shape)
	case bytes < want:
		return files.Malformed(path, "truncated: %d bytes after the header, want %d for %s; copy the file again",
			bytes, want, of)
	case bytes > want:
		return files.Malformed(path, "more bytes than the %d of %s; the header does not fit the file", want, of)
	}
	return nil
}

// direct returns the rows of a file that can be read where they are; nil: they must be copied.
func (s storing) direct() (*rowfile.File, error) {
	if files.Extension(s.path) != ".npy" {
		return nil, nil
	}
	a, err := openArray(s.path, s.opts)
	if err != nil {
		return nil, err
	}
	if a.Whole() || a.Fortran && a.d > 1 || !a.LittleEndian() {
		return nil, a.f.Close()
	}
	in, err := a.source(s.path, s.opts)
	if err != nil {
		a.f.Close()
		return nil, err
	}
	dim, context := in.split()
	return &rowfile.File{R: a.f, Path: s.path, At: a.at, N: a.n, Width: a.d, Elem: a.Size(),
		Columns: in.chosen[:dim+context]}, nil
}

// source returns what the array is read as.
func (a *array) source(path string, opts Options) (source, error) {
	names := opts.numbered(a.d)
	chosen, err := choose(path, names, &opts)
	in := source{path: path, names: names, chosen: chosen, opts: opts, where: files.Row}
	if a.Whole() {
		in.whole = make([]bool, len(chosen))
		for k := range in.whole {
			in.whole[k] = true
		}
	}
	return in, err
}

// readArray reads an array piece by piece.
func (b *builder) readArray() error {
	a, err := openArray(b.path, b.opts)
	if err != nil {
		return err
	}
	defer a.f.Close()
	in, err := a.source(b.path, b.opts)
	if err != nil {
		return err
	}
	b.begin(in)
	b.notes = func(t *Table) { t.Shape = a.rest }
	x := make([]float64, min(a.n, pieceRows)*len(in.chosen))
	for from := 0; from < a.n; from += pieceRows {
		n := min(pieceRows, a.n-from)
		part := x[:n*len(in.chosen)]
		if err := a.read(part, in.chosen, from, n); err != nil {
			return files.Unreadable(b.path, err)
		}
		if err := b.add(part); err != nil {
			return err
		}
	}
	return nil
}

// rows returns what reads the chosen numbers of the next rows of an array in C order.
func (a *array) rows(r io.Reader) func(x []float64, chosen []int, from, n int) error {
	return func(x []float64, chosen []int, _, n int) error {
		piece := *a.Array
		piece.Raw = make([]byte, n*a.d*a.Size())
		if _, err := io.ReadFull(r, piece.Raw); err != nil {
			return err
		}
		for i := range n {
			for k, c := range chosen {
				x[i*len(chosen)+k] = piece.At(i*a.d + c)
			}
		}
		return nil
	}
}

// columns reads the chosen numbers of rows of an array in Fortran order.
func (a *array) columns(r io.ReaderAt, x []float64, chosen []int, from, n int) error {
	piece := *a.Array
	piece.Raw = make([]byte, n*a.Size())
	for k, c := range chosen {
		if _, err := r.ReadAt(piece.Raw, int64(c*a.n+from)*int64(a.Size())); err != nil {
			return err
		}
		for i := range n {
			x[i*len(chosen)+k] = piece.At(i)
		}
	}
	return nil
}
