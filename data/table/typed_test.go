package table

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"flowmatch/data/internal/datatest"
	"flowmatch/data/schema"
	"flowmatch/flow"
)

// mixed writes tables of n rows with columns of kinds, as text, Parquet and, of the numbers alone, NPY.
func mixed(t *testing.T, n int) (paths []string) {
	t.Helper()
	type row struct {
		X    *float64
		Name string
		Many int64
		Tags []string
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var rows []row
	var text bytes.Buffer
	text.WriteString("X,Name,Many\n\n")
	numbers := make([]float64, 0, 2*n)
	for i := range n {
		r := row{Name: []string{"Ann", " Bob ", "Cy, the 3rd"}[rng.IntN(3)], Many: rng.Int64N(1 << 40)}
		x := rng.NormFloat64()
		if i%10 > 0 {
			r.X = &x
			fmt.Fprintf(&text, "%v", x)
		} else {
			x = math.NaN()
		}
		fmt.Fprintf(&text, ",%q,%d\n", r.Name, r.Many)
		rows, numbers = append(rows, r), append(numbers, x, float64(r.Many))
	}
	var file bytes.Buffer
	w := parquet.NewGenericWriter[row](&file, parquet.MaxRowsPerRowGroup(700))
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	columns := make([]float64, 0, 2*n)
	for c := range 2 {
		for i := range n {
			columns = append(columns, numbers[2*i+c])
		}
	}
	head := "{'descr': '<f8', 'fortran_order': %s, 'shape': (%d, 2), }"
	dir := datatest.WriteFiles(t, map[string][]byte{"a.csv": text.Bytes(), "a.parquet": file.Bytes(),
		"a.npy":       datatest.NPY(1, fmt.Sprintf(head, "False", n), numbers),
		"fortran.npy": datatest.NPY(1, fmt.Sprintf(head, "True", n), columns),
		"a.npy.gz":    datatest.Gzipped(t, datatest.NPY(1, fmt.Sprintf(head, "False", n), numbers))})
	for _, name := range []string{"a.csv", "a.parquet", "a.npy", "fortran.npy", "a.npy.gz"} {
		paths = append(paths, filepath.Join(dir, name))
	}
	return paths
}

// Cells that come in pieces are those that come at once, and so are the numbers that they stand for.
func TestATableOfKindsIsReadInPieces(t *testing.T) {
	for _, path := range mixed(t, 2000) {
		all, err := ReadCells(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, rows := range []int{1, 300, 2000, 5000} {
			var texts [][]string
			info, err := EachCells(path, Options{}, rows, func(c Cells) error {
				if c.Rows > rows && filepath.Ext(path) != ".gz" {
					t.Fatalf("%s: %d rows in pieces of %d", path, c.Rows, rows)
				}
				for i := range c.Rows {
					texts = append(texts, rowOf(c, i))
				}
				return nil
			})
			if err != nil || info.Header != all.Header || !reflect.DeepEqual(info.Names, all.Names) ||
				!reflect.DeepEqual(info.Unread, all.Unread) || info.Where(1999) != all.Where(1999) {
				t.Fatalf("%s: %+v (%v)", path, info, err)
			}
			if len(texts) != all.Rows {
				t.Fatalf("%s: %d rows in pieces of %d; want %d", path, len(texts), rows, all.Rows)
			}
			for i := range texts {
				if want := rowOf(all, i); !reflect.DeepEqual(texts[i], want) {
					t.Fatalf("%s: row %d is %q in pieces of %d; want %q", path, i, texts[i], rows, want)
				}
			}
		}
		samePieces(t, path)
	}
}

// rowOf returns the texts of a row.
func rowOf(c Cells, row int) (fields []string) {
	for _, t := range c.Columns {
		fields = append(fields, t.Values[t.Index[row]])
	}
	return fields
}

// samePieces reports a table that is another when its cells do not all fit into memory.
func samePieces(t *testing.T, path string) {
	t.Helper()
	var read [2]Typed
	var x [2][]float64
	for i, need := range []float64{0, 1e12} {
		r := typedReader{path: path, need: need, how: Typing{Options: schema.Options{Exclude: tags(path)}}}
		var err error
		read[i], err = r.read(func(part flow.Batch) error {
			x[i] = append(x[i], part.X...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if (r.whole == nil) != (need > 0) {
			t.Fatalf("%s: all cells held: %v", path, r.whole != nil)
		}
		read[i].Where = nil
	}
	for i := range x[0] {
		if math.Float64bits(x[0][i]) != math.Float64bits(x[1][i]) {
			t.Fatalf("%s: number %d is %g and %g", path, i, x[0][i], x[1][i])
		}
	}
	if !reflect.DeepEqual(read[0], read[1]) || len(x[0]) != len(x[1]) || len(x[0]) < 4000 {
		t.Errorf("%s: %+v, in pieces %+v (%d and %d numbers)", path, read[0], read[1], len(x[0]), len(x[1]))
	}
}

// tags are the columns of a file that cannot be texts.
func tags(path string) []string {
	if filepath.Ext(path) == ".parquet" {
		return []string{"Tags"}
	}
	return nil
}

// A table with faults, or of other columns than are known, is the same error in pieces, with the same places.
func TestFaultsOfATableInPieces(t *testing.T) {
	good := write(t, "good.csv", "x,k\n1.5,a\n2.5,b\n3.5,c\n")
	s, _, err := Infer(good, Options{}, schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"levels": {"x,k\n1,a\n2,z\n3,z\n",
			`line 3, column "k": "z" is none of the levels, "a", "b", "c" (2 cells)`},
		"two faults": {"x,k\n1,a\nq,z\n", `line 3, column "x": "q" is no number`},
		"a column":   {"x,y\n1,a\n", `no column "k"`},
		"a row":      {"x,k\n1,a\n2\n", "line 3: 1 fields; want 2"},
	} {
		path := write(t, "bad.csv", c.text)
		for _, need := range []float64{0, 1e12} {
			r := typedReader{path: path, need: need, how: Typing{Known: s}}
			_, err := r.read(func(flow.Batch) error { return nil })
			datatest.WantError(t, name, err, c.want)
		}
	}
}

// A copy of a table is made once, and is found with the schema that it was made with; one of a file that changed is
// made anew.
func TestTheCopyOfATableOfKinds(t *testing.T) {
	t.Setenv("FLOWMATCH_CACHE", t.TempDir())
	path := write(t, "a.csv", strings.Repeat("1.5,a\n2.5,b\n,c\n", 20))
	no := Options{Header: new(false)}
	first, err := StoreTyped(path, no, Typing{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := StoreTyped(path, no, Typing{}, nil)
	if err != nil || !reflect.DeepEqual(again.Schema, first.Schema) || again.Fingerprint() != first.Fingerprint() {
		t.Fatalf("%+v (%v), want %+v", again.Schema, err, first.Schema)
	}
	held, err := ReadTyped(path, no, Typing{}, nil)
	if err != nil || held.Fingerprint() != first.Fingerprint() || again.Where(3) != held.Where(3) {
		t.Errorf("held: %v", err)
	}
	x, err := again.Rows([]int{2, 0})
	if want := []float64{math.NaN(), 2, 0, 0}; err != nil || fmt.Sprint(x.X) != fmt.Sprint(want) {
		t.Errorf("%v (%v), want %v", x.X, err, want)
	}
	other, err := StoreTyped(path, no, Typing{Options: schema.Options{Kinds: map[string]string{"c1": "ordered"}}}, nil)
	if err != nil || other.Schema.Columns[1].Kind != schema.Ordered {
		t.Errorf("of another kind: %+v (%v)", other.Schema, err)
	}
	if err := os.WriteFile(path, []byte(strings.Repeat("7.5,d\n8,e\n", 20)), 0o666); err != nil {
		t.Fatal(err)
	}
	if fresh, err := StoreTyped(path, no, Typing{}, nil); err != nil || fresh.X.N != 40 ||
		fresh.Fingerprint() == first.Fingerprint() {
		t.Errorf("of a file that changed: %d rows (%v)", fresh.X.N, err)
	}
}
