// Package table reads tables of numbers: CSV, NPY and Parquet files, and the five UCI
// sets of tabular density estimation as they are published. It writes CSV and NPY.
//
// [Read] reads a table whole into memory, as float64; of one that [Store] opens the numbers stay in a
// file, and are read when they are asked for. Errors name the file, the line or row,
// the column and the value, and say what would be right ([data.FileError]).
package table

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/digest"
)

// Table is a file of numbers: X is [N, D], Columns its D names, Label the class
// of each row (nil without a label column), Context [N, Dc] what each row is given (the zero
// Batch without columns of context), ContextColumns its names.
type Table struct {
	X              flow.Batch
	Columns        []string
	Label          []int32
	Context        flow.Batch
	ContextColumns []string
	// ClassNames are the labels as the file has them, by class; nil where these are the
	// numbers of the classes. The classes are those that occur: labels 1, 2 and 7 are three.
	ClassNames []string
	// Header says whether the names come from the first line of a text.
	Header bool
	// Where says where a row is in the file: "line 7", "row 3".
	Where func(row int) string
	// Left are the numbers, from 0, of the rows of the file that were left out by
	// [Options.DropMissing], in their order. Read is how many rows the file has.
	Left []int
	Read int
	// Shape is that of a row of an NPY array of more than 2 axes, which [Options.Flat] reads; nil
	// otherwise.
	Shape []int
	// Notes say what was done to the file that its owner should know.
	Notes []string

	stored *stored // where the numbers stay in a file: see [Store]
}

// Points returns the rows as a set of points, with their labels. It shares memory with t.
func (t Table) Points() data.Finite {
	if t.stored != nil {
		return storedPoints{t}
	}
	return data.Points{X: t.X, Given: flow.Given{Label: t.Label, Context: t.Context}}
}

// Fingerprint is the SHA-256 of the numbers and labels, whatever file they came from.
func (t Table) Fingerprint() string {
	if t.stored != nil {
		return t.stored.fingerprint
	}
	d := digest.New()
	digest.Add(d, []uint64{uint64(t.X.N), uint64(t.X.D), uint64(len(t.Label))})
	digest.Add(d, t.X.X)
	digest.Add(d, t.Label)
	if t.Context.D > 0 {
		digest.Add(d, []uint64{uint64(t.Context.D)})
		digest.Add(d, t.Context.X)
	}
	for _, name := range t.ClassNames {
		d.Text(name)
	}
	return d.String()
}

// Options say how a table is read. The zero value reads every column.
type Options struct {
	// Columns picks columns by name, in this order; empty means all of them but
	// the label and the context. Columns without names are called c0, c1, and so on.
	Columns []string
	// Exclude names columns that are left out where Columns is empty.
	Exclude []string
	// Context names the columns of what a row is given, in this order.
	Context []string
	// Rest makes all columns that Columns and Label do not name those of the context.
	Rest bool
	// Prefix stands before the number of a column without a name; empty: c.
	Prefix string
	// Label names the column of class labels, whole numbers from 0 on or names of classes; empty
	// means none.
	Label string
	// Delimiter separates the fields of a CSV file; 0 means a tab in files called .tsv and a
	// comma in others or, where that separates nothing, what does: ; or | or the other of the two.
	Delimiter rune
	// Header says whether the first line of a CSV file holds names; nil means
	// that it does when one of its fields is not a number. A first line of numbers that may
	// be names, such as 0,1,2, is then an error.
	Header *bool
	// Comments passes over the lines of a text that begin with #.
	Comments bool
	// Shape, if not nil, is that of a row of an NPY array, of D numbers: the array is
	// [N, Shape...] or [N, D].
	Shape []int
	// Flat reads an NPY array [N, ...] of any number of axes as one of N rows.
	Flat bool
	// DropMissing leaves out the rows in which a number of a column that is read is missing or not
	// finite, and notes how many they are. Else such a number is an error.
	DropMissing bool
}

// Read reads a table by its extension: .csv, .tsv and .txt, plain or
// compressed by gzip (.gz) or bzip2 (.bz2), .npy, .parquet. Every number must be finite;
// what is not, is reported as a [data.FileError] with file, line or row, column and value.
func Read(path string, opts Options) (Table, error) {
	switch ext := files.Extension(path); ext {
	case ".csv", ".tsv", ".txt":
		return readCSV(path, opts)
	case ".npy":
		return readNPYTable(path, opts)
	case ".parquet":
		return readParquet(path, opts)
	case workbookEnding:
		return Table{}, files.Malformed(path, "is a workbook, whose columns may hold anything: read it with "+
			"schema: auto (data.schema), or save the sheet as CSV")
	default:
		return Table{}, files.Malformed(path,
			"extension %s is not that of a table; want .csv, .tsv, .txt, .npy or .parquet", choice.Quote(ext))
	}
}

// choose returns which of the columns to read: those of opts.Columns in their
// order (all but the label, the context and those left out when there are none), then those of
// the context and, with a label, its column last. Names that are not there, and names twice, are
// errors. It writes the columns of Options.Rest into opts.Context.
func choose(path string, names []string, opts *Options, leftOut ...string) ([]int, error) {
	if opts.Rest {
		opts.Context = slices.DeleteFunc(slices.Clone(names), func(n string) bool {
			return n == opts.Label && n != "" || slices.Contains(leftOut, n) || slices.Contains(opts.Columns, n) ||
				slices.Contains(opts.Exclude, n)
		})
		if len(opts.Context) == 0 {
			return nil, files.Malformed(path, "all of its columns are learnt, so none is left for the context: %s",
				choice.List(names))
		}
	}
	want := opts.Columns
	if len(want) == 0 {
		not := func(n string) bool {
			return n == opts.Label && n != "" || slices.Contains(leftOut, n) || slices.Contains(opts.Context, n) ||
				slices.Contains(opts.Exclude, n)
		}
		want = slices.DeleteFunc(slices.Clone(names), not)
	}
	for _, name := range opts.Exclude {
		if !slices.Contains(names, name) {
			return nil, files.Malformed(path, "no %s to leave out; the columns are %s", column(name),
				choice.List(names))
		}
		if slices.Contains(opts.Columns, name) || slices.Contains(opts.Context, name) || name == opts.Label {
			return nil, files.Malformed(path, "%s is to be left out (exclude), and is asked for: name it once",
				column(name))
		}
	}
	learnt := len(want)
	want = slices.Concat(want, opts.Context)
	if opts.Label != "" {
		want = append(want, opts.Label)
	}
	at, taken := make(map[string]int, len(names)), make(map[string]bool, len(want))
	for i, name := range names {
		at[name] = i
	}
	var chosen []int
	for _, name := range want {
		i, there := at[name]
		if !there { // a text does not keep the spaces around it, another file does
			i, there = at[strings.TrimSpace(name)]
		}
		if !there {
			return nil, &data.FileError{Path: path, Missing: name,
				Problem: fmt.Sprintf("no %s; the columns are %s", column(name), choice.List(names))}
		}
		if taken[names[i]] {
			return nil, files.Malformed(path, "%s is asked for twice; name it once, in columns, context or label",
				column(name))
		}
		taken[names[i]] = true
		chosen = append(chosen, i)
	}
	if learnt == 0 {
		return nil, files.Malformed(path, "no columns of data; want at least one besides the label and the context")
	}
	return chosen, nil
}

// maxColumns bounds the columns of a table: no model is of as many.
const maxColumns = 1 << 20

// column names a column, for errors.
func column(name string) string { return "column " + choice.Quote(name) }

// checkNames refuses empty names and names that come twice, in the part of a file called head.
func checkNames(path, head string, names []string) error {
	seen := make(map[string]int)
	for i, n := range names {
		where := fmt.Sprintf("%s, column %d", head, i+1)
		if n == "" {
			return files.MalformedAt(path, where, "the name is empty; name every column, "+
				"leave an index out (pandas: index=False), or say header: false")
		}
		if !utf8.ValidString(n) {
			return files.MalformedAt(path, where,
				"the name %s is no text in UTF-8; save the file as that", choice.Quote(n))
		}
		if j, twice := seen[n]; twice {
			where := fmt.Sprintf("%s, columns %d and %d", head, j+1, i+1)
			return files.MalformedAt(path, where, "both are called %s; names must differ", choice.Quote(n))
		}
		seen[n] = i
	}
	return nil
}

// source is what a table is made from.
type source struct {
	path   string
	names  []string // of all columns
	chosen []int    // the columns to keep: those to learn, those of the context, the label
	opts   Options
	where  func(row int) string // says where row i is: "line 7", "row 3"
	whole  []bool               // of each column chosen, whether its numbers are whole by their type; nil: none is
	header bool
	given  bool       // the names are those that were asked for: the file has none
	texts  *labelText // of a file whose labels may be names; nil: they are numbers
}

// wholeLimit is 2^53, from which on a float64 does not hold every whole number.
const wholeLimit = 1 << 53

// gap is the error of a number that is not there.
func gap(path, where, problem string) error {
	return &data.FileError{Path: path, Where: where, Gap: true,
		Problem: problem + "; drop the row or fill in the value"}
}

// numbered are the names of n columns without any.
func (o Options) numbered(n int) []string {
	if o.Prefix == "" {
		return files.Numbered(n)
	}
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint(o.Prefix, i)
	}
	return names
}

// note adds one to the Notes.
func (t *Table) note(format string, args ...any) {
	t.Notes = append(t.Notes, fmt.Sprintf(format, args...))
}
