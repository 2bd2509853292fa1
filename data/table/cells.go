package table

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"flowmatch/data/internal/files"
	"flowmatch/data/schema"
	"flowmatch/internal/choice"
)

// Cells are the texts of a file, of all of its columns.
type Cells struct {
	schema.Cells
	Path   string
	Header bool                 // the names are the first line of a text
	Where  func(row int) string // where a row is: "line 7", "row 3"
	Notes  []string
	Unread []Unread // columns that cannot be texts; one text stands for them in all rows

	lines *csvLines // of a text
}

// Unread is a column of lists, say.
type Unread struct{ Column, Problem string }

// CheckRead reports columns that o asks for and that cannot be texts.
func (c Cells) CheckRead(o schema.Options) error {
	var bad []string
	for _, u := range c.Unread {
		out := slices.Contains(o.Exclude, u.Column) || o.Columns != nil && !slices.Contains(o.Columns, u.Column) ||
			o.Kinds[u.Column] == string(schema.Identifier)
		if !out {
			bad = append(bad, column(u.Column)+" "+u.Problem+", or leave the column out (exclude)")
		}
	}
	if bad == nil {
		return nil
	}
	return files.Malformed(c.Path, "%s", strings.Join(bad, "\n"))
}

// Known says whether a file is a table, by its extension.
func Known(path string) bool {
	return slices.Contains([]string{".csv", ".tsv", ".txt", ".npy", ".parquet", workbookEnding}, files.Extension(path))
}

// workbookEnding is that of the workbooks of spreadsheets.
const workbookEnding = ".xlsx"

// ReadCells reads the texts of a table by its extension, as [Read] does the numbers: of text, of
// NPY, of Parquet, and of workbooks (.xlsx). Rows of another number of fields than the first are told of
// together, beside the cells of the others.
func ReadCells(path string, opts Options) (Cells, error) {
	var all Cells
	last, err := EachCells(path, opts, math.MaxInt, func(c Cells) error {
		all = c
		return nil
	})
	if err != nil {
		return all, err
	}
	last.Columns, last.Rows = all.Columns, all.Rows
	return last, nil
}

// EachCells is [ReadCells] for a table that is too large to be held: use is given so many rows at a time, with the
// columns of the file. They may be kept. What is returned has all that is known of the file but for its texts; an
// error of the file may come after all rows. Workbooks, and arrays that are compressed, come at once.
func EachCells(path string, opts Options, rows int, use func(Cells) error) (Cells, error) {
	switch ext := files.Extension(path); ext {
	case ".csv", ".tsv", ".txt":
		f, err := files.Open(path)
		if err != nil {
			return Cells{}, err
		}
		defer f.Close()
		return csvCells(f, path, opts, rows, use)
	case ".npy":
		return npyCells(path, rows, use)
	case ".parquet":
		return readParquetCells(path, rows, use)
	case workbookEnding:
		all, err := readExcelCells(path, opts)
		if err != nil {
			return Cells{}, err
		}
		return all, use(all)
	default:
		return Cells{}, files.Malformed(path,
			"extension %s is not that of a table; want .csv, .tsv, .txt, .npy, .parquet or .xlsx", choice.Quote(ext))
	}
}

// csvCells reads the fields of a text.
func csvCells(r io.Reader, path string, opts Options, rows int, use func(Cells) error) (Cells, error) {
	c, first, err := openCSV(r, path, opts)
	if err != nil {
		return Cells{}, err
	}
	t := &textCells{c: c, first: slices.Clone(first), line: c.line(), most: rows, use: use}
	t.out = Cells{Path: path, Cells: schema.Cells{Names: files.Numbered(len(first)),
		Columns: make([]schema.Texts, len(first)), Delimiter: string(c.Comma)}}
	if err := t.read(opts); err != nil {
		return Cells{}, err
	}
	if c.note != "" {
		t.out.Notes = append(t.out.Notes, c.note)
	}
	if t.lines.rows == 0 {
		return Cells{}, files.Malformed(path, "no rows of data")
	}
	return t.out, nil
}

// textCells reads the rows of a text.
type textCells struct {
	c     *csvReader
	first []string
	line  int // of the first row
	out   Cells
	most  int // rows that are handed on together
	use   func(Cells) error
	lines csvLines
	doubt *headerDoubt   // whether the first row holds names; nil: it does, or cannot
	bad   []schema.Fault // rows of another number of fields, or of no text
	where []int          // the lines of these
}

func (t *textCells) read(opts Options) error {
	row, err := t.c.next()
	if err != nil && err != io.EOF {
		return err
	}
	t.out.Header = headed(t.first, row, opts)
	if opts.Header == nil && !t.out.Header {
		t.doubt = newHeaderDoubt(t.first)
	}
	if t.out.Header {
		if err := t.name(); err != nil {
			return err
		}
	} else {
		t.add(t.first, t.line)
	}
	for ; err == nil; row, err = t.c.next() {
		t.add(row, t.c.line())
		if t.out.Rows == t.most {
			if err := t.hand(); err != nil {
				return err
			}
		}
	}
	if err != io.EOF {
		return err
	}
	t.out.Where, t.out.lines = t.lines.where, &t.lines
	if opts.Header == nil && t.out.Header && t.likeRows() {
		return doubtful(t.out.Path, t.first)
	}
	if t.out.Rows > 0 {
		if err := t.hand(); err != nil {
			return err
		}
	}
	return cmp.Or(t.ragged(), t.doubt.report(t.out.Path))
}

// hand hands on the rows so far.
func (t *textCells) hand() error {
	rows := t.out
	t.out.Columns, t.out.Rows = make([]schema.Texts, len(t.first)), 0
	return t.use(rows)
}

// add adds a row.
func (t *textCells) add(row []string, line int) {
	if len(row) != len(t.first) {
		t.bad = append(t.bad, schema.Fault{Problem: fmt.Sprintf("%d fields; want %d as in the first line", len(row),
			len(t.first))})
		t.where = append(t.where, line)
		return
	}
	for d, field := range row {
		if !utf8.ValidString(field) { // a checkpoint, which is JSON, could not keep it
			problem := fmt.Sprintf("column %d: %s is no text in UTF-8; save the file as that", d+1, choice.Quote(field))
			t.bad = append(t.bad, schema.Fault{Problem: problem})
			t.where = append(t.where, line)
			return
		}
	}
	for d, field := range row {
		texts := &t.out.Columns[d]
		known, ok := texts.Has(field)
		if !ok {
			known = strings.Clone(field) // of a row's own memory
		}
		texts.Add(known)
	}
	t.doubt.see(row)
	t.lines.add(line)
	t.out.Rows++
}

// ragged reports rows of another number of fields, or of no text.
func (t *textCells) ragged() error {
	if t.bad == nil {
		return nil
	}
	for i := range t.bad {
		t.bad[i].Row, t.bad[i].Count = i, 1
	}
	told := Faults(t.out.Path, t.bad, func(i int) string { return fmt.Sprintf("line %d", t.where[i]) })
	return &raggedError{told, t}
}

// raggedError is that of rows of another number of fields, beside the rows that were read.
type raggedError struct {
	error
	read *textCells
}

func (e *raggedError) Unwrap() error { return e.error }

// together returns the error of a table with the faults of the cells that were read, all in the order of their lines,
// if it is that of ragged rows.
func together(err error, cells []schema.Fault) error {
	ragged, ok := errors.AsType[*raggedError](err)
	if !ok {
		return err
	}
	t := ragged.read
	all := slices.Concat(t.bad, cells)
	lines := slices.Clone(t.where)
	for _, f := range cells {
		lines = append(lines, t.lines.of(f.Row))
	}
	for i := range all {
		all[i].Row = lines[i]
	}
	slices.SortStableFunc(all, func(a, b schema.Fault) int { return a.Row - b.Row })
	return Faults(t.out.Path, all, func(line int) string { return fmt.Sprintf("line %d", line) })
}

// name takes the names of the columns from the first row. One that has none is called as pandas
// calls it.
func (t *textCells) name() error {
	names := slices.Clone(t.first)
	given := 0
	for i, name := range names {
		if name != "" {
			continue
		}
		names[i] = fmt.Sprintf("Unnamed: %d", i)
		if given++; given <= mostNamed {
			t.out.Notes = append(t.out.Notes, fmt.Sprintf("column %d has no name, and is called %s", i+1,
				choice.Quote(names[i])))
		}
	}
	if more := given - mostNamed; more > 0 {
		t.out.Notes = append(t.out.Notes, fmt.Sprintf("%d more columns have no name, and are called as these", more))
	}
	t.out.Names = names
	return checkNames(t.out.Path, "header", names)
}

// mostNamed is how many columns without a name are told of, one by one.
const mostNamed = 5

// headed says whether a first row holds names: where none of its fields is a number; or some are
// none, while those below them are.
func headed(first, second []string, opts Options) bool {
	if opts.Header != nil {
		return *opts.Header
	}
	number := func(field string) bool {
		_, err := strconv.ParseFloat(field, 64)
		return err == nil || errors.Is(err, strconv.ErrRange)
	}
	if !slices.ContainsFunc(first, number) {
		return true
	}
	for d, field := range first {
		if field != "" && !number(field) && d < len(second) && number(second[d]) {
			return true
		}
	}
	return false
}

// npyCells reads an array of numbers, of which NaN is missing.
func npyCells(path string, rows int, use func(Cells) error) (Cells, error) {
	a, err := piecesOf(path)
	if err != nil {
		return Cells{}, err
	}
	defer a.f.Close()
	out := Cells{Path: path, Where: files.Row, Cells: schema.Cells{Names: files.Numbered(a.d)}}
	all := make([]int, a.d)
	for c := range all {
		all[c] = c
	}
	var x []float64
	for from := 0; from < a.n; from += out.Rows {
		out.Rows, out.Columns = min(rows, a.n-from), make([]schema.Texts, a.d)
		x = slices.Grow(x[:0], out.Rows*a.d)[:out.Rows*a.d]
		if err := a.read(x, all, from, out.Rows); err != nil {
			return Cells{}, files.Unreadable(path, err)
		}
		for i, v := range x {
			out.Columns[i%a.d].Add(strconv.FormatFloat(v, 'g', -1, 64))
		}
		if err := use(out); err != nil {
			return Cells{}, err
		}
	}
	return out, nil
}

// mostFaults is how many faults of a file are told, one in a line.
const mostFaults = 20

// Faults returns the error of cells that are not what their columns are: the first of them, with
// their places, and how many more there are.
func Faults(path string, faults []schema.Fault, where func(row int) string) error {
	switch len(faults) {
	case 0:
		return nil
	case 1:
		at, problem := told(faults[0], where)
		return files.MalformedAt(path, at, "%s", problem)
	}
	return files.MalformedAt(path, fmt.Sprintf("%d faults", len(faults)), "\n  %s",
		strings.Join(Tell(faults, where), "\n  "))
}

// Tell returns faults with their places, a line for each of the first, and one that says how many more there
// are.
func Tell(faults []schema.Fault, where func(row int) string) (lines []string) {
	for _, f := range faults[:min(len(faults), mostFaults)] {
		at, problem := told(f, where)
		lines = append(lines, at+": "+problem)
	}
	if more := len(faults) - mostFaults; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return lines
}

// told returns the place of a fault, and what is wrong.
func told(f schema.Fault, where func(row int) string) (at, problem string) {
	if at = where(f.Row); f.Column != "" {
		at += ", " + column(f.Column)
	}
	if f.Count > 1 {
		return at, fmt.Sprintf("%s (%d cells)", f.Problem, f.Count)
	}
	return at, f.Problem
}

// Infer reads a table and finds out what its columns hold. Every fault is told.
func Infer(path string, opts Options, o schema.Options) (*schema.Schema, Cells, error) {
	r := typedReader{path: path, opts: opts, how: Typing{Options: o}}
	s, err := r.schema()
	if err != nil {
		return nil, Cells{}, err
	}
	return s, *r.whole, nil
}

// mostIdle is how many columns an error tells of that are not learnt.
const mostIdle = 5

// idle says why the columns of s are not learnt.
func idle(s *schema.Schema) string {
	var why []string
	for _, c := range s.Columns[:min(len(s.Columns), mostIdle)] {
		reason := c.Note
		if c.Kind == schema.Constant && c.Note == "" {
			reason = "all rows have " + choice.Quote(c.Value)
		}
		why = append(why, column(c.Name)+": "+reason)
	}
	if more := len(s.Columns) - len(why); more > 0 {
		why = append(why, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(why, "; ")
}
