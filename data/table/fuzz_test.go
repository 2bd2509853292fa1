package table

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"flowmatch/data/internal/datatest"
	"flowmatch/data/internal/npy"
	"flowmatch/data/schema"
	"flowmatch/flow"
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

// A table of any text is a fault, or has a schema whose rows become points and texts, which are read as
// the same rows.
func FuzzTypedCSV(f *testing.F) {
	f.Add([]byte("x,g,d\n1.5,a,2024-01-01\n2,b,2024-02-01\nNA,a,2024-03-05\n"), ',')
	f.Add([]byte("1,2;yes\n3,5;no\n;yes\n"), ';')
	f.Add([]byte("x\n1e300\n-1e300\n0\n"), ',')
	f.Add([]byte("1e300\n2e300\n0"), ')')
	f.Add([]byte("0.1\n0\n0,"), '¡')
	f.Add([]byte("n,m\n1,9007199254740993\n2,1\n5,\n"), ',')
	f.Fuzz(func(t *testing.T, b []byte, delimiter rune) {
		var cells Cells
		_, err := csvCells(bytes.NewReader(b), "f", Options{Delimiter: delimiter}, math.MaxInt, whole(&cells))
		if err != nil {
			return
		}
		s, faults, err := schema.Infer(cells.Cells, schema.Options{})
		if err != nil || len(faults) > 0 || len(s.Learnt()) == 0 {
			return
		}
		x, faults, err := s.Parse(cells.Cells)
		if err != nil || len(faults) > 0 {
			t.Fatalf("what was found is not what is read: %v, %v", faults, err)
		}
		if s, err = s.Fit(x, nil); err != nil {
			t.Fatal(err)
		}
		points, rows := flow.NewBatch(x.N, s.Dim()), flow.NewBatch(x.N, x.D)
		rng := rand.New(rand.NewPCG(1, 2))
		s.Points(points, x, func(int) *rand.Rand { return rng })
		s.Rows(rows, points)
		for i := range rows.N {
			if texts := s.Text(rows.Row(i)); len(texts) != len(s.Header()) {
				t.Errorf("%d texts for %d columns", len(texts), len(s.Header()))
			}
			for k, v := range rows.Row(i) {
				if was := x.Row(i)[k]; math.IsNaN(was) != math.IsNaN(v) || math.Abs(v-was) > 1e-6*(1+math.Abs(was)) {
					t.Errorf("row %d, column %q: %g comes back as %g", i, s.Names()[k], was, v)
				}
			}
		}
	})
}
