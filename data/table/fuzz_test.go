package table

import (
	"bytes"
	"math"
	"testing"

	"flowmatch/data/internal/datatest"
	"flowmatch/data/internal/npy"
)

// A reader handed any bytes must return either an error of this room or a table
// that keeps its promises; it must not panic, nor allocate what a header claims.

// checkRead checks what every table promises.
func checkRead(t *testing.T, table Table, err error) {
	t.Helper()
	if err != nil {
		return
	}
	if table.X.N < 1 || table.X.D < 1 || len(table.X.X) != table.X.N*table.X.D || len(table.Columns) != table.X.D {
		t.Errorf("table of %d x %d with %d numbers and %d names", table.X.N, table.X.D, len(table.X.X),
			len(table.Columns))
	}
	for i, v := range table.X.X {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.Errorf("number %d is %g", i, v)
		}
	}
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("x,y\n1,2\n"), ',')
	f.Add([]byte("1;2\n\n3;4"), ';')
	f.Add([]byte("\ufeff\"a\"\"b\",\n1,nan\n"), '\t')
	f.Add([]byte("\"1\n\",2\n3,x"), ',')
	f.Fuzz(func(t *testing.T, b []byte, delimiter rune) {
		table, err := decodeCSV(bytes.NewReader(b), "f", Options{Delimiter: delimiter})
		checkRead(t, table, err)
		if err != nil {
			return
		}
		// What was read can be written and read again.
		var out bytes.Buffer
		if err := EncodeCSV(&out, table.Columns, table.X); err != nil {
			t.Fatal(err)
		}
		again, err := decodeCSV(&out, "f", Options{Header: new(true)})
		if err != nil {
			t.Fatal(err)
		}
		checkTable(t, "again", again, table.Columns, table.X.X, nil)
	})
}

func FuzzNPY(f *testing.F) {
	f.Add(datatest.NPY(1, "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 2), }", []float64{1, 2, 3, 4}))
	f.Add(datatest.NPY(2, "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", []byte{1, 2, 3}))
	f.Add([]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := npy.Decode(bytes.NewReader(b), "f")
		if err != nil {
			return
		}
		table, err := fromArray(a, "f", Options{})
		checkRead(t, table, err)
	})
}
