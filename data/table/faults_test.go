package table

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"flowmatch/data/internal/datatest"
)

// readText reads a text as the file t.csv.
func readText(t *testing.T, text string, opts Options) (Table, error) {
	t.Helper()
	return Read(datatest.WriteTemp(t, "t.csv", []byte(text)), opts)
}

func TestALineThatMayBeAHeaderIsAsked(t *testing.T) {
	const may = "may be the names of the columns or a row of values; say header: true or header: false"
	for _, c := range []struct {
		text string
		want string // the error, or the columns and the number of rows
	}{
		{"0,1\n0.5,2\n", may}, // as pandas writes columns without names
		{"0,1,2\n5,6,7\n", may},
		{"1,2,3\n5,6,7\n", may},
		{"2019,2020,2021\n0.5,0.25,1e3\n", may},
		{"10,50,90\n0.1,0.2,0.3\n0.2,0.3,0.4\n", may}, // alone in having whole numbers
		{"0\n1.5\n2.5\n", may},
		{"3,1\n0.5,2\n", "[c0 c1] 2"}, // a row further down has a whole number, too
		{"1,2\n3,4\n", "[c0 c1] 2"},
		{"0.0,1.0\n0.5,2\n", "[c0 c1] 2"},
		{"0,0,1\n5,6,7.5\n", "[c0 c1 c2] 2"}, // no names, which must differ
		{"0,1,2\n", "[c0 c1 c2] 1"},          // there is no row but this one
		{",0\n0,0.5\n1,2\n", may},            // as pandas writes an index and a column without a name
		{",0,1\n0,0.5,2\n1,3,4\n", may},
		{",10,50\n0,0.1,0.2\n1,0.3,0.4\n", may},
		{",10,50\n0,0.1,2\n1,0.3,0.4\n", "[c0 c1 c2] 2"}, // a value that is missing
		{"01,02,03\n5,6,7\n", "[c0 c1 c2] 2"},
	} {
		got, err := readText(t, c.text, Options{DropMissing: true})
		if err != nil {
			datatest.WantError(t, c.text, err, c.want)
		} else if s := fmt.Sprint(got.Columns, " ", got.X.N); s != c.want {
			t.Errorf("%q: got %s, want %s", c.text, s, c.want)
		}
	}
	for header, want := range map[bool]string{true: "[0 1 2] 1 true", false: "[c0 c1 c2] 2 false"} {
		got, err := readText(t, "0,1,2\n5,6,7\n", Options{Header: &header})
		if s := fmt.Sprint(got.Columns, " ", got.X.N, got.Header); err != nil || s != want {
			t.Errorf("header: %v: got %s (error %v), want %s", header, s, err, want)
		}
	}
}

func TestAQuoteThatIsNotClosedIsToldWhereItBegan(t *testing.T) {
	text := "x,y\n1,2\n3,\"4\n" + strings.Repeat("5,6\n", 1000)
	_, err := readText(t, text, Options{})
	datatest.WantError(t, "to the end", err,
		"line 3: a quote opens in the row that begins here, and line 1003 is still")
	_, err = readText(t, text+"7,\"8\"\n", Options{})
	datatest.WantError(t, "to another quote", err, "line 3: a quote opens in the row that begins here, and line 1004")
}

func TestColumnsThatLoseWhatTheyHoldAreNoted(t *testing.T) {
	got, err := readText(t, "id,x\n9007199254740993,1e3\n9007199254740992,0.5\n12,-9007199254740995\n", Options{})
	want := []string{`column "id": 2 whole numbers of 2^53 or more, the first of them in line 2,`,
		`column "x": 1 whole numbers of 2^53 or more, the first of them in line 4,`}
	if err != nil || len(got.Notes) != 2 || !strings.HasPrefix(got.Notes[0], want[0]) ||
		!strings.HasPrefix(got.Notes[1], want[1]) {
		t.Errorf("CSV: notes %q (error %v)", got.Notes, err)
	}
	got, err = Read(datatest.WriteTemp(t, "t.npy", datatest.NPY(1,
		"{'descr': '<i8', 'fortran_order': False, 'shape': (2, 2), }", []int64{1, 1 << 60, 2, 3})), Options{})
	if err != nil || len(got.Notes) != 1 || !strings.HasPrefix(got.Notes[0], `column "c1": 1 whole numbers`) {
		t.Errorf("NPY: notes %q (error %v)", got.Notes, err)
	}
	got, err = Read(datatest.WriteTemp(t, "t.npy", datatest.NPY(1,
		"{'descr': '>u8', 'fortran_order': False, 'shape': (2, 1), }", []int64{-1, -2})), Options{})
	if err != nil || len(got.Notes) != 1 || !strings.HasPrefix(got.Notes[0], `column "c0": 2 whole numbers`) {
		t.Errorf("NPY of uint64: notes %q (error %v)", got.Notes, err)
	}
	rows := []struct {
		ID int64
		U  uint64
		X  float64
	}{{1<<53 + 1, 1<<64 - 1, 1e30}, {1, 1<<64 - 2, 2}}
	got, err = readRows(t, rows)
	if err != nil || len(got.Notes) != 2 || !strings.HasPrefix(got.Notes[0], `column "ID": 1 whole numbers`) ||
		!strings.HasPrefix(got.Notes[1], `column "U": 2 whole numbers`) {
		t.Errorf("Parquet: notes %q (error %v)", got.Notes, err)
	}
}

// readRows reads rows that are written as Parquet.
func readRows[T any](t *testing.T, rows []T) (Table, error) {
	t.Helper()
	var b bytes.Buffer
	if err := parquet.Write(&b, rows); err != nil {
		t.Fatal(err)
	}
	return Read(datatest.WriteTemp(t, "t.parquet", b.Bytes()), Options{})
}

// Columns are found by their names, also those of Parquet: of two called alike one would be lost.
func TestParquetColumnsOfOneNameAreAnError(t *testing.T) {
	_, err := readRows(t, []struct {
		A struct{ B float64 }
		C float64 `parquet:"A.B"`
	}{{}})
	datatest.WantError(t, "a path and a name", err, `schema, columns 1 and 2: both are called "A.B"`)
}

func TestAColumnThatCountsTheRowsIsNoted(t *testing.T) {
	var text strings.Builder
	text.WriteString("Unnamed: 0,x,y\n")
	for i := range 30 {
		fmt.Fprintf(&text, "%d,%g,%d\n", i+i/7, float64(i)/2, i%9)
	}
	got, err := readText(t, text.String(), Options{})
	if want := `column "Unnamed: 0" is a whole number that rises in every row`; err != nil || len(got.Notes) != 1 ||
		!strings.HasPrefix(got.Notes[0], want) {
		t.Errorf("notes %q (error %v)", got.Notes, err)
	}
}

// A filtered frame of pandas keeps its index as a column, and says so in the file.
func TestTheIndexOfPandasIsLeftOutAndSaid(t *testing.T) {
	type row struct {
		A, B  float64
		Index int64 `parquet:"__index_level_0__"`
	}
	write := func(pandas string) string {
		var b bytes.Buffer
		err := parquet.Write(&b, []row{{1, 2, 0}, {3, 4, 2}}, parquet.KeyValueMetadata("pandas", pandas))
		if err != nil {
			t.Fatal(err)
		}
		return datatest.WriteTemp(t, "t.parquet", b.Bytes())
	}
	named := write(`{"index_columns": ["__index_level_0__"], "columns": []}`)
	got, err := Read(named, Options{})
	if err != nil || !slices.Equal(got.Columns, []string{"A", "B"}) || !slices.Equal(got.X.X, []float64{1, 2, 3, 4}) ||
		len(got.Notes) != 1 || !strings.HasPrefix(got.Notes[0], `column "__index_level_0__" is the index of the rows`) {
		t.Errorf("columns %v, numbers %v, notes %q (error %v)", got.Columns, got.X.X, got.Notes, err)
	}
	got, err = Read(named, Options{Columns: []string{"A", "__index_level_0__"}})
	if err != nil || len(got.Columns) != 2 || len(got.Notes) != 0 {
		t.Errorf("asked for: columns %v, notes %q (error %v)", got.Columns, got.Notes, err)
	}
	for _, other := range []string{`{"index_columns": [{"kind": "range", "start": 0}]}`, `{"index_columns": ["gone"]}`,
		"no JSON", `{"index_columns": 3}`} {
		if got, err := Read(write(other), Options{}); err != nil || len(got.Columns) != 3 || len(got.Notes) != 0 {
			t.Errorf("%s: columns %v, notes %q (error %v)", other, got.Columns, got.Notes, err)
		}
	}
}

// repeated is an endless file of one character.
type repeated byte

func (r repeated) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(r)
	}
	return len(b), nil
}

func TestFilesWithoutAnEndAreErrors(t *testing.T) {
	head := strings.NewReader("x,y\n1,2\n")
	_, err := decodeCSV(io.MultiReader(head, repeated('7')), "t.csv", Options{})
	datatest.WantError(t, "no line ends", err, "after line 2: a row of more than 16 MiB; want one line for each row")
	_, err = decodeCSV(io.MultiReader(strings.NewReader("x,y\n1,\""), repeated('\n')), "t.csv", Options{})
	datatest.WantError(t, "an open quote", err, "16 MiB; want one line for each row, and quotes that are closed")

	link := filepath.Join(t.TempDir(), "zero.csv")
	if err := os.Symlink("/dev/zero", link); err != nil {
		t.Fatal(err)
	}
	_, err = Read(link, Options{})
	datatest.WantError(t, "a device", err, "zero.csv: is a device; want a file")
	for _, name := range []string{"folder.csv", "folder.parquet", "folder.npy"} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(path, 0o777); err != nil {
			t.Fatal(err)
		}
		_, err = Read(path, Options{})
		datatest.WantError(t, "a folder", err, name+": is a folder; want a file")
	}
	bomb := datatest.Gzipped(t, []byte(strings.Repeat("0.5,1\n", 12<<20))) // 72 MiB
	_, err = Read(datatest.WriteTemp(t, "bomb.csv.gz", bomb), Options{})
	datatest.WantError(t, "a bomb", err, "uncompressed, more than 80 times as many")
}

func TestColumnsThatHardlyChangeDoNotFillTheMemory(t *testing.T) {
	var b bytes.Buffer
	type row struct {
		X int32 `parquet:",delta"`
	}
	w := parquet.NewGenericWriter[row](&b, parquet.Compression(&parquet.Zstd))
	rows := make([]row, 1<<20)
	for range 48 {
		if _, err := w.Write(rows); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Read(datatest.WriteTemp(t, "t.parquet", b.Bytes()), Options{})
	datatest.WantError(t, fmt.Sprintf("48 million zeros in %d bytes", b.Len()), err, "50331648 rows of 1 columns in")
}

func TestTablesHaveSoManyColumns(t *testing.T) {
	_, err := readText(t, strings.Repeat("1,", maxColumns)+"1\n", Options{})
	datatest.WantError(t, "CSV", err, "line 1: 1048577 fields; want at most 1048576 columns")
	file := datatest.NPY(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1048577), }",
		make([]byte, maxColumns+1))
	_, err = Read(datatest.WriteTemp(t, "t.npy", file), Options{})
	datatest.WantError(t, "NPY", err, "want at most 1048576 columns")
}

func TestErrorsQuoteLittleOfTheInput(t *testing.T) {
	long := strings.Repeat("long\x1b[31m", 100_000)
	var names []string
	for i := range 20_000 {
		names = append(names, fmt.Sprintf("n%d", i))
	}
	for _, text := range []string{"x,y\n1," + long + "\n", long + "," + long + "\n1,2\n", long + ",y\nz,2\n",
		strings.Join(names, ",") + "\n" + strings.Repeat("1,", 20_000) + "\n",
		"x\n" + strings.Repeat("9", 400) + "\n"} {
		_, err := readText(t, text, Options{Columns: []string{"none"}})
		_, err2 := readText(t, text, Options{})
		for _, err := range []error{err, err2} {
			if err != nil && (len(err.Error()) > 700 || strings.Contains(err.Error(), "\x1b")) {
				t.Errorf("an error of %d bytes: %.200q", len(err.Error()), err)
			}
		}
	}
}

// The length of a footer is a claim, which 4 GB must not be made ready for.
func TestAFooterIsNotLongerThanItsFile(t *testing.T) {
	var b bytes.Buffer
	if err := parquet.Write(&b, []struct{ X float64 }{{1}, {2}}); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	if _, err := Read(datatest.WriteTemp(t, "t.parquet", whole), Options{}); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(b []byte) []byte{
		"long":  func(b []byte) []byte { b[len(b)-5] = 0xff; return b },
		"short": func(b []byte) []byte { return b[len(b)-8:] },
		"empty": func([]byte) []byte { return nil },
	} {
		_, err := Read(datatest.WriteTemp(t, "t.parquet", change(bytes.Clone(whole))), Options{})
		if err == nil || !strings.Contains(err.Error(), "not a Parquet file") {
			t.Errorf("%s: got %v, want that it is not a Parquet file", name, err)
		}
	}
}

// The library reads some LZ4 pages as zeros.
func TestLZ4IsRefused(t *testing.T) {
	type row struct{ X, Y float64 }
	var b bytes.Buffer
	w := parquet.NewGenericWriter[row](&b, parquet.Compression(&parquet.Lz4Raw))
	if _, err := w.Write([]row{{1, 2}, {3, 4}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Read(datatest.WriteTemp(t, "t.parquet", b.Bytes()), Options{})
	if err == nil || !strings.Contains(err.Error(), `"X" is compressed with LZ4_RAW`) {
		t.Errorf("got %v", err)
	}
}
