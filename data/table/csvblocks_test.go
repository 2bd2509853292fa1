package table

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// tablesAlike compares the table of the blocks with that of the reader of rows.
func tablesAlike(t *testing.T, text string, opts Options, plain bool) {
	t.Helper()
	want, wantErr := decodeCSV(strings.NewReader(text), "a.csv", opts)
	got, is, err := decodePlain(strings.NewReader(text), "a.csv", opts)
	if is != plain {
		t.Fatalf("%.60q is plain: %v; want %v", text, is, plain)
	}
	if !plain {
		return
	}
	if fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Fatalf("%.60q: error %v; want %v", text, err, wantErr)
	}
	if err != nil {
		return
	}
	if len(got.X.X) != len(want.X.X) {
		t.Fatalf("%.60q: %d numbers; want %d", text, len(got.X.X), len(want.X.X))
	}
	for i, v := range got.X.X {
		if math.Float64bits(v) != math.Float64bits(want.X.X[i]) {
			t.Fatalf("%.60q: number %d is %v; want %v", text, i, v, want.X.X[i])
		}
	}
	for _, row := range []int{0, got.X.N / 2, got.X.N - 1} {
		if a, b := got.Where(row), want.Where(row); a != b {
			t.Errorf("row %d is at %s; want %s", row, a, b)
		}
	}
	got.X, got.Where, want.Where = want.X, nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%.60q: got %+v; want %+v", text, got, want)
	}
}

func TestBlocksOfATextHoldTheTableOfItsRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString("a,b,class\r\n\r\n")
	for i := range 30000 { // more than a block
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, "%v,%d,%d\n", rng.NormFloat64(), rng.Int64(), i%3)
		case 1:
			fmt.Fprintf(&b, " %.4f ,-%.15f,%d\r\n", rng.NormFloat64(), rng.Float64(), i%3)
		case 2:
			fmt.Fprintf(&b, "%e,+%g,%d\n", rng.NormFloat64(), 1e300*rng.Float64(), i%3)
		case 3:
			fmt.Fprintf(&b, "%d,-0,%d\n", 1<<53+i, i%3)
		}
		if i%1000 == 7 {
			b.WriteString("\n")
		}
	}
	text := b.String()
	tablesAlike(t, text, Options{}, true)
	tablesAlike(t, text, Options{Label: "class", Columns: []string{"b"}}, true)
	tablesAlike(t, text, Options{Context: []string{"a"}, DropMissing: true}, true)
	tablesAlike(t, strings.Replace(text, "-0,0", "NA,0", 1), Options{DropMissing: true}, true)
	tablesAlike(t, strings.Replace(text, "-0,0", "-0,7777777", 1), Options{Label: "class"}, true)
	tablesAlike(t, text+"1.5,2,1", Options{}, true)

	// Names are quoted by many programs; they may hold the delimiter and quotes.
	quoted := "\"a, \"\"b\"\"\",b ,\" class\"" + strings.TrimPrefix(text, "a,b,class")
	tablesAlike(t, quoted, Options{}, true)
	tablesAlike(t, quoted, Options{Label: "class", Columns: []string{`a, "b"`}}, true)
	tablesAlike(t, "\"a\n2\","+strings.TrimPrefix(text, "a,"), Options{}, false)
	tablesAlike(t, "\"a\" b,"+strings.TrimPrefix(text, "a,"), Options{}, false)

	// What the reader of rows must look at.
	for _, broken := range []string{"-0,\"0\"", "-0", "-0,0,0", "-0,", "-0,x", "-0,nan", "-0,1e999", "0x,0"} {
		tablesAlike(t, strings.Replace(text, "-0,0", broken, 1), Options{}, false)
	}
	tablesAlike(t, "1,2\n3,4\n", Options{}, false) // it may have names
	tablesAlike(t, "\xff\xfea,b\n", Options{}, false)
	tablesAlike(t, "a\n"+strings.Repeat("1", maxRow+1)+"\n", Options{}, false)
}

func TestAFaultBehindTheFirstBlockIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.csv")
	text := "a,b\n" + strings.Repeat("1.25,2.5\n", 300000) + "1,oops\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Read(path, Options{})
	if want := `line 300002, column "b"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v; want %s", err, want)
	}
}

func FuzzPlainText(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n3.5,-4e5\n", "a;b\r\n1;2\r\n\r\n3;4",
		"x\n-.5\n+1.\n00012345678901234567\n", "1.5,2.5\n3.5,4.5\n"} {
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, text string, drop bool) {
		opts := Options{DropMissing: drop}
		got, plain, err := decodePlain(strings.NewReader(text), "a.csv", opts)
		if !plain {
			return
		}
		want, wantErr := decodeCSV(strings.NewReader(text), "a.csv", opts)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Fatalf("error %v; want %v", err, wantErr)
		}
		if err == nil && (!reflect.DeepEqual(got.Columns, want.Columns) || !reflect.DeepEqual(got.X, want.X)) {
			t.Fatalf("got %+v; want %+v", got, want)
		}
	})
}

// A table of 100,000 rows of 20 columns, in bytes a second.
func BenchmarkReadCSV(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	for d := range 20 {
		fmt.Fprintf(&text, "c%d%c", d, ",\n"[d/19])
	}
	for range 100000 {
		for d := range 20 {
			fmt.Fprintf(&text, "%v%c", rng.NormFloat64(), ",\n"[d/19])
		}
	}
	path := filepath.Join(b.TempDir(), "a.csv")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		if _, err := Read(path, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
