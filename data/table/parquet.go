package table

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"flowmatch/data/internal/files"
)

// readParquet reads the numeric columns of a Parquet file. Columns of structs
// are called by their path, such as "pos.x". Nulls, and columns that are lists
// or not numbers, are FileErrors.
func readParquet(path string, opts Options) (t Table, err error) {
	f, size, err := files.OpenSized(path)
	if err != nil {
		return Table{}, err
	}
	defer f.Close()
	return decodeParquet(f, size, path, opts)
}

func decodeParquet(r io.ReaderAt, size int64, path string, opts Options) (t Table, err error) {
	defer damaged(path, "Parquet file", func(e error) { t, err = Table{}, e })
	p, in, err := chosenParquet(r, size, path, opts)
	if err != nil {
		return Table{}, err
	}
	x, err := in.parquet(p.File)
	if err != nil {
		return Table{}, err
	}
	if t, err = in.assemble(x); err == nil {
		p.noteIndex(&t, in.opts)
	}
	return t, err
}

// chosenParquet opens a file, and returns what it is read as.
func chosenParquet(r io.ReaderAt, size int64, path string, opts Options) (p parquetTable, in source, err error) {
	if p, err = openParquet(r, size, path); err != nil {
		return p, in, err
	}
	chosen, err := choose(path, p.names, &opts, p.index...)
	if err != nil {
		return p, in, err
	}
	in = source{path: path, names: p.names, chosen: chosen, opts: opts, where: files.Row,
		whole: make([]bool, len(chosen))}
	if opts.Label != "" {
		last := p.Schema().Columns()[chosen[len(chosen)-1]]
		if leaf, ok := p.Schema().Lookup(last...); ok && leaf.Node.Type().Kind() == parquet.ByteArray {
			in.texts = new(labelText)
		}
	}
	return p, in, p.check(r, size, chosen)
}

// noteIndex notes the index of rows that was left out.
func (p parquetTable) noteIndex(t *Table, opts Options) {
	for _, name := range p.index {
		if opts.Columns == nil && name != opts.Label {
			t.note("%s is the index of the rows, as pandas wrote it, and is left out; name it in the columns option "+
				"to learn it, too", column(name))
		}
	}
}

// damaged is to be deferred: libraries panic on some damaged files. What it read is gone either
// way, and a user's bad file must not look like a bug of ours.
func damaged(path, what string, fail func(error)) {
	if p := recover(); p != nil {
		fail(files.Malformed(path, "damaged %s: %v", what, p))
	}
}

// parquetTable is an opened file.
type parquetTable struct {
	*parquet.File
	path  string
	names []string // of all columns
	index []string // of those that are the index of the rows
}

func openParquet(r io.ReaderAt, size int64, path string) (p parquetTable, err error) {
	p.path = path
	if err := checkFooter(r, size); err != nil {
		return p, files.Malformed(path, "not a Parquet file: %v", err)
	}
	if p.File, err = parquet.OpenFile(r, size); err != nil {
		return p, files.Malformed(path, "not a Parquet file: %v", err)
	}
	for _, c := range p.Schema().Columns() { // leaves, in the order of the chunks
		p.names = append(p.names, strings.Join(c, "."))
	}
	if err := checkNames(path, "schema", p.names); err != nil {
		return p, err
	}
	p.index = pandasIndex(p.File, p.names)
	return p, nil
}

// check reports columns that cannot be read, or not in the memory that a file of this size may take.
func (p parquetTable) check(r io.ReaderAt, size int64, chosen []int) error {
	// The numbers of a column that hardly changes take no room in the file.
	if most := (numbersFree + numbersMost*size) / 8 / int64(len(chosen)); p.NumRows() > most {
		return files.Malformed(p.path, "%d rows of %d columns in %d bytes, more than can be read; want at "+
			"most %d rows of a file of this size", p.NumRows(), len(chosen), size, most)
	}
	for _, g := range p.Metadata().RowGroups {
		for _, c := range chosen {
			if codec := g.Columns[c].MetaData.Codec; codec == format.Lz4 || codec == format.Lz4Raw {
				return files.Malformed(p.path, "%s is compressed with %v, which cannot be read; write the file "+
					"with snappy, gzip, zstd or brotli", column(p.names[c]), codec)
			}
			if err := checkPages(r, size, g.Columns[c].MetaData); err != nil {
				return files.Malformed(p.path, "damaged Parquet file: %s: %v", column(p.names[c]), err)
			}
		}
	}
	return nil
}

// checkFooter reports a footer that is longer than its file: the library makes room for what
// the last 8 bytes claim.
func checkFooter(r io.ReaderAt, size int64) error {
	const mark, head = 8, 4 // the length and PAR1; PAR1 at the head
	if size < mark+head {
		return fmt.Errorf("%d bytes are too few", size)
	}
	var end [mark]byte
	if _, err := r.ReadAt(end[:], size-mark); err != nil {
		return err
	}
	if n := int64(binary.LittleEndian.Uint32(end[:])); n > size-mark-head {
		return fmt.Errorf("its footer claims %d bytes, of a file of %d", n, size)
	}
	return nil
}

// checkPages reports a page of a column that claims more bytes than there are, or than it can
// hold once it is decompressed: the library makes room for what its header claims.
func checkPages(r io.ReaderAt, size int64, c format.ColumnMetaData) error {
	const mostHeader, free, most = 64 << 10, 64 << 20, 1 << 10
	at := c.DataPageOffset
	if d := c.DictionaryPageOffset; d > 0 && d < at {
		at = d
	}
	end := at + c.TotalCompressedSize
	if at < 0 || c.TotalCompressedSize < 0 || end < at || end > size {
		return fmt.Errorf("its pages are said to be %d bytes from byte %d on, of a file of %d", c.TotalCompressedSize,
			at, size)
	}
	head := make([]byte, mostHeader)
	for at < end {
		part := head[:min(mostHeader, end-at)]
		if _, err := r.ReadAt(part, at); err != nil {
			return err
		}
		var page format.PageHeader
		in := new(thrift.CompactProtocol).NewReaderFromBytes(part)
		if err := thrift.NewDecoder(in).Decode(&page); err != nil {
			return fmt.Errorf("the header of the page at byte %d: %w", at, err)
		}
		at += int64(in.BytesRead())
		packed, plain := int64(page.CompressedPageSize), int64(page.UncompressedPageSize)
		if packed < 0 || packed > end-at || plain < 0 || plain > free+most*packed {
			return fmt.Errorf("the page at byte %d claims %d bytes, of %d that there are, and %d decompressed", at,
				packed, end-at, plain)
		}
		at += packed
	}
	return nil
}

// A file may hold numbers of numbersFree bytes, and beyond that of numbersMost times its own:
// one of 1 MB could else fill the memory.
const numbersFree, numbersMost = 256 << 20, 200

// pandasIndex returns the columns that hold the index of a table that pandas wrote: it
// says so in the metadata of the file.
func pandasIndex(f *parquet.File, names []string) []string {
	text, _ := f.Lookup("pandas")
	var meta struct {
		Index []any `json:"index_columns"` // names, or what describes a range, which has no column
	}
	if json.Unmarshal([]byte(text), &meta) != nil {
		return nil // of another program, or damaged: there is no index known
	}
	var index []string
	for _, c := range meta.Index {
		if name, ok := c.(string); ok && slices.Contains(names, name) {
			index = append(index, name)
		}
	}
	return index
}

// parquet reads the columns chosen, as rows.
func (in source) parquet(f *parquet.File) ([]float64, error) {
	n := int(f.NumRows())
	var x []float64
	for k := range in.chosen {
		of, err := in.parquetColumn(f, k)
		if err != nil {
			return nil, err
		}
		name := of.name
		col, err := readColumn(f, of.c, n, of.value, in.path, name)
		if err != nil {
			return nil, err
		}
		if len(col) != n {
			return nil, files.Malformed(in.path, "%s has %d values for %d rows", column(name), len(col), n)
		}
		if x == nil { // only now is n known to be more than a claim
			x = make([]float64, n*len(in.chosen))
		}
		for i, v := range col {
			x[i*len(in.chosen)+k] = v
		}
	}
	return x, nil
}

// parquetColumn returns column k of those chosen.
func (in source) parquetColumn(f *parquet.File, k int) (c parquetColumn, err error) {
	c = parquetColumn{path: in.path, name: in.names[in.chosen[k]], c: in.chosen[k]}
	leaf, ok := f.Schema().Lookup(f.Schema().Columns()[c.c]...)
	if !ok {
		return c, files.Malformed(in.path, "%s is not in the schema", column(c.name))
	}
	if in.texts != nil && k == len(in.chosen)-1 {
		text, err := parquetText(leaf)
		if err != nil {
			return c, files.MalformedAt(in.path, column(c.name), "%s", err)
		}
		c.value = in.texts.parquet(text, in.opts.DropMissing)
		return c, nil
	}
	number, err := parquetNumber(leaf)
	if err != nil {
		return c, files.MalformedAt(in.path, column(c.name), "%s", err)
	}
	in.whole[k] = leaf.Node.Type().Kind() == parquet.Int64
	c.value = func(v parquet.Value) (float64, bool) {
		if v.IsNull() {
			return math.NaN(), in.opts.DropMissing
		}
		return number(v), true
	}
	return c, nil
}

// parquetNumber returns how to turn a value of a column into a float64.
func parquetNumber(leaf parquet.LeafColumn) (func(parquet.Value) float64, error) {
	if leaf.MaxRepetitionLevel > 0 {
		return nil, errors.New("holds lists; want one number a row, or leave the column out with the columns option")
	}
	typ := leaf.Node.Type()
	signed := true
	if l := typ.LogicalType(); l != nil && l.Value != nil {
		integer, ok := l.Value.(*format.IntType)
		if !ok { // decimals, dates: integers that mean something else
			return nil, fmt.Errorf("is of type %s; want integers or floats, or leave it out with the columns option", l)
		}
		signed = integer.IsSigned
	}
	switch kind := typ.Kind(); {
	case kind == parquet.Double:
		return parquet.Value.Double, nil
	case kind == parquet.Float:
		return func(v parquet.Value) float64 { return float64(v.Float()) }, nil
	case kind == parquet.Int32 && signed:
		return func(v parquet.Value) float64 { return float64(v.Int32()) }, nil
	case kind == parquet.Int32:
		return func(v parquet.Value) float64 { return float64(v.Uint32()) }, nil
	case kind == parquet.Int64 && signed:
		return func(v parquet.Value) float64 { return float64(v.Int64()) }, nil
	case kind == parquet.Int64:
		return func(v parquet.Value) float64 { return float64(v.Uint64()) }, nil
	default:
		return nil, fmt.Errorf("is of type %s; want integers or floats, or leave it out with the columns option", kind)
	}
}

// readColumn reads column c of every row group, until there are more than n values. value says
// false of a null that the column may not have.
func readColumn[T any](
	f *parquet.File, c, n int, value func(parquet.Value) (T, bool), path, name string,
) (col []T, err error) {
	for _, group := range f.RowGroups() {
		pages := group.ColumnChunks()[c].Pages()
		col, err = appendPages(col, pages, n, value, path, name)
		if err = errors.Join(err, pages.Close()); err != nil {
			return nil, err
		}
	}
	return col, nil
}

func appendPages[T any](
	col []T, pages parquet.Pages, most int, value func(parquet.Value) (T, bool), path, name string,
) ([]T, error) {
	for len(col) <= most { // of more, the file is not what it says
		page, err := pages.ReadPage()
		if err == io.EOF {
			return col, nil
		} else if err != nil {
			return nil, files.Malformed(path, "%s cannot be read: %v", column(name), err)
		}
		if col, err = appendValues(col, page.Values(), value, path, name); err != nil {
			return nil, err
		}
		parquet.Release(page)
	}
	return col, nil
}

func appendValues[T any](
	col []T, r parquet.ValueReader, value func(parquet.Value) (T, bool), path, name string,
) ([]T, error) {
	var buf [512]parquet.Value
	for {
		n, err := r.ReadValues(buf[:])
		for _, v := range buf[:n] {
			one, ok := value(v)
			if !ok {
				return nil, gap(path, fmt.Sprintf("%s, %s", files.Row(len(col)), column(name)), "the value is null")
			}
			col = append(col, one)
		}
		if err == io.EOF {
			return col, nil
		} else if err != nil {
			return nil, files.Malformed(path, "%s cannot be read: %v", column(name), err)
		}
	}
}
