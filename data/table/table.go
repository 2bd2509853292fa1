package data

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"flowmatch/flow"
)

// Table is a file of numbers: X is [N, D], Columns its D names, Label the class
// of each row (nil without a label column).
type Table struct {
	X       flow.Batch
	Columns []string
	Label   []int32
}

// TableOptions say how a table is read. The zero value reads every column.
type TableOptions struct {
	// Columns picks columns by name, in this order; empty means all of them but
	// the label. Columns without names are called c0, c1, and so on.
	Columns []string
	// Label names the column of class labels, whole numbers from 0 on; empty
	// means none.
	Label string
	// Delimiter separates the fields of a CSV file; 0 means a tab in files
	// called .tsv and a comma in others.
	Delimiter rune
	// Header says whether the first line of a CSV file holds names; nil means
	// that it does when one of its fields is not a number.
	Header *bool
}

// ReadTable reads a table by its extension: .csv, .tsv and .txt (gzipped or
// not), .npy, .parquet. Every number must be finite; what is not, is reported as
// a FileError with file, line or row, column and value.
func ReadTable(path string, opts TableOptions) (Table, error) {
	switch ext := extension(path); ext {
	case ".csv", ".tsv", ".txt":
		f, err := open(path)
		if err != nil {
			return Table{}, err
		}
		defer f.Close()
		if opts.Delimiter == 0 && ext == ".tsv" {
			opts.Delimiter = '\t'
		}
		return decodeCSV(f, path, opts)
	case ".npy":
		return readNPYTable(path, opts)
	case ".parquet":
		return readParquet(path, opts)
	default:
		return Table{}, malformed(path, "extension %q is not that of a table; want .csv, .tsv, .txt, .npy or .parquet", ext)
	}
}

// choose returns which of the columns to read: those of opts.Columns in their
// order (all but the label when there are none), then, with a label, its column
// last. Names that are not there, and names twice, are errors.
func choose(path string, names []string, opts TableOptions) ([]int, error) {
	want := opts.Columns
	if len(want) == 0 {
		want = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == opts.Label && n != "" })
	}
	if opts.Label != "" {
		want = append(slices.Clone(want), opts.Label)
	}
	at, taken := make(map[string]int, len(names)), make(map[string]bool, len(want))
	for i, name := range names {
		at[name] = i
	}
	var chosen []int
	for _, name := range want {
		i, there := at[name]
		if !there {
			return nil, malformed(path, "no column %q; the columns are %s", name, strings.Join(quoteAll(names), ", "))
		}
		if taken[name] {
			return nil, malformed(path, "column %q is asked for twice", name)
		}
		taken[name] = true
		chosen = append(chosen, i)
	}
	if data := len(chosen); data == 0 || opts.Label != "" && data == 1 {
		return nil, malformed(path, "no columns of data; want at least one besides the label")
	}
	return chosen, nil
}

func quoteAll(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%q", n)
	}
	return out
}

// checkNames refuses empty names and names that come twice.
func checkNames(path string, names []string) error {
	seen := make(map[string]int)
	for i, n := range names {
		if n == "" {
			return &FileError{Path: path, Place: fmt.Sprintf("header, column %d", i+1), Problem: "the name is empty; name every column, or say header: false"}
		}
		if j, twice := seen[n]; twice {
			return &FileError{Path: path, Place: fmt.Sprintf("header, columns %d and %d", j+1, i+1), Problem: fmt.Sprintf("both are called %q; names must differ", n)}
		}
		seen[n] = i
	}
	return nil
}

// numbered returns the names c0, c1, ... of n columns that have none.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("c%d", i)
	}
	return names
}

// assemble makes a table of row-major values whose columns are chosen (the label
// last when there is one). place says where row i is: "line 7", "row 3".
func assemble(path string, names []string, chosen []int, opts TableOptions, x []float64, place func(row int) string) (Table, error) {
	d := len(chosen)
	n := len(x) / d
	if n == 0 {
		return Table{}, malformed(path, "no rows of data")
	}
	for i, v := range x {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			at := fmt.Sprintf("%s, column %q", place(i/d), names[chosen[i%d]])
			return Table{}, &FileError{Path: path, Place: at, Problem: fmt.Sprintf("%g is not finite; drop the row or fill in the value", v)}
		}
	}
	t := Table{X: flow.Batch{N: n, D: d, X: x}}
	for _, c := range chosen {
		t.Columns = append(t.Columns, names[c])
	}
	if opts.Label == "" {
		return t, nil
	}
	return t.splitLabel(path, place)
}

// splitLabel takes the last column off as class labels.
func (t Table) splitLabel(path string, place func(row int) string) (Table, error) {
	d := t.X.D - 1
	out := Table{X: flow.NewBatch(t.X.N, d), Columns: t.Columns[:d], Label: make([]int32, t.X.N)}
	for i := range t.X.N {
		row := t.X.Row(i)
		copy(out.X.Row(i), row)
		v := row[d]
		if v != math.Trunc(v) || v < 0 || v >= maxClasses {
			at := fmt.Sprintf("%s, column %q", place(i), t.Columns[d])
			return Table{}, &FileError{Path: path, Place: at, Problem: fmt.Sprintf("%g is not a class label; want a whole number from 0 to %d", v, maxClasses-1)}
		}
		out.Label[i] = int32(v)
	}
	return out, nil
}

// maxClasses bounds class labels, so that a column of identifiers taken for
// labels is noticed before a network with a row for each is built.
const maxClasses = 1 << 16
