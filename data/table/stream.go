package table

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/parquet-go/parquet-go"

	"flowmatch/data/internal/files"
	"flowmatch/internal/choice"
)

// errNotPlain is that of a text that the reader of plain numbers does not read.
var errNotPlain = errors.New("no text of plain numbers")

// text writes options down, to tell files read by others apart.
func (o Options) text() string {
	b, _ := json.Marshal(o) // of names, numbers and truth values
	return string(b)
}

// readers are the ways to read the file, each of them tried where the one before has errNotPlain.
func (b *builder) readers() []func() error {
	switch ext := files.Extension(b.path); ext {
	case ".csv", ".tsv", ".txt":
		return []func() error{b.readPlain, b.readText}
	case ".parquet":
		return []func() error{b.readParquet}
	case ".npy":
		return []func() error{b.readArray}
	default:
		return []func() error{func() error {
			_, err := Read(b.path, b.opts) // which says what is wrong
			return err
		}}
	}
}

// take is add for the reader of a text.
func (b *builder) take(piece []float64, lines *csvLines) error {
	b.lines = lines
	b.in.where = lines.where
	return b.add(piece)
}

func (b *builder) readPlain() error {
	f, err := files.Open(b.path)
	if err != nil {
		return err
	}
	defer f.Close()
	p := openPlain(f, b.path, b.opts)
	if p == nil {
		return errNotPlain
	}
	b.begin(p.source)
	b.notes = func(t *Table) { p.noteText(t, p.note) }
	lines, plain, err := p.read(b.take)
	if !plain {
		return errNotPlain
	}
	b.lines, b.in.where = &lines, lines.where
	return err
}

func (b *builder) readText() error {
	f, err := files.Open(b.path)
	if err != nil {
		return err
	}
	defer f.Close()
	c, first, err := openCSV(f, b.path, b.opts)
	if err != nil {
		return err
	}
	in, doubt, err := named(b.path, first, b.opts)
	if err != nil {
		return err
	}
	b.begin(in)
	b.notes = func(t *Table) { in.noteText(t, c.note) }
	lines, err := c.rows(first, in, doubt, b.take)
	b.lines, b.in.where = &lines, lines.where
	return err
}

func (b *builder) readParquet() (err error) {
	f, size, err := files.OpenSized(b.path)
	if err != nil {
		return err
	}
	defer f.Close()
	defer damaged(b.path, "Parquet file", func(e error) { err = e })
	p, in, err := chosenParquet(f, size, b.path, b.opts)
	if err != nil {
		return err
	}
	b.begin(in)
	b.notes = func(t *Table) { p.noteIndex(t, in.opts) }
	columns := make([]parquetColumn, len(in.chosen))
	for k := range columns {
		if columns[k], err = in.parquetColumn(p.File, k); err != nil {
			return err
		}
	}
	for _, group := range p.RowGroups() {
		if err := b.readGroup(group, columns); err != nil {
			return err
		}
	}
	if b.in.read != int(p.NumRows()) {
		return files.Malformed(b.path, "%d rows; it says that it has %d", b.in.read, p.NumRows())
	}
	return nil
}

// readGroup reads a group of rows, of all columns side by side.
func (b *builder) readGroup(group parquet.RowGroup, columns []parquetColumn) error {
	d := len(columns)
	x := make([]float64, min(int(group.NumRows()), pieceRows)*d)
	return eachOfGroup(group, columns, func(left int) (int, error) {
		n := min(left, pieceRows)
		for k := range columns {
			if err := columns[k].read(x[k:n*d], d, n, b.in.read); err != nil {
				return 0, err
			}
		}
		return n, b.add(x[:n*d])
	})
}

// eachOfGroup calls read, which reads the next rows of all columns of a group and says how many they are, until
// there are no more.
func eachOfGroup(group parquet.RowGroup, columns []parquetColumn, read func(left int) (int, error)) (err error) {
	for k := range columns {
		columns[k].pages = group.ColumnChunks()[columns[k].c].Pages()
		columns[k].values, columns[k].page = nil, nil
	}
	defer func() {
		for k := range columns {
			err = errors.Join(err, columns[k].pages.Close())
		}
	}()
	for left := int(group.NumRows()); left > 0; {
		n, err := read(left)
		if err != nil {
			return err
		}
		left -= n
	}
	return nil
}

// parquetColumn is a column that is read piece by piece.
type parquetColumn struct {
	path, name string
	c          int // of the file
	value      func(parquet.Value) (float64, bool)
	pages      parquet.Pages
	page       parquet.Page
	values     parquet.ValueReader
	buf        [512]parquet.Value
}

// read reads the next n values into dst, stride apart; row is the number of the first.
func (c *parquetColumn) read(dst []float64, stride, n, row int) error {
	return c.each(n, row, func(i int, v parquet.Value) error {
		one, ok := c.value(v)
		if !ok {
			return gap(c.path, fmt.Sprintf("%s, %s", files.Row(row+i), column(c.name)), "the value is null")
		}
		dst[i*stride] = one
		return nil
	})
}

// each reads the next n values; row is the number of the first.
func (c *parquetColumn) each(n, row int, use func(i int, v parquet.Value) error) error {
	for done := 0; done < n; {
		if c.values == nil {
			page, err := c.pages.ReadPage()
			if err == io.EOF {
				return files.Malformed(c.path, "%s ends at row %d of its group", column(c.name), row+done)
			} else if err != nil {
				return files.Malformed(c.path, "%s cannot be read: %v", column(c.name), err)
			}
			c.page, c.values = page, page.Values()
		}
		got, err := c.values.ReadValues(c.buf[:min(len(c.buf), n-done)])
		for i, v := range c.buf[:got] {
			if err := use(done+i, v); err != nil {
				return err
			}
		}
		done += got
		if err == io.EOF {
			parquet.Release(c.page)
			c.values = nil
		} else if err != nil {
			return files.Malformed(c.path, "%s cannot be read: %v", column(c.name), err)
		}
	}
	return nil
}

// HeldBytes returns about how many bytes the numbers of a table are as float64, of all of its columns, as far as
// its beginning says it. The error is that of a file that cannot be opened.
func HeldBytes(path string) (float64, error) {
	const each = 8
	switch files.Extension(path) {
	case ".npy":
		a, err := headOfArray(path)
		if err != nil {
			return 0, err
		}
		n, ok := files.Volume(a.Shape, each)
		if !ok {
			return 0, files.Malformed(path, "NPY shape %s is too large", choice.Cut(fmt.Sprint(a.Shape)))
		}
		return each * float64(n), nil
	case ".parquet":
		return parquetBytes(path)
	}
	f, size, err := files.OpenSized(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	text, err := files.Open(path)
	if err != nil {
		return 0, err
	}
	defer text.Close()
	sample, err := io.ReadAll(io.LimitReader(text, blockSize))
	if err != nil || len(sample) == 0 {
		return 0, nil // which its reader reports
	}
	fields := 0
	for _, comma := range Delimiters {
		fields = max(fields, bytes.Count(sample, []byte(string(comma))))
	}
	fields += bytes.Count(sample, []byte{'\n'})
	expand := 1.0
	if ext := filepath.Ext(path); slices.Contains([]string{".gz", ".bz2"}, ext) {
		expand = usualExpansion
	}
	return each * float64(fields) / float64(len(sample)) * float64(size) * expand, nil
}

// usualExpansion is how many bytes of text a byte of a compressed table usually is.
const usualExpansion = 4

func parquetBytes(path string) (_ float64, err error) {
	f, size, err := files.OpenSized(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	defer damaged(path, "Parquet file", func(e error) { err = e })
	p, err := openParquet(f, size, path)
	if err != nil {
		return 0, err
	}
	return 8 * float64(p.NumRows()) * float64(len(p.names)), nil
}
