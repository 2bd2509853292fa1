package table

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"flowmatch/data/internal/files"
	"flowmatch/data/schema"
)

// readParquetCells reads the columns of a Parquet file as texts: numbers, truth values, texts,
// dates, times and decimals. Nulls are empty. Other columns, such as those of lists, are in Cells.Unread.
func readParquetCells(path string, rows int, use func(Cells) error) (Cells, error) {
	f, size, err := files.OpenSized(path)
	if err != nil {
		return Cells{}, err
	}
	defer f.Close()
	return decodeParquetCells(f, size, path, rows, use)
}

func decodeParquetCells(r io.ReaderAt, size int64, path string, rows int, use func(Cells) error) (
	out Cells, err error,
) {
	defer damaged(path, "Parquet file", func(e error) { out, err = Cells{}, e })
	p, err := openParquet(r, size, path)
	if err != nil {
		return Cells{}, err
	}
	all := make([]int, len(p.names))
	for c := range all {
		all[c] = c
	}
	if p.NumRows() == 0 { // then there may be no pages to check
		return Cells{}, files.Malformed(path, "no rows of data")
	}
	if err := p.check(r, size, all); err != nil {
		return Cells{}, err
	}
	t := textColumns{parquetTable: p, texts: make([]func(parquet.Value) string, len(all))}
	t.out = Cells{Path: path, Where: files.Row, Cells: schema.Cells{Names: p.names, Index: p.index}}
	for c := range all {
		leaf, ok := p.Schema().Lookup(p.Schema().Columns()[c]...)
		if !ok {
			return Cells{}, files.Malformed(path, "%s is not in the schema", column(p.names[c]))
		}
		if t.texts[c], err = parquetText(leaf); err != nil {
			t.out.Unread = append(t.out.Unread, Unread{Column: p.names[c], Problem: err.Error()})
		}
		t.columns = append(t.columns, parquetColumn{path: path, name: p.names[c], c: c})
	}
	if err := t.each(rows, use); err != nil {
		return Cells{}, err
	}
	return t.out, nil
}

// textColumns is the columns of a file as texts.
type textColumns struct {
	parquetTable
	texts   []func(parquet.Value) string // nil: the column cannot be texts
	columns []parquetColumn
	out     Cells // without its texts
}

// each hands on some rows at a time, of one group or of several.
func (t *textColumns) each(most int, use func(Cells) error) error {
	read := 0
	now := t.out
	hand := func() error {
		full := now
		now = t.out
		return use(full)
	}
	for _, group := range t.RowGroups() {
		err := eachOfGroup(group, t.columns, func(left int) (int, error) {
			n := min(left, most-now.Rows)
			if err := t.next(&now, n, read); err != nil {
				return 0, err
			}
			if read += n; now.Rows == most {
				return n, hand()
			}
			return n, nil
		})
		if err != nil {
			return err
		}
	}
	if read != int(t.NumRows()) {
		return files.Malformed(t.path, "%d rows; it says that it has %d", read, t.NumRows())
	}
	if now.Rows == 0 {
		return nil
	}
	return hand()
}

// next reads the texts of the next n rows, the first of which is a row of the file.
func (t *textColumns) next(to *Cells, n, row int) error {
	if to.Columns == nil {
		to.Columns = make([]schema.Texts, len(t.columns))
	}
	for c := range t.columns {
		into := &to.Columns[c]
		if t.texts[c] == nil {
			if into.Values == nil {
				into.Values = []string{"unread"}
			}
			into.Index = append(into.Index, make([]int32, n)...)
			continue
		}
		err := t.columns[c].each(n, row, func(_ int, v parquet.Value) error {
			if v.IsNull() {
				into.Add("")
			} else {
				into.Add(strings.TrimSpace(t.texts[c](v)))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	to.Rows += n
	return nil
}

// parquetText returns how to turn a value of a column into text.
func parquetText(leaf parquet.LeafColumn) (func(parquet.Value) string, error) {
	if leaf.MaxRepetitionLevel > 0 {
		return nil, errors.New("holds lists; want one value a row")
	}
	typ := leaf.Node.Type()
	if l := typ.LogicalType(); l != nil && l.Value != nil {
		if text := logicalText(typ.Kind(), l.Value); text != nil {
			return text, nil
		}
		if _, plain := l.Value.(*format.IntType); !plain {
			return nil, fmt.Errorf("is of type %s; want numbers, truth values, texts or dates", l)
		}
	}
	switch typ.Kind() {
	case parquet.Boolean:
		return func(v parquet.Value) string { return strconv.FormatBool(v.Boolean()) }, nil
	case parquet.Double:
		return func(v parquet.Value) string { return strconv.FormatFloat(v.Double(), 'g', -1, 64) }, nil
	case parquet.Float:
		return func(v parquet.Value) string { return strconv.FormatFloat(float64(v.Float()), 'g', -1, 32) }, nil
	case parquet.ByteArray, parquet.FixedLenByteArray:
		return func(v parquet.Value) string { return string(v.ByteArray()) }, nil
	case parquet.Int32, parquet.Int64:
		whole, err := parquetNumber(leaf)
		if err != nil {
			return nil, err
		}
		if typ.Kind() == parquet.Int64 && whole(parquet.Int64Value(-1)) < 0 {
			return func(v parquet.Value) string { return strconv.FormatInt(v.Int64(), 10) }, nil
		}
		return func(v parquet.Value) string { return strconv.FormatFloat(whole(v), 'f', -1, 64) }, nil
	}
	return nil, fmt.Errorf("is of type %s; want numbers, truth values, texts or dates", typ.Kind())
}

// logicalText returns how a value is written that means something else than its type; nil: it is
// not one of these.
func logicalText(kind parquet.Kind, logical format.LogicalTypeValue) func(parquet.Value) string {
	switch l := logical.(type) {
	case *format.StringType, *format.EnumType, *format.JsonType:
		return func(v parquet.Value) string { return string(v.ByteArray()) }
	case *format.DateType:
		return func(v parquet.Value) string {
			return time.Unix(int64(v.Int32())*86400, 0).UTC().Format(time.DateOnly)
		}
	case *format.TimeType:
		unit := l.Unit.Value.Duration()
		return func(v parquet.Value) string {
			t := time.Duration(v.Int64()) * unit
			if kind == parquet.Int32 {
				t = time.Duration(v.Int32()) * unit
			}
			layout := time.TimeOnly
			if t%time.Second != 0 {
				layout += ".000000"
			}
			return time.Unix(0, int64(t)).UTC().Format(layout)
		}
	case *format.TimestampType:
		unit := int64(l.Unit.Value.Duration())
		return func(v parquet.Value) string {
			t := v.Int64()
			perSecond := int64(time.Second) / unit
			whole, rest := t/perSecond, t%perSecond
			if rest < 0 {
				whole, rest = whole-1, rest+perSecond
			}
			layout := "2006-01-02 15:04:05"
			if rest != 0 {
				layout += ".000000"
			}
			return time.Unix(whole, rest*unit).UTC().Format(layout)
		}
	case *format.DecimalType:
		return func(v parquet.Value) string { return decimal(unscaled(kind, v), int(l.Scale)) }
	}
	return nil
}

// unscaled is the whole number of a decimal: of bytes, big-endian in two's complement.
func unscaled(kind parquet.Kind, v parquet.Value) *big.Int {
	switch kind {
	case parquet.Int32:
		return big.NewInt(int64(v.Int32()))
	case parquet.Int64:
		return big.NewInt(v.Int64())
	}
	b := v.ByteArray()
	n := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

// decimal writes n/10^scale.
func decimal(n *big.Int, scale int) string {
	if scale <= 0 {
		return n.String()
	}
	digits := new(big.Int).Abs(n).String()
	if short := scale + 1 - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	at := len(digits) - scale
	text := digits[:at] + "." + digits[at:]
	if n.Sign() < 0 {
		text = "-" + text
	}
	return text
}
