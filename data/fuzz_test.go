package data

import (
	"bytes"
	"image/color"
	"math"
	"testing"
)

// A reader handed any bytes must return either an error of this room or a table
// that keeps its promises; it must not panic, nor allocate what a header claims.

func FuzzIDX(f *testing.F) {
	f.Add(idxFile([]uint32{2, 2}, []byte{1, 2, 3, 4}))
	f.Add(idxFile([]uint32{1, 2, 3}, []byte{1}))
	f.Add([]byte{0, 0, 8, 255})
	f.Add([]byte{0, 0, 8, 3, 0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		shape, pix, err := decodeIDX(bytes.NewReader(b), "f")
		if err != nil {
			if len(pix) > 0 {
				t.Errorf("%d bytes come with error %v", len(pix), err)
			}
			return
		}
		n := 1
		dims := make([]uint32, len(shape))
		for i, d := range shape {
			n *= d
			dims[i] = uint32(d)
		}
		if n != len(pix) {
			t.Errorf("shape %v with %d bytes", shape, len(pix))
		}
		if again := idxFile(dims, pix); !bytes.Equal(again, b) {
			t.Errorf("written again % x, want % x", again, b)
		}
	})
}

// checkRead checks what every table promises.
func checkRead(t *testing.T, table Table, err error) {
	t.Helper()
	if err != nil {
		return
	}
	if table.X.N < 1 || table.X.D < 1 || len(table.X.X) != table.X.N*table.X.D || len(table.Columns) != table.X.D {
		t.Errorf("table of %d x %d with %d numbers and %d names", table.X.N, table.X.D, len(table.X.X), len(table.Columns))
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
		table, err := decodeCSV(bytes.NewReader(b), "f", TableOptions{Delimiter: delimiter})
		checkRead(t, table, err)
		if err != nil {
			return
		}
		// What was read can be written and read again.
		var out bytes.Buffer
		if err := EncodeCSV(&out, table.Columns, table.X); err != nil {
			t.Fatal(err)
		}
		again, err := decodeCSV(&out, "f", TableOptions{Header: new(true)})
		if err != nil {
			t.Fatal(err)
		}
		checkTable(t, "again", again, table.Columns, table.X.X, nil)
	})
}

func FuzzNPY(f *testing.F) {
	f.Add(npyFile(1, "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 2), }", []float64{1, 2, 3, 4}))
	f.Add(npyFile(2, "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", []byte{1, 2, 3}))
	f.Add([]byte("\x93NUMPY\x02\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := decodeNPY(bytes.NewReader(b), "f")
		if err != nil {
			return
		}
		table, err := a.table("f", TableOptions{})
		checkRead(t, table, err)
	})
}

func FuzzShard(f *testing.F) {
	p := pngOf(f, plain(3, 2, color.White))
	f.Add(tarOf(f, "a/1.png", p, "a/1.cls", "1", "b/2.jpg", p, "b/2.txt", "x"))
	f.Add(gzipped(f, tarOf(f, "1.png", p)))
	f.Add(tarOf(f, "1.png", p)[:900])
	f.Fuzz(func(t *testing.T, b []byte) {
		path := writeTemp(t, "f.tar", b)
		x, err := indexShards(path)
		if err != nil {
			return
		}
		if len(x.entries) == 0 || x.label != nil && len(x.label) != len(x.entries) {
			t.Fatalf("%d images with %d labels", len(x.entries), len(x.label))
		}
		if _, err := newStore(x.entries, 2, 3, 100).all(make([]byte, 12*len(x.entries)), false); err != nil && !x.entries[0].zipped {
			t.Errorf("a plain shard fails as a whole: %v", err)
		}
	})
}
