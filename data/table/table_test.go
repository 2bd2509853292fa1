package table

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/sbinet/npyio/npy"
	"gonum.org/v1/gonum/mat"

	"flowmatch/data"
	"flowmatch/data/internal/datatest"
	"flowmatch/flow"
)

func checkTable(t *testing.T, what string, got Table, columns []string, x []float64, label []int32) {
	t.Helper()
	if !slices.Equal(got.Columns, columns) || got.X.D != len(columns) || !slices.Equal(got.X.X, x) ||
		got.X.N*got.X.D != len(x) || !slices.Equal(got.Label, label) {
		t.Errorf("%s: got %v %v %v, want %v %v %v", what, got.Columns, got.X, got.Label, columns, x, label)
	}
}

func TestCSVIsReadAsItLooks(t *testing.T) {
	xy, c01 := []string{"x", "y"}, []string{"c0", "c1"}
	for _, c := range []struct {
		name, text string
		opts       Options
		columns    []string
		x          []float64
		label      []int32
	}{
		{"names in the first line", "x,y\n1,2\n3,-4e-2\n", Options{}, xy, []float64{1, 2, 3, -0.04}, nil},
		{"no names", "1,2\n3,4", Options{}, c01, []float64{1, 2, 3, 4}, nil},
		{"a header that looks like numbers", "1,2\n3,4\n", Options{Header: new(true)},
			[]string{"1", "2"}, []float64{3, 4}, nil},
		{"semicolons", "x;y\n1;2\n", Options{Delimiter: ';'}, xy, []float64{1, 2}, nil},
		{"semicolons that nobody names", "x;y\n1;2\n", Options{}, xy, []float64{1, 2}, nil},
		{"decimal commas are none", "1,5\n2,5\n", Options{}, c01, []float64{1, 5, 2, 5}, nil},
		{"bars", "x|y\n1|2\n", Options{}, xy, []float64{1, 2}, nil},
		{"single spaces", "1 2\n3 4\n", Options{}, c01, []float64{1, 2, 3, 4}, nil},
		{"a name with a space", "x y\n1\n", Options{}, []string{"x y"}, []float64{1}, nil},
		{"a name with a semicolon", "\"x;y\",z\n1,2\n", Options{}, []string{"x;y", "z"}, []float64{1, 2}, nil},
		{"lines that end with a carriage return", "x,y\r1,2\r\r3,4\r", Options{}, xy, []float64{1, 2, 3, 4}, nil},
		{"spaces, blank lines, carriage returns", " x , y \r\n\r\n 1 , 2 \r\n", Options{}, xy, []float64{1, 2}, nil},
		{"a byte order mark", "\ufeffx,y\n1,2\n", Options{}, xy, []float64{1, 2}, nil},
		{"quotes", "\"x\",\"y\"\n\"1\",2\n", Options{}, xy, []float64{1, 2}, nil},
		{"columns in another order, words left out", "x,name,y\n1,ann,2\n3,bob,4\n",
			Options{Columns: []string{"y", "x"}}, []string{"y", "x"}, []float64{2, 1, 4, 3}, nil},
		{"a name with spaces, as Parquet has it", " x ,y\n1,2\n", Options{Columns: []string{"y", " x "}},
			[]string{"y", "x"}, []float64{2, 1}, nil},
		{"labels", "x,k,y\n1,0,2\n3,4,4\n", Options{Label: "k"}, xy, []float64{1, 2, 3, 4}, []int32{0, 1}},
		{"labels and columns", "x,k,y\n1,0,2\n3,4,4\n", Options{Label: "k", Columns: []string{"y"}},
			[]string{"y"}, []float64{2, 4}, []int32{0, 1}},
	} {
		got, err := Read(datatest.WriteTemp(t, "t.csv", []byte(c.text)), c.opts)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		checkTable(t, c.name, got, c.columns, c.x, c.label)
	}
	got, err := Read(datatest.WriteTemp(t, "t.tsv", []byte("x\ty\n1\t2\n")), Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkTable(t, "tabs", got, xy, []float64{1, 2}, nil)
	got, err = Read(datatest.WriteTemp(t, "t.tsv", []byte("x;y\n1;2\n")), Options{})
	if want := "its fields are separated by ';'"; err != nil || len(got.Notes) != 1 ||
		!strings.HasPrefix(got.Notes[0], want) {
		t.Errorf("notes %q (error %v), want %q", got.Notes, err, want)
	}
}

// A class that no row is of is none: it would be sampled, and was never seen.
func TestClassesAreTheLabelsThatOccur(t *testing.T) {
	for _, c := range []struct {
		labels string
		label  []int32
		names  []string
	}{
		{"0 1 2", []int32{0, 1, 2}, nil},
		{"1 2 3", []int32{0, 1, 2}, []string{"1", "2", "3"}},
		{"3 1 3", []int32{1, 0, 1}, []string{"1", "3"}},
		{"10 2 65535", []int32{1, 0, 2}, []string{"2", "10", "65535"}},
	} {
		text := "x,k\n"
		for _, l := range strings.Fields(c.labels) {
			text += "0.5," + l + "\n"
		}
		got, err := Read(datatest.WriteTemp(t, "t.csv", []byte(text)), Options{Label: "k"})
		if err != nil || !slices.Equal(got.Label, c.label) || !slices.Equal(got.ClassNames, c.names) {
			t.Errorf("labels %s: %v of classes %q (error %v), want %v of %q", c.labels, got.Label, got.ClassNames, err,
				c.label, c.names)
		}
	}
}

func TestBadCSVIsReportedWithLineColumnAndValue(t *testing.T) {
	for _, c := range []struct {
		text, want string
		opts       Options
	}{
		{"", "t.csv: empty file", Options{}},
		{"x,y\n", "no rows of data", Options{}},
		{"x,y\n1,2\n3,abc\n", `line 3, column "y": "abc" is not a number; want one such as -1.5`, Options{}},
		{"x,y\n\n\n1,\n", `line 4, column "y": the field is empty`, Options{}},
		{"x,y\n1,NaN\n", `line 2, column "y": "NaN" is not finite`, Options{}},
		{"x,y\n1,2\n-inf,2\n", `line 3, column "x": "-inf" is not finite`, Options{}},
		{"x,y\n1,1e999\n", `line 2, column "y": "1e999" is beyond the range`, Options{}},
		{"x,y\n1,2\n3\n", "line 3: 1 fields; want 2 as in the first line", Options{}},
		{"1,2\n3,4,5\n", "line 2: 3 fields; want 2", Options{}},
		{"x,y\n1,\"2\n", "line 2: not CSV", Options{}},
		{"x,x\n1,2\n", `header, columns 1 and 2: both are called "x"`, Options{}},
		{"x,\n1,2\n", "header, column 2: the name is empty", Options{}},
		{"x,y\n1,2\n", `no column "z"; the columns are "x", "y"`, Options{Columns: []string{"z"}}},
		{"x,y\n1,2\n", `column "x" is asked for twice`, Options{Columns: []string{"x", "x"}}},
		{"x,y\n1,2\n", `column "x" is asked for twice`, Options{Columns: []string{"x"}, Label: "x"}},
		{"x\n1\n", "no columns of data", Options{Label: "x"}},
		{"x,k\n1,0\n\n2,0.5\n", `line 4, column "k": 0.5 is not a class label`, Options{Label: "k"}},
		{"x,k\n1,0\n2,cat\n", `line 3, column "k": "cat" is no number, and other labels are: want whole numbers`,
			Options{Label: "k"}},
		{"x,k\n1,a\n2,\n", `line 3, column "k": the field is empty`, Options{Label: "k"}},
		{"x,k\n1,a\n2,NA\n", `line 3, column "k": "NA" is not a number; drop the row`, Options{Label: "k"}},
		{"x,k\n1,a\n2,\xff\n", `line 3, column "k": "\xff" is no text in UTF-8`, Options{Label: "k"}},
		{"x,k\n1,-1\n", `column "k": -1 is not a class label; want a whole number from 0 to 65535`,
			Options{Label: "k"}},
		{"x,y\r1,2\r3,a", `line 3, column "y": "a" is not a number`, Options{}},
		{"x;y\n1,5;2\n", `"1,5" is not a number; want one such as -1.5 or 2e-3, or leave the column out with the ` +
			`columns option; write a point for decimals`, Options{}},
		{"x  y\n1  2\n", `it seems to be several numbers, separated by ' ': give that as the delimiter`, Options{}},
		{"x y\n1;2\n", `it seems to be several numbers, separated by ';'`, Options{}},
		{"\xff\xfex\x00,\x00y\x00", "t.csv: is text in UTF-16, or no text; save it as UTF-8", Options{}},
		{"x\x00,\x00y\x00\n\x00", "is text in UTF-16", Options{}},
		{"\x00x\x00,\x00y", "is text in UTF-16", Options{}},
		{"PK\x03\x04abc", "is a zip file, as a workbook (.xlsx) is", Options{}},
		{"1,2\n", `delimiter '"' cannot separate fields`, Options{Delimiter: '"'}},
	} {
		_, err := Read(datatest.WriteTemp(t, "t.csv", []byte(c.text)), c.opts)
		datatest.WantError(t, fmt.Sprintf("%q", c.text), err, c.want)
		var f *data.FileError
		if !errors.As(err, &f) {
			t.Errorf("%q: error %v is no FileError", c.text, err)
		}
	}
	_, err := Read(datatest.WriteTemp(t, "t.ods", nil), Options{})
	datatest.WantError(t, "ods", err, `extension ".ods" is not that of a table; want .csv`)
	_, err = Read(filepath.Join(t.TempDir(), "none.csv"), Options{})
	datatest.WantError(t, "no file", err, "none.csv")
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v, want os.ErrNotExist", err)
	}
}

// hard is numbers that a careless writer would not bring back.
var hard = flow.Batch{N: 3, D: 2, X: []float64{0.1, -1.0 / 3, 5e-324, math.MaxFloat64, 0, 1e16 + 2}}

func TestWrittenTablesComeBackBitForBit(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		file    string
		columns []string
		write   func(path string) error
	}{
		{"a.csv", []string{"a", "b, with comma"}, func(path string) error {
			return WriteCSV(path, []string{"a", "b, with comma"}, hard)
		}},
		{"b.csv", []string{"c0", "c1"}, func(path string) error { return WriteCSV(path, nil, hard) }},
		{"c.npy", []string{"c0", "c1"}, func(path string) error { return WriteNPY(path, hard) }},
	} {
		path := filepath.Join(dir, c.file)
		if err := os.WriteFile(path, []byte("what was there before"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := c.write(path); err != nil {
			t.Fatal(err)
		}
		got, err := Read(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		checkTable(t, c.file, got, c.columns, hard.X, nil)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Errorf("the folder holds %v (error %v), want the 3 tables and no leftovers", files, err)
	}
	datatest.WantError(t, "names", WriteCSV(filepath.Join(dir, "d.csv"), []string{"a"}, hard),
		"data: 1 names for 2 columns")
	datatest.WantError(t, "names", EncodeCSV(io.Discard, []string{"a"}, hard), "data: 1 names for 2 columns")
	datatest.WantError(t, "no folder", WriteNPY(filepath.Join(dir, "none", "a.npy"), hard), "no such file")
}

func TestGzippedTablesAreRead(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	fmt.Fprint(w, "x,y\n1,2\n")
	w.Close()
	got, err := Read(datatest.WriteTemp(t, "t.csv.gz", b.Bytes()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkTable(t, "gzip", got, []string{"x", "y"}, []float64{1, 2}, nil)
	_, err = Read(datatest.WriteTemp(t, "t.csv.gz", b.Bytes()[:b.Len()-6]), Options{})
	datatest.WantError(t, "cut gzip", err, "cannot be read: unexpected EOF")
}

func TestTablesInBzip2AreRead(t *testing.T) {
	// printf 'x,y\n1,2\n' | bzip2 | base64
	b, err := base64.StdEncoding.DecodeString("QlpoOTFBWSZTWd8LUD8AAANYgAAQAAQwAABgIAAwwAhpsogjJ4u5IpwoSG+FqB+A")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read(datatest.WriteTemp(t, "t.csv.bz2", b), Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkTable(t, "bzip2", got, []string{"x", "y"}, []float64{1, 2}, nil)
	_, err = Read(datatest.WriteTemp(t, "t.csv.bz2", b[:len(b)-6]), Options{})
	datatest.WantError(t, "cut bzip2", err, "cannot be read: unexpected EOF")
	b[20] ^= 1
	_, err = Read(datatest.WriteTemp(t, "t.csv.bz2", b), Options{})
	datatest.WantError(t, "damaged bzip2", err, "cannot be read: bzip2 data invalid")
}

func TestNPYAgreesWithNpyioBothWays(t *testing.T) {
	var b bytes.Buffer
	if err := EncodeNPY(&b, hard); err != nil {
		t.Fatal(err)
	}
	if i := bytes.IndexByte(b.Bytes(), '\n'); (i+1)%64 != 0 {
		t.Errorf("the data start at byte %d, want a multiple of 64", i+1)
	}
	var m mat.Dense
	if err := npy.Read(&b, &m); err != nil || !slices.Equal(m.RawMatrix().Data, hard.X) {
		t.Errorf("npyio reads %v (error %v), want %v", m, err, hard.X)
	}
	for _, v := range []any{
		[]float64{1, 2, 3}, []float32{1, 2, 3}, []int8{1, 2, 3}, []int16{1, 2, 3}, []int32{1, 2, 3}, []int64{1, 2, 3},
		[]uint8{1, 2, 3}, []uint16{1, 2, 3}, []uint32{1, 2, 3}, []uint64{1, 2, 3},
	} {
		var b bytes.Buffer
		if err := npy.Write(&b, v); err != nil {
			t.Fatal(err)
		}
		got, err := Read(datatest.WriteTemp(t, "t.npy", b.Bytes()), Options{})
		if err != nil {
			t.Errorf("%T: %v", v, err)
			continue
		}
		checkTable(t, fmt.Sprintf("%T", v), got, []string{"c0"}, []float64{1, 2, 3}, nil)
	}
}

func TestNPYLayoutsAreTheSameTable(t *testing.T) {
	big := binary.BigEndian.AppendUint32(nil, math.Float32bits(-1.5))
	big = binary.BigEndian.AppendUint32(big, math.Float32bits(4))
	for _, c := range []struct {
		name string
		file []byte
		x    []float64
	}{
		{"C order", datatest.NPY(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }",
			[]float64{1, 2, 3, 4, 5, 6}), []float64{1, 2, 3, 4, 5, 6}},
		{"Fortran order", datatest.NPY(1, "{'descr': '<f8', 'fortran_order': True, 'shape': (3, 2), }",
			[]float64{1, 3, 5, 2, 4, 6}), []float64{1, 2, 3, 4, 5, 6}},
		{"version 2, keys in another order", datatest.NPY(2, "{'shape': (1,2), 'fortran_order':False, 'descr':'<i2'}",
			[]int16{-7, 9}), []float64{-7, 9}},
		{"version 3", datatest.NPY(3, "{'descr': '|i1', 'fortran_order': False, 'shape': (1, 2), }\n", []int8{-7, 9}),
			[]float64{-7, 9}},
		{"big-endian floats", datatest.NPY(1, "{'descr': '>f4', 'fortran_order': False, 'shape': (1, 2), }", big),
			[]float64{-1.5, 4}},
	} {
		got, err := Read(datatest.WriteTemp(t, "t.npy", c.file), Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		checkTable(t, c.name, got, []string{"c0", "c1"}, c.x, nil)
	}
	file := datatest.NPY(1, "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }", []float64{1, 4, 2, 5, 0, 1})
	got, err := Read(datatest.WriteTemp(t, "t.npy", file), Options{Columns: []string{"c1"}, Label: "c2"})
	if err != nil {
		t.Fatal(err)
	}
	checkTable(t, "column and label of Fortran order", got, []string{"c1"}, []float64{2, 5}, []int32{0, 1})
}

func TestBadNPYIsReported(t *testing.T) {
	good := "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }"
	four := []float64{1, 2, 3, 4}
	for _, c := range []struct {
		file []byte
		want string
	}{
		{nil, "not an NPY file"},
		{[]byte("PK\x03\x04 something else"), "not an NPY file"},
		{datatest.NPY(9, good, four), "NPY format version 9; want 1, 2 or 3"},
		{datatest.NPY(1, good, four)[:9], "truncated within the NPY header"},
		{datatest.NPY(1, good, four)[:40], "truncated within the NPY header: 30 of 59 bytes"},
		{datatest.NPY(1, "{}", four), `NPY header "{}"; want descr`},
		{datatest.NPY(1, good, four[:3]), "truncated: 24 bytes after the header, want 32 for shape (2, 2) of <f8"},
		{datatest.NPY(1, good, append(four, 5)), "more bytes than the 32 of shape (2, 2)"},
		{datatest.NPY(1, strings.Replace(good, "<f8", "<c16", 1), four), `type "<c16"; want floats of 4 or 8 bytes`},
		{datatest.NPY(1, strings.Replace(good, "<f8", "|S3", 1), four), `type "|S3"`},
		{datatest.NPY(1, strings.Replace(good, "(2, 2)", "(2, 2, 1)", 1), four),
			"shape [2 2 1]; a table has 1 or 2 axes"},
		{datatest.NPY(1, strings.Replace(good, "(2, 2)", "()", 1), four[:1]), "shape []; a table has 1 or 2 axes"},
		{datatest.NPY(1, strings.Replace(good, "(2, 2)", "(0, 2)", 1), []float64{}), "shape [0 2] has no numbers"},
		{datatest.NPY(1, strings.Replace(good, "(2, 2)", "(4294967296, 4294967296)", 1), four), "too large"},
		{datatest.NPY(1, strings.Replace(good, "(2, 2)", "(9999999999999999999,)", 1), four), "too large"},
		{datatest.NPY(1, good, []float64{1, 2, 3, math.Inf(-1)}), `row 2, column "c1": -Inf is not finite`},
	} {
		_, err := Read(datatest.WriteTemp(t, "t.npy", c.file), Options{})
		datatest.WantError(t, c.want, err, c.want)
	}
}

type parquetRow struct {
	X float64 `parquet:"x"`
	Y float32 `parquet:"y"`
	I int32   `parquet:"i"`
	J int64   `parquet:"j"`
	U uint32  `parquet:"u"`
	K int8    `parquet:"k"`
	P struct {
		Z *float64 `parquet:"z,optional"`
	} `parquet:"p"`
	S string    `parquet:"s"`
	L []float64 `parquet:"l"`
	D int32     `parquet:"d,date"`
	B bool      `parquet:"b"`
}

func parquetFile(t testing.TB, rows []parquetRow) []byte {
	t.Helper()
	var b bytes.Buffer
	// Small pages and several row groups, as large files have them.
	w := parquet.NewGenericWriter[parquetRow](&b, parquet.PageBufferSize(64), parquet.MaxRowsPerRowGroup(300))
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func parquetRows(n int) []parquetRow {
	rows := make([]parquetRow, n)
	for i := range rows {
		rows[i] = parquetRow{X: float64(i) / 3, Y: float32(i) / 2, I: int32(-i), J: int64(i) << 33, U: math.MaxUint32,
			K: int8(i % 3), S: "text"}
		rows[i].P.Z = new(float64(i * i))
	}
	return rows
}

func TestParquetColumnsOfEveryNumericTypeAreRead(t *testing.T) {
	const n = 1000
	path := datatest.WriteTemp(t, "t.parquet", parquetFile(t, parquetRows(n)))
	columns := []string{"j", "x", "p.z", "y", "u", "i"}
	got, err := Read(path, Options{Columns: columns, Label: "k"})
	if err != nil {
		t.Fatal(err)
	}
	var x []float64
	var label []int32
	for i := range n {
		f := float64(i)
		x = append(x, math.Ldexp(f, 33), f/3, f*f, f/2, math.MaxUint32, -f)
		label = append(label, int32(i%3))
	}
	checkTable(t, "parquet", got, columns, x, label)
}

func TestBadParquetIsReportedWithRowAndColumn(t *testing.T) {
	rows := parquetRows(700)
	rows[650].P.Z = nil
	rows[3].X = math.NaN()
	good := parquetFile(t, rows)
	path := datatest.WriteTemp(t, "t.parquet", good)
	for _, c := range []struct{ column, want string }{
		{"p.z", `row 651, column "p.z": the value is null`},
		{"x", `row 4, column "x": NaN is not finite`},
		{"s", `column "s": is of type STRING; want integers or floats`},
		{"d", `column "d": is of type DATE`},
		{"b", `column "b": is of type BOOLEAN`},
		{"l", `column "l": holds lists`},
		{"nope", `no column "nope"; the columns are`},
	} {
		_, err := Read(path, Options{Columns: []string{c.column}})
		datatest.WantError(t, c.column, err, c.want)
	}
	for name, file := range map[string][]byte{"empty": nil, "text": []byte("x,y\n1,2\n"),
		"cut short": good[:len(good)/2]} {
		_, err := Read(datatest.WriteTemp(t, "t.parquet", file), Options{})
		datatest.WantError(t, name, err, "not a Parquet file")
	}
	// Damage in the middle must end in an error or in a table, never in a panic.
	for at := 4; at < len(good); at += 97 {
		bad := slices.Clone(good)
		bad[at] ^= 0xff
		decodeParquet(bytes.NewReader(bad), int64(len(bad)), "t.parquet", Options{Columns: []string{"y", "j"}})
	}
}

func TestFingerprintsOfTablesFollowTheirNumbers(t *testing.T) {
	read := func(name, text string, opts Options) string {
		t.Helper()
		got, err := Read(datatest.WriteTemp(t, name, []byte(text)), opts)
		if err != nil {
			t.Fatal(err)
		}
		return got.Fingerprint()
	}
	first := read("a.csv", "x,y\n1,2\n3,4\n", Options{})
	if len(first) != len("sha256:")+64 {
		t.Errorf("fingerprint %q", first)
	}
	for name, same := range map[string]string{
		"another file":      read("b.csv", "x,y\n1,2\n3,4\n", Options{}),
		"written otherwise": read("c.tsv", "a\tb\n1.0\t2e0\n3\t4\n", Options{}),
	} {
		if same != first {
			t.Errorf("%s: the fingerprint of the same numbers differs", name)
		}
	}
	for name, other := range map[string]string{
		"a number":  read("a.csv", "x,y\n1,2\n3,5\n", Options{}),
		"the shape": read("a.csv", "x\n1\n2\n3\n4\n", Options{}),
		"a label":   read("a.csv", "x,y,k\n1,2,0\n3,4,1\n", Options{Label: "k"}),
	} {
		if other == first {
			t.Errorf("%s: the fingerprint is the same", name)
		}
	}
}

// A file without names takes those of the columns asked for, if these are all of its columns, and says so.
func TestColumnsWithoutNamesTakeThoseAskedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fire.csv")
	if err := os.WriteFile(path, []byte("# where\n-25.5,152.25\n-30,150.5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path, Options{Columns: []string{"latitude", "longitude"}, Comments: true})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Columns, []string{"latitude", "longitude"}) || got.X.N != 2 || got.X.X[1] != 152.25 ||
		len(got.Notes) != 1 || !strings.Contains(got.Notes[0], `in their order they are "latitude", "longitude"`) {
		t.Errorf("%+v", got)
	}
	if _, err = Read(path, Options{Columns: []string{"latitude"}, Comments: true}); err == nil {
		t.Error("one name of two columns is no error")
	}
}
