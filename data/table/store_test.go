package table

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"flowmatch/data"
	"flowmatch/data/internal/datatest"
	"flowmatch/flow"
	"flowmatch/internal/diskcache"
	"flowmatch/internal/seed"
)

// numbers is a text of n rows of 4 columns, of which the last is of classes, with gaps on request.
func numbers(n int, quoted, gaps bool) []byte {
	var b bytes.Buffer
	rng := seed.Rand(1, "test", 0)
	b.WriteString("a,b,c,k\n")
	for i := range n {
		x := fmt.Sprint(rng.NormFloat64())
		if gaps && i%17 == 3 {
			x = ""
		}
		if quoted && i == n-1 {
			x = `"` + x + `"`
		}
		fmt.Fprintf(&b, "%s,%d,%.3f,%d\n", x, i, rng.NormFloat64(), []int{1, 2, 7}[rng.IntN(3)])
		if i == n/2 {
			b.WriteString("\n") // lines and rows fall out of step
		}
	}
	return b.Bytes()
}

// arrays of n rows of 3 numbers of every kind that is read.
func arrays(n int) map[string][]byte {
	x := make([]float64, 3*n)
	rng := seed.Rand(2, "test", 0)
	small, whole := make([]float32, len(x)), make([]int32, len(x))
	for i := range x {
		x[i] = rng.NormFloat64()
		small[i], whole[i] = float32(x[i]), int32(rng.IntN(1e6))
	}
	head := func(kind string, fortran string) string {
		return fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': (%d, 3), }", kind, fortran, n)
	}
	big, _ := binary.Append(datatest.NPY(1, head(">f8", "False"), []float64{}), binary.BigEndian, x)
	return map[string][]byte{
		"f8.npy": datatest.NPY(1, head("<f8", "False"), x), "f4.npy": datatest.NPY(1, head("<f4", "False"), small),
		"i4.npy": datatest.NPY(1, head("<i4", "False"), whole), "fortran.npy": datatest.NPY(1, head("<f8", "True"), x),
		"big.npy": big,
	}
}

// sameTable reports tables that differ in what they hold or say of it.
func sameTable(t *testing.T, what string, got, want Table) {
	t.Helper()
	if path, size := got.Stored(); path == "" || size < 1 {
		t.Errorf("%s: it is held in memory", what)
	}
	if got.X.X != nil || got.Context.X != nil {
		t.Errorf("%s: numbers are held in memory", what)
	}
	a, b := got.Points(), want.Points()
	if a.Len() != b.Len() || a.Dim() != b.Dim() || a.Classes() != b.Classes() || a.Context() != b.Context() {
		t.Fatalf("%s: [%d, %d], want [%d, %d]", what, a.Len(), a.Dim(), b.Len(), b.Dim())
	}
	index := rand.New(rand.NewPCG(1, 2)).Perm(a.Len())
	index = append(index, 0, 0, a.Len()-1) // rows twice, and out of order
	read := func(f data.Finite) (flow.Batch, flow.Given) {
		x, given := flow.NewBatch(len(index), f.Dim()), flow.NewGiven(len(index), f.Classes() > 0, f.Context())
		if err := f.Read(x, given, index, nil); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return x, given
	}
	x, given := read(a)
	y, of := read(b)
	if !reflect.DeepEqual(x, y) || !reflect.DeepEqual(given, of) {
		t.Errorf("%s: other numbers", what)
	}
	for _, row := range []int{0, 5, a.Len() / 2, a.Len() - 1} {
		if got.Where(row) != want.Where(row) {
			t.Errorf("%s: row %d is in %q, want %q", what, row, got.Where(row), want.Where(row))
		}
	}
	if g, w := got.Fingerprint(), want.Fingerprint(); g != w {
		t.Errorf("%s: fingerprint %s, want %s", what, g, w)
	}
	say := func(t Table) string {
		return fmt.Sprintf("%q %q %q %v %d %v %v %q", t.Columns, t.ContextColumns, t.ClassNames, t.Header, t.Read,
			t.Left, t.Shape, t.Notes)
	}
	if g, w := say(got), say(want); g != w {
		t.Errorf("%s:\n%s, want\n%s", what, g, w)
	}
}

// watching collects what is said.
func watching() (*data.Watch, *[]string) {
	var said []string
	return &data.Watch{Say: func(text string) { said = append(said, text) }}, &said
}

func TestAStoredTableIsTheOneThatIsRead(t *testing.T) {
	t.Setenv(diskcache.DirVar, filepath.Join(t.TempDir(), "cache"))
	contents := map[string][]byte{"plain.csv": numbers(9000, false, false), "quoted.csv": numbers(9000, true, false),
		"gaps.csv": numbers(9000, false, true), "gaps-quoted.csv": numbers(9000, true, true),
		"zipped.csv.gz": datatest.Gzipped(t, numbers(9000, false, false)),
		"rows.parquet":  parquetFile(t, parquetRows(1000))}
	for name, b := range arrays(9001) {
		contents[name] = b
	}
	dir := datatest.WriteFiles(t, contents)
	labelled := Options{Label: "k", Context: []string{"c"}}
	dropped := labelled
	dropped.DropMissing = true
	for name, all := range map[string][]Options{
		"plain.csv": {{}, labelled, {Columns: []string{"c", "a"}}}, "quoted.csv": {{}, labelled},
		"gaps.csv": {dropped}, "gaps-quoted.csv": {dropped}, "zipped.csv.gz": {labelled},
		"rows.parquet": {{Columns: []string{"j", "x", "p.z", "y"}, Context: []string{"i"}, Label: "k"},
			{Columns: []string{"x"}}},
		"f8.npy": {{}, {Columns: []string{"c2", "c0"}}, {Context: []string{"c1"}}}, "f4.npy": {{}, {DropMissing: true}},
		"i4.npy": {{}}, "fortran.npy": {{}, {Columns: []string{"c1"}}}, "big.npy": {{}},
	} {
		for k, opts := range all {
			path, what := filepath.Join(dir, name), fmt.Sprintf("%s, options %d", name, k)
			want, err := Read(path, opts)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			for _, time := range []string{"first", "second"} {
				watch, said := watching()
				got, err := Store(path, opts, watch)
				if err != nil {
					t.Fatalf("%s, %s time: %v", what, time, err)
				}
				sameTable(t, what+", "+time+" time", got, want)
				held, err := got.Hold()
				if err != nil || !reflect.DeepEqual(held.X, want.X) || !reflect.DeepEqual(held.Context, want.Context) {
					t.Errorf("%s: held in memory it is another (%v)", what, err)
				}
				if time == "second" && len(*said) > 0 {
					t.Errorf("%s is copied again: %q", what, *said)
				}
			}
		}
	}
}

// A copy of another state of the file is not used, and a damaged one is made anew.
func TestAnOldOrDamagedCopyIsMadeAnew(t *testing.T) {
	cache := t.TempDir()
	t.Setenv(diskcache.DirVar, cache)
	path := datatest.WriteTemp(t, "a.csv", []byte("a,b\n1,2\n3,5\n"))
	first := func(want float64) []string {
		t.Helper()
		watch, said := watching()
		got, err := Store(path, Options{}, watch)
		if err != nil {
			t.Fatal(err)
		}
		x, _, err := data.Rows(got.Points(), 0, 1, nil)
		if err != nil || x.X[0] != want {
			t.Errorf("%v (%v), want %g", x.X, err, want)
		}
		return *said
	}
	first(1)
	if err := os.WriteFile(path, []byte("a,b\n9,2\n3,5\n"), 0o666); err != nil { // as long as before
		t.Fatal(err)
	}
	if err := os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if said := first(9); len(said) != 1 {
		t.Errorf("of a file that has changed it says %q", said)
	}
	for _, damage := range []struct {
		ending string
		do     func(b []byte) []byte
	}{
		{rowsEnding, func(b []byte) []byte { return b[:len(b)-1] }},
		{rowsEnding, func(b []byte) []byte { b[len(storeMark)] ^= 1; return b }},
		{headEnding, func(b []byte) []byte { return b[:len(b)/2] }},
		{rowsEnding, func([]byte) []byte { return nil }},
	} {
		names, err := filepath.Glob(diskcache.Cache{Dir: cache}.Path("*" + damage.ending))
		if err != nil || len(names) != 1 {
			t.Fatalf("%q (%v)", names, err)
		}
		b, err := os.ReadFile(names[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(names[0], damage.do(b), 0o666); err != nil {
			t.Fatal(err)
		}
		if said := strings.Join(first(9), "; "); !strings.Contains(said, "is damaged") {
			t.Errorf("of a damaged copy it says %q", said)
		}
		if said := first(9); len(said) > 0 {
			t.Errorf("made anew it says %q", said)
		}
	}
}

// What is wrong with a file is told as by Read, and there is no copy of it.
func TestFaultsOfStoredTables(t *testing.T) {
	cache := t.TempDir()
	t.Setenv(diskcache.DirVar, cache)
	short := arrays(10)["f8.npy"]
	whole := datatest.NPY(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1), }", []float64{1, 0})
	dir := datatest.WriteFiles(t, map[string][]byte{
		"word.csv":      []byte("a,b\n1,2\n3,x\n"),
		"label.csv":     []byte("a,k\n1,0\n3,0.5\n"),
		"gap.csv":       []byte("a\n1\n\"\"\n"),
		"short.npy":     short[:len(short)-1],
		"none.csv":      []byte("a,b\n"),
		"book.xlsx":     []byte("x"),
		"f.npy":         whole,
		"packed.npy.gz": datatest.Gzipped(t, short),
	})
	for name, opts := range map[string]Options{"word.csv": {}, "label.csv": {Label: "k"}, "gap.csv": {},
		"short.npy": {}, "none.csv": {}, "book.xlsx": {}, "f.npy": {Columns: []string{"c7"}}, "missing.csv": {}} {
		path := filepath.Join(dir, name)
		_, want := Read(path, opts)
		if want == nil {
			t.Fatalf("%s can be read", name)
		}
		if _, err := Store(path, opts, nil); err == nil || name != "missing.csv" && err.Error() != want.Error() {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	_, err := Store(filepath.Join(dir, "packed.npy.gz"), Options{}, nil)
	datatest.WantError(t, "a compressed array", err, "uncompress it")
	if left, _ := filepath.Glob(diskcache.Cache{Dir: cache}.Path("*")); len(left) > 0 {
		t.Errorf("left in the cache: %q", left)
	}
	path := filepath.Join(dir, "good.csv")
	if err := os.WriteFile(path, numbers(2000, false, false), 0o666); err != nil {
		t.Fatal(err)
	}
	t.Setenv(diskcache.SizeVar, "10kB")
	_, err = Store(path, Options{}, nil)
	datatest.WantError(t, "a cache that is too small", err, diskcache.SizeVar)
	t.Setenv(diskcache.SizeVar, "many")
	_, err = Store(path, Options{}, nil)
	datatest.WantError(t, "no size", err, `"many" is no size`)
	t.Setenv(diskcache.SizeVar, "")
	t.Setenv(diskcache.DirVar, path)
	_, err = Store(path, Options{}, nil)
	datatest.WantError(t, "a file in the place of the folder", err, diskcache.DirVar)
}

// A file that shrinks while it is open is an error, and so is one that comes to hold other things than numbers.
func TestAFileThatChangesUnderItsTable(t *testing.T) {
	t.Setenv(diskcache.DirVar, t.TempDir())
	content := arrays(2000)["f8.npy"]
	path := datatest.WriteTemp(t, "a.npy", content)
	got, err := Store(path, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(bytes.Repeat([]byte{255}, 8), int64(len(content)-2000*3*8)); err != nil {
		t.Fatal(err)
	}
	_, _, err = data.Rows(got.Points(), 0, 1, nil)
	datatest.WantError(t, "no numbers", err, "not finite")
	if err := f.Truncate(1000); err != nil {
		t.Fatal(err)
	}
	_, _, err = data.Rows(got.Points(), 1990, 2000, nil)
	datatest.WantError(t, "a shorter file", err, "has changed since it was opened")
}
