package table

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"flowmatch/data/schema"
)

// write writes a file into a new folder.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTextsOfTablesAreRead(t *testing.T) {
	for _, c := range []struct {
		name, file, text string
		names            string
		rows             int
		header           bool
	}{
		{"names", "a.csv", "x,who\n1,Ann\n2,Bob\n", "x who", 2, true},
		{"all text", "a.csv", "who,where\nAnn,Rome\nBob,Oslo\n", "who where", 2, true},
		{"no names", "a.csv", "5.1,3.5,setosa\n4.9,3.0,setosa\n", "c0 c1 c2", 2, false},
		{"names and numbers", "a.csv", "2019,2020,who\n1,2,Ann\n3,4,Bob\n", "c0 c1 c2", 3, false},
		{"some names are numbers", "a.csv", "id,2020,who\n1,2,Ann\n3,4,Bob\n", "id 2020 who", 2, true},
		{"semicolons", "a.csv", "x;y\n1,5;a\n2,5;b\n", "x y", 2, true},
		{"quotes", "a.csv", "\"the x\",\"y, too\"\n\"1\",\"a \"\"b\"\"\"\n", "the x y, too", 1, true},
		{"a pandas index", "a.csv", ",x\n0,1.5\n1,2.5\n", "Unnamed: 0 x", 2, true},
		{"tabs", "a.tsv", "x\ty\n1\ta b\n", "x y", 1, true},
	} {
		cells, err := ReadCells(write(t, c.file, c.text), Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := strings.Join(cells.Names, " "); got != c.names || cells.Rows != c.rows || cells.Header != c.header {
			t.Errorf("%s: %q, %d rows, header %v", c.name, got, cells.Rows, cells.Header)
		}
	}
}

// All faults of a file come in one message, at most twenty of them, and then a count.
func TestFaultsOfAFileAreToldTogether(t *testing.T) {
	var text strings.Builder
	text.WriteString("x,y\n")
	for i := range 400 {
		fmt.Fprintf(&text, "%d.5,%d\n", i, i%7)
	}
	for i := range 23 {
		fmt.Fprintf(&text, "bad%d,1\n", i)
	}
	_, _, err := Infer(write(t, "a.csv", text.String()), Options{}, schema.Options{})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"23 faults", "line 402, column \"x\": \"bad0\" is no number", "and 3 more"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	if n := strings.Count(err.Error(), "is no number"); n != 20 {
		t.Errorf("%d faults are told; want 20", n)
	}
	_, _, err = Infer(write(t, "c.csv", "x,y,z\n1,a,2\n1,a,3\n"), Options{}, schema.Options{Exclude: []string{"z"}})
	for _, want := range []string{"no column is left to learn", `column "y": all rows have "a"`,
		`"z": left out: in exclude`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	text.Reset()
	text.WriteString("x,y\n")
	for i := range 100 {
		fmt.Fprintf(&text, "%d,%d.5\n", i%9, i%7)
	}
	_, _, err = Infer(write(t, "d.csv", text.String()+"7,oh\n7,8,9\n7,inf\n"), Options{}, schema.Options{})
	if err == nil || !strings.Contains(err.Error(), "3 faults") ||
		!strings.Contains(err.Error(), "line 102, column \"y\"") ||
		strings.Index(err.Error(), "line 103: 3 fields") > strings.Index(err.Error(), "line 104, column") {
		t.Errorf("%v; want all of three kinds of faults, line by line", err)
	}
	known, _, err := Infer(write(t, "e.csv", text.String()), Options{}, schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = ReadTyped(write(t, "f.csv", "x,y\n7,oh\n7,8,9\n7,1.5\n"), Options{}, Typing{Known: known}, nil)
	for _, want := range []string{"2 faults", `line 2, column "y"`, "line 3: 3 fields"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	_, err = ReadCells(write(t, "b.csv", "x,y\n1,a\n1\n2,b\n1,2,3\n"), Options{})
	for _, want := range []string{"2 faults", "line 3: 1 fields; want 2", "line 5: 3 fields"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

func TestCellsThatCannotBeReadAreErrors(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"empty":          {"a.csv", "", "empty file"},
		"a header alone": {"a.csv", "x,y\n", "no rows of data"},
		"names twice":    {"a.csv", "x,x\n1,a\n", "both are called"},
		"a quote":        {"a.csv", "x,y\n1,\"a\n2,b\n", "a quote opens"},
		"an ending":      {"a.json", "{}", "is not that of a table"},
		"no Parquet":     {"a.parquet", "PAR1 nothing PAR1", "not a Parquet file"},
		"doubt":          {"a.csv", "0,1,2\n1.5,2.5,3.5\n", "header: true or header: false"},
	} {
		_, err := ReadCells(write(t, c.file, c.text), Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
}

// whole returns what keeps all rows, which come at once.
func whole(to *Cells) func(Cells) error {
	return func(c Cells) error {
		*to = c
		return nil
	}
}

// The columns of a Parquet file are texts as a CSV file has them.
func TestCellsOfParquet(t *testing.T) {
	type row struct {
		Whole int64     `parquet:"whole"`
		Real  *float64  `parquet:"real,optional"`
		Yes   bool      `parquet:"yes"`
		Name  string    `parquet:"name"`
		Day   int32     `parquet:"day,date"`
		At    time.Time `parquet:"at,timestamp(millisecond)"`
		Cost  int64     `parquet:"cost,decimal(2:12)"`
		Time  int64     `parquet:"time,time(microsecond)"`
		Short int32     `parquet:"short,time(millisecond)"`
	}
	half := 0.5
	var b bytes.Buffer
	err := parquet.Write(&b, []row{
		{1 << 60, &half, true, " Ann ", 19000, time.Unix(1700000000, 5e8), -5, 86399_500_000, 3_600_000},
		{-2, nil, false, "Bob", -1, time.Unix(0, 0), 12345, 0, 62_000},
	})
	if err != nil {
		t.Fatal(err)
	}
	var cells Cells
	_, err = decodeParquetCells(bytes.NewReader(b.Bytes()), int64(b.Len()), "a.parquet", math.MaxInt, whole(&cells))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][2]string{
		"whole": {"1152921504606846976", "-2"}, "real": {"0.5", ""}, "yes": {"true", "false"}, "name": {"Ann", "Bob"},
		"day": {"2022-01-08", "1969-12-31"}, "at": {"2023-11-14 22:13:20.500000", "1970-01-01 00:00:00"},
		"cost": {"-0.05", "123.45"}, "time": {"23:59:59.500000", "00:00:00"}, "short": {"01:00:00", "00:01:02"},
	}
	for c, name := range cells.Names {
		for i, w := range want[name] {
			if got := cells.Columns[c].Values[cells.Columns[c].Index[i]]; got != w {
				t.Errorf("%s of row %d is %q; want %q", name, i, got, w)
			}
		}
	}
	if len(cells.Names) != len(want) || cells.Rows != 2 {
		t.Errorf("%q, %d rows", cells.Names, cells.Rows)
	}
}

func TestParquetWithoutRowsSaysSo(t *testing.T) {
	var b bytes.Buffer
	if err := parquet.Write(&b, []struct{ X float64 }{}); err != nil {
		t.Fatal(err)
	}
	file := bytes.NewReader(b.Bytes())
	_, err := decodeParquetCells(file, int64(b.Len()), "a.parquet", math.MaxInt, whole(new(Cells)))
	if err == nil || !strings.Contains(err.Error(), "no rows of data") {
		t.Error(err)
	}
}

// A column of lists is an error, unless it is left out.
func TestListsOfParquetCanBeLeftOut(t *testing.T) {
	type row struct {
		X float64
		L []int64 `parquet:"l,list"`
	}
	var b bytes.Buffer
	if err := parquet.Write(&b, []row{{1.5, []int64{1, 2}}, {2.5, nil}, {4, []int64{3}}}); err != nil {
		t.Fatal(err)
	}
	path := write(t, "a.parquet", b.String())
	_, _, err := Infer(path, Options{}, schema.Options{})
	if err == nil || !strings.Contains(err.Error(), `"l.list.element" holds lists; want one value a row, or leave`) {
		t.Error(err)
	}
	for _, o := range []schema.Options{{Exclude: []string{"l.list.element"}}, {Columns: []string{"X"}},
		{Kinds: map[string]string{"l.list.element": "identifier"}}} {
		s, _, err := Infer(path, Options{}, o)
		if err != nil || len(s.Learnt()) != 1 {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestDecimalsOfBytesAreTwosComplement(t *testing.T) {
	for _, c := range []struct {
		bytes []byte
		want  int64
	}{{[]byte{0xff}, -1}, {[]byte{0x00, 0xff}, 255}, {[]byte{0x80, 0x00}, -32768}, {nil, 0}} {
		if got := unscaled(parquet.ByteArray, parquet.ByteArrayValue(c.bytes)); got.Cmp(big.NewInt(c.want)) != 0 {
			t.Errorf("%x is %v; want %d", c.bytes, got, c.want)
		}
	}
}

// TestTextsAreUTF8: a level of another encoding could not be kept by a checkpoint, which is JSON.
func TestTextsAreUTF8(t *testing.T) {
	file := filepath.Join(t.TempDir(), "latin.csv")
	if err := os.WriteFile(file, []byte("a,b\n1,caf\xe9\n2,tea\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := ReadCells(file, Options{})
	if err == nil || !strings.Contains(err.Error(), "line 2") || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("a text in Latin-1: %v", err)
	}
}

// TestAFirstLineLikeTheRowsIsInDoubt: it may be the first of them, and no names.
func TestAFirstLineLikeTheRowsIsInDoubt(t *testing.T) {
	for text, want := range map[string]bool{
		"2024-01-01,A\n2024-02-01,B\n2024-03-01,A\n": true,
		"\"1,0\",B\n\"2,5\",A\n\"3,5\",B\n":          true,
		"yes,A\nno,B\nyes,A\nno,A\n":                 true,
		"day,kind\n2024-02-01,B\n2024-03-01,A\n":     false,
		"other,kind\nother,B\nnone,A\n":              false, // one column has a level of its own name
	} {
		_, err := ReadCells(write(t, "t.csv", text), Options{})
		if got := err != nil && strings.Contains(err.Error(), "say header"); got != want {
			t.Errorf("%q: %v", text, err)
		}
		yes := true
		if _, err := ReadCells(write(t, "t.csv", text), Options{Header: &yes}); err != nil {
			t.Errorf("%q, with a header: %v", text, err)
		}
	}
}
