package table

import (
	"bytes"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"

	"flowmatch/data/internal/datatest"
)

// Labels that are texts are the names of classes, in their order as texts.
func TestLabelsMayBeNames(t *testing.T) {
	for _, c := range []struct {
		name, text string
		opts       Options
		label      []int32
		classes    []string
	}{
		{"names", "x,k\n1,cat\n2,ant\n3,cat\n4,bee\n", Options{}, []int32{2, 0, 2, 1}, []string{"ant", "bee", "cat"}},
		{"first", "k,x\ncat,1\n ant ,2\n", Options{}, []int32{1, 0}, []string{"ant", "cat"}},
		{"quoted", "x,k\n1,\"a, b\"\n2,c\n", Options{}, []int32{0, 1}, []string{"a, b", "c"}},
		{"numbers, quoted", "x,k\n1,\"1\"\n2,0\n", Options{}, []int32{1, 0}, nil},
		{"others", "x,k\n1,\"7\"\n2,3\n", Options{}, []int32{1, 0}, []string{"3", "7"}},
		{"a row left out", "x,k\n1,cat\n,ant\n3,bee\n4,NA\n", Options{DropMissing: true}, []int32{1, 0},
			[]string{"bee", "cat"}},
	} {
		c.opts.Label = "k"
		got, err := Read(datatest.WriteTemp(t, "t.csv", []byte(c.text)), c.opts)
		if err != nil || !slices.Equal(got.Label, c.label) || !slices.Equal(got.ClassNames, c.classes) {
			t.Errorf("%s: %v of classes %q (error %v), want %v of %q", c.name, got.Label, got.ClassNames, err, c.label,
				c.classes)
		}
	}
}

// Parquet has texts as labels, too; a null is none.
func TestLabelsOfParquetMayBeNames(t *testing.T) {
	type row struct {
		X float64 `parquet:"x"`
		K *string `parquet:"k,optional"`
	}
	a, b := "a", "b"
	file := func(rows ...row) string {
		var out bytes.Buffer
		w := parquet.NewGenericWriter[row](&out)
		if _, err := w.Write(rows); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return datatest.WriteTemp(t, "t.parquet", out.Bytes())
	}
	path := file(row{1, &b}, row{2, &a}, row{3, &b})
	got, err := Read(path, Options{Label: "k"})
	if err != nil || !slices.Equal(got.Label, []int32{1, 0, 1}) || !slices.Equal(got.ClassNames, []string{"a", "b"}) {
		t.Errorf("%v of classes %q (error %v)", got.Label, got.ClassNames, err)
	}
	path = file(row{1, &b}, row{2, nil})
	_, err = Read(path, Options{Label: "k"})
	datatest.WantError(t, "a null", err, `row 2, column "k": the value is null`)
	got, err = Read(path, Options{Label: "k", DropMissing: true})
	if err != nil || !slices.Equal(got.Label, []int32{0}) {
		t.Errorf("%v (error %v)", got.Label, err)
	}
}
