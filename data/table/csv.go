package table

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"

	"flowmatch/data/internal/files"
	"flowmatch/flow"
	"flowmatch/internal/choice"
)

// openCSV returns the reader of a text, and its first line, which is the reader's until the next.
func openCSV(r io.Reader, path string, opts Options) (c *csvReader, first []string, err error) {
	if c, err = newCSVReader(r, path, opts); err != nil {
		return nil, nil, err
	}
	switch first, err = c.next(); {
	case err == io.EOF:
		err = files.Malformed(path, "empty file")
	case err == nil && len(first) > maxColumns:
		err = files.MalformedAt(path, "line 1", "%d fields; want at most %d columns", len(first), maxColumns)
	}
	return c, first, err
}

// decodeCSV reads a CSV file from r; path is for the errors.
func decodeCSV(r io.Reader, path string, opts Options) (Table, error) {
	c, first, err := openCSV(r, path, opts)
	if err != nil {
		return Table{}, err
	}
	in, doubt, err := named(path, first, opts)
	if err != nil {
		return Table{}, err
	}
	var x []float64
	lines, err := c.rows(first, in, doubt, keep(&x))
	if err != nil {
		return Table{}, err
	}
	return in.numbered(x, lines, c.note)
}

// take is given rows of a text, piece by piece, and the lines of all so far. The piece is the reader's
// again once it returns.
type take func(piece []float64, lines *csvLines) error

// keep returns a take that keeps all.
func keep(x *[]float64) take {
	return func(piece []float64, _ *csvLines) error {
		*x = append(*x, piece...)
		return nil
	}
}

// named returns what a text with that first line is read as, and the doubt whether the line holds
// names.
func named(path string, first []string, opts Options) (in source, doubt *headerDoubt, err error) {
	names := opts.numbered(len(first))
	header := opts.Header != nil && *opts.Header || opts.Header == nil && looksLikeNames(first, opts.DropMissing)
	if opts.Header == nil && !header {
		doubt = newHeaderDoubt(first)
	}
	if header {
		names = slices.Clone(first)
		if err := checkNames(path, "header", names); err != nil {
			return in, nil, err
		}
	}
	given := !header && namesAll(opts.Columns, names)
	if given {
		names = slices.Clone(opts.Columns)
	}
	chosen, err := choose(path, names, &opts)
	in = source{path: path, names: names, chosen: chosen, opts: opts, whole: make([]bool, len(chosen)),
		header: header, given: given}
	if opts.Label != "" {
		in.texts = new(labelText)
	}
	return in, doubt, err
}

// namesAll says whether the columns asked for are names of their own for all columns of a file without any.
func namesAll(columns, numbered []string) bool {
	return len(columns) == len(numbered) && !slices.ContainsFunc(columns, func(name string) bool {
		return slices.Contains(numbered, name)
	})
}

// numbered makes a table of the numbers of a text.
func (in source) numbered(x []float64, lines csvLines, note string) (Table, error) {
	in.where = lines.where
	t, err := in.assemble(x)
	if err == nil {
		in.noteText(&t, note)
	}
	return t, err
}

// noteText notes what was found out about a text.
func (in source) noteText(t *Table, note string) {
	if note != "" {
		t.note("%s", note)
	}
	if in.given {
		t.note("it has no names of columns; in their order they are %s", choice.List(in.names))
	}
}

// pieceRows is how many rows are handed on together.
const pieceRows = 4096

// rows reads the numbers of all rows, which the first is one of unless it is the header.
func (c *csvReader) rows(first []string, in source, doubt *headerDoubt, use take) (lines csvLines, err error) {
	row := first
	if in.header {
		row, err = c.next()
	}
	var x []float64
	for ; err == nil; row, err = c.next() {
		if x, err = c.numbers(x, row, in); err != nil {
			return lines, err
		}
		lines.add(c.line())
		doubt.see(row)
		if len(x) == pieceRows*len(in.chosen) {
			if err := use(x, &lines); err != nil {
				return lines, err
			}
			x = x[:0]
		}
	}
	if err != io.EOF {
		return lines, err
	}
	if err := use(x, &lines); err != nil {
		return lines, err
	}
	return lines, doubt.report(in.path)
}

// csvReader is encoding/csv with the errors of this package.
type csvReader struct {
	*csv.Reader
	path string
	left *rowLimit
	last int    // the line on which the last row began; 0: there was none
	note string // what was found out about the text that its owner should know
}

// maxRow bounds the bytes of a row: without it one quote that is not closed, or a file that
// is no table, would be read into memory whole.
const maxRow = 16 << 20

// rowLimit is a reader that fails once more than so many bytes are read for one row.
type rowLimit struct {
	io.Reader
	left int
}

var errLongRow = errors.New("the row is too long")

func (l *rowLimit) Read(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, errLongRow
	}
	n, err := l.Reader.Read(b[:min(len(b), l.left)])
	l.left -= n
	return n, err
}

func newCSVReader(r io.Reader, path string, opts Options) (*csvReader, error) {
	limit := &rowLimit{r, maxRow}
	text, head, err := openText(limit, path)
	if err != nil {
		return nil, err
	}
	c := &csvReader{Reader: csv.NewReader(text), path: path, left: limit}
	c.Comma, c.note = commaOf(head, path, opts)
	if c.Comma == '"' || c.Comma == '\r' || c.Comma == '\n' || c.Comma == '\ufffd' {
		return nil, files.Malformed(path,
			"delimiter %q cannot separate fields; want one such as a comma, a semicolon or a tab", c.Comma)
	}
	if opts.Comments {
		c.Comment = comment
	}
	c.FieldsPerRecord = -1 // counted here, for a better message
	c.ReuseRecord = true
	return c, nil
}

// commaOf returns what separates the fields of a text that begins with head, and what its owner should
// know of that.
func commaOf(head []byte, path string, opts Options) (comma rune, note string) {
	if opts.Delimiter != 0 {
		return opts.Delimiter, ""
	}
	usual := ','
	if files.Extension(path) == ".tsv" {
		usual = '\t'
	}
	if comma = separatorOf(head, usual, opts.Comments); comma != usual {
		note = fmt.Sprintf("its fields are separated by %q (data.delimiter of a run file can say otherwise)", comma)
	}
	return comma, note
}

// next returns the fields of the next row without the spaces around them; they
// are good until the next call.
func (c *csvReader) next() ([]string, error) {
	c.left.left = maxRow
	row, err := c.Read()
	var p *csv.ParseError
	switch {
	case err == io.EOF:
		return nil, io.EOF
	case errors.As(err, &p) && p.StartLine != p.Line:
		return nil, files.MalformedAt(c.path, fmt.Sprintf("line %d", p.StartLine),
			"a quote opens in the row that begins here, and line %d is still within it: close it, or take it away",
			p.Line)
	case errors.As(err, &p):
		where := fmt.Sprintf("line %d", p.Line)
		return nil, files.MalformedAt(c.path, where, "not CSV at byte %d of the line: %v", p.Column, p.Err)
	case errors.Is(err, errLongRow):
		where := "at the beginning"
		if c.last > 0 {
			where = fmt.Sprintf("after line %d", c.last)
		}
		return nil, files.MalformedAt(c.path, where,
			"a row of more than %d MiB; want one line for each row, and quotes that are closed", maxRow>>20)
	case err != nil:
		return nil, files.Unreadable(c.path, err)
	}
	c.last = c.line()
	for i := range row {
		row[i] = strings.TrimSpace(row[i])
	}
	return row, nil
}

// line returns the line on which the last row began.
func (c *csvReader) line() int {
	line, _ := c.FieldPos(0)
	return line
}

// numbers appends the chosen fields of row to x, and marks columns of whole numbers that are
// beyond what a float64 tells apart.
func (c *csvReader) numbers(x []float64, row []string, in source) ([]float64, error) {
	if len(row) != len(in.names) {
		where := fmt.Sprintf("line %d", c.line())
		return nil, files.MalformedAt(c.path, where, "%d fields; want %d as in the first line", len(row), len(in.names))
	}
	for k, i := range in.chosen {
		v, problem, empty := in.value(k, row[i])
		if problem != "" {
			line, _ := c.FieldPos(i)
			at := fmt.Sprintf("line %d, %s", line, column(in.names[i]))
			if empty {
				return nil, gap(c.path, at, problem)
			}
			return nil, files.MalformedAt(c.path, at, "%s", problem)
		}
		if math.Abs(v) >= wholeLimit && isInteger(row[i]) {
			in.whole[k] = true
		}
		x = append(x, v)
	}
	return x, nil
}

// value reads a field of a column chosen, and says what is wrong with it; "": nothing. empty is whether the
// number is missing or not finite.
func (in source) value(k int, field string) (v float64, problem string, empty bool) {
	if in.texts != nil && k == len(in.chosen)-1 {
		return in.texts.code(field, in.opts.DropMissing)
	}
	v, err := strconv.ParseFloat(field, 64)
	if in.opts.DropMissing && isGap(field) {
		return math.NaN(), "", false
	}
	problem, empty = problemOf(field, v, err)
	if empty && in.opts.DropMissing {
		problem = ""
	}
	return v, problem, empty
}

// isGap says whether a field is one of the words that other programs write for a number that is
// missing.
func isGap(field string) bool {
	return slices.Contains([]string{"", "na", "n/a", "null", "none", "nan"}, strings.ToLower(field))
}

// problemOf says what is wrong with a field that reads as v with the error; "": nothing. empty
// is whether the number is missing or not finite.
func problemOf(field string, v float64, err error) (problem string, empty bool) {
	switch {
	case field == "":
		return "the field is empty", true
	case err == nil && (math.IsNaN(v) || math.IsInf(v, 0)):
		return choice.Quote(field) + " is not finite", true
	case isGap(field):
		return choice.Quote(field) + " is not a number", true
	}
	return notANumber(field, err), false
}

// notANumber says what is wrong with a field that cannot be read; "": nothing.
func notANumber(field string, err error) string {
	switch {
	case errors.Is(err, strconv.ErrRange):
		return choice.Quote(field) + " is beyond the range of a float64"
	case err != nil:
		return choice.Quote(field) +
			" is not a number; want one such as -1.5 or 2e-3, or leave the column out with the columns option" +
			cmp.Or(misread(field), ", or learn columns of any kind with schema: auto (data.schema)")
	}
	return ""
}

// misread says what a field that is no number is by another reading of the file; "": nothing.
func misread(field string) string {
	number := func(s string) bool {
		_, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		return err == nil
	}
	if strings.Count(field, ",") == 1 && number(strings.Replace(field, ",", ".", 1)) {
		return "; write a point for decimals, and no commas in numbers"
	}
	for _, s := range Delimiters {
		parts := strings.Split(field, string(s))
		if len(parts) > 1 && !slices.ContainsFunc(parts, func(p string) bool { return p != "" && !number(p) }) {
			return fmt.Sprintf("; it seems to be several numbers, separated by %q: give that as the delimiter "+
				"(data.delimiter), one between two", s)
		}
	}
	return ""
}

// looksLikeNames says whether a first row holds names. gaps is whether a word for a number that is
// missing is none.
func looksLikeNames(row []string, gaps bool) bool {
	for _, field := range row {
		if gaps && isGap(field) {
			continue
		}
		if _, err := strconv.ParseFloat(field, 64); field != "" && err != nil && !errors.Is(err, strconv.ErrRange) {
			return true
		}
	}
	return false
}

// isInteger says whether a number is written as a whole one.
func isInteger(field string) bool {
	return field != "" && strings.Trim(strings.TrimLeft(field, "+-"), "0123456789") == ""
}

// csvLines remembers the line of each row, as the rows at which the two fall out
// of step (blank lines, quoted line breaks), of which most files have one.
type csvLines struct {
	rows int
	jump []struct{ row, line int }
}

// maxJumps bounds the memory of a file that falls out of step in every row; behind the last
// of them lines are told as if it did not.
const maxJumps = 1 << 16

func (l *csvLines) add(line int) {
	if n := len(l.jump); n == 0 || n < maxJumps && line != l.jump[n-1].line+l.rows-l.jump[n-1].row {
		l.jump = append(l.jump, struct{ row, line int }{l.rows, line})
	}
	l.rows++
}

func (l *csvLines) where(row int) string { return fmt.Sprintf("line %d", l.of(row)) }

// of returns the line of a row.
func (l *csvLines) of(row int) int {
	j := l.jump[sort.Search(len(l.jump), func(i int) bool { return l.jump[i].row > row })-1]
	return j.line + row - j.row
}

// EncodeCSV writes x as CSV with one line of names, in digits enough to read the
// same float64 back. columns nil means c0, c1, and so on; other numbers of names than
// x.D are an error.
func EncodeCSV(w io.Writer, columns []string, x flow.Batch) error {
	columns, err := nameAll(columns, x.D)
	if err != nil {
		return err
	}
	c := csv.NewWriter(w)
	c.Write(columns) // errors stay in the writer until Flush
	if c.Flush(); c.Error() != nil {
		return c.Error()
	}
	return EncodeRows(w, x, nil)
}

// EncodeRows is [EncodeCSV] without the line of names, for what is written in parts. texts, by column, are what
// its whole numbers stand for: names of classes.
func EncodeRows(w io.Writer, x flow.Batch, texts map[int][]string) error {
	buf := bufio.NewWriter(w)
	c := csv.NewWriter(buf)
	row := make([]string, x.D)
	for i := range x.N {
		for d, v := range x.Row(i) {
			if names := texts[d]; names != nil {
				row[d] = names[int(v)]
				continue
			}
			row[d] = strconv.FormatFloat(v, 'g', -1, 64)
		}
		c.Write(row)
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return err
	}
	return buf.Flush()
}

// nameAll returns the names of d columns: those given or, for nil, c0, c1, and so on.
func nameAll(columns []string, d int) ([]string, error) {
	if columns == nil {
		return files.Numbered(d), nil
	}
	if len(columns) != d {
		return nil, fmt.Errorf("data: %d names for %d columns", len(columns), d)
	}
	return columns, nil
}

// WriteCSV writes x to a file as [EncodeCSV] does. The file appears whole or not
// at all: an existing one is replaced at the end.
func WriteCSV(path string, columns []string, x flow.Batch) error {
	columns, err := nameAll(columns, x.D)
	if err != nil {
		return err
	}
	return files.Write(path, func(w io.Writer) error { return EncodeCSV(w, columns, x) })
}
