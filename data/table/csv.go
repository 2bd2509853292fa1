package table

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"
	"strings"

	"flowmatch/data/internal/files"
	"flowmatch/flow"
)

// decodeCSV reads a CSV file from r; path is for the errors.
func decodeCSV(r io.Reader, path string, opts Options) (Table, error) {
	c, err := newCSVReader(r, path, opts.Delimiter)
	if err != nil {
		return Table{}, err
	}
	first, err := c.next()
	if err == io.EOF {
		return Table{}, files.Malformed(path, "empty file")
	} else if err != nil {
		return Table{}, err
	}
	names := files.Numbered(len(first))
	header := opts.Header != nil && *opts.Header || opts.Header == nil && looksLikeNames(first)
	if header {
		names = append([]string(nil), first...)
		if err := checkNames(path, names); err != nil {
			return Table{}, err
		}
	}
	chosen, err := choose(path, names, opts)
	if err != nil {
		return Table{}, err
	}
	var x []float64
	var lines csvLines
	row := first
	if header {
		row, err = c.next()
	}
	for ; err == nil; row, err = c.next() {
		if x, err = c.numbers(x, row, names, chosen); err != nil {
			return Table{}, err
		}
		lines.add(c.line())
	}
	if err != io.EOF {
		return Table{}, err
	}
	return assemble(path, names, chosen, opts, x, lines.where)
}

// csvReader is encoding/csv with the errors of this package.
type csvReader struct {
	*csv.Reader
	path string
}

func newCSVReader(r io.Reader, path string, delimiter rune) (*csvReader, error) {
	buf := bufio.NewReader(r)
	if bom, _ := buf.Peek(3); string(bom) == "\ufeff" {
		buf.Discard(3) // what a spreadsheet puts in front of UTF-8
	}
	c := &csvReader{csv.NewReader(buf), path}
	if delimiter != 0 {
		c.Comma = delimiter
	}
	if c.Comma == '"' || c.Comma == '\r' || c.Comma == '\n' || c.Comma == '\ufffd' {
		return nil, files.Malformed(path,
			"delimiter %q cannot separate fields; want one such as a comma, a semicolon or a tab", c.Comma)
	}
	c.FieldsPerRecord = -1 // counted here, for a better message
	c.ReuseRecord = true
	return c, nil
}

// next returns the fields of the next row without the spaces around them; they
// are good until the next call.
func (c *csvReader) next() ([]string, error) {
	row, err := c.Read()
	var p *csv.ParseError
	if errors.As(err, &p) {
		where := fmt.Sprintf("line %d", p.Line)
		return nil, files.MalformedAt(c.path, where, "not CSV at byte %d of the line: %v", p.Column, p.Err)
	} else if err == io.EOF {
		return nil, io.EOF
	} else if err != nil {
		return nil, files.Malformed(c.path, "cannot be read: %v", err)
	}
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

// numbers appends the chosen fields of row to x.
func (c *csvReader) numbers(x []float64, row, names []string, chosen []int) ([]float64, error) {
	if len(row) != len(names) {
		where := fmt.Sprintf("line %d", c.line())
		return nil, files.MalformedAt(c.path, where, "%d fields; want %d as in the first line", len(row), len(names))
	}
	for _, i := range chosen {
		v, err := strconv.ParseFloat(row[i], 64)
		problem := ""
		switch {
		case row[i] == "":
			problem = "the field is empty; fill it in or drop the row"
		case errors.Is(err, strconv.ErrRange):
			problem = fmt.Sprintf("%q is beyond the range of a float64", row[i])
		case err != nil:
			problem = fmt.Sprintf(
				"%q is not a number; want one such as -1.5 or 2e-3, or leave the column out with the columns option",
				row[i])
		case math.IsNaN(v) || math.IsInf(v, 0):
			problem = fmt.Sprintf("%q is not finite; drop the row or fill in the value", row[i])
		}
		if problem != "" {
			line, _ := c.FieldPos(i)
			return nil, files.MalformedAt(c.path, fmt.Sprintf("line %d, column %q", line, names[i]), "%s", problem)
		}
		x = append(x, v)
	}
	return x, nil
}

func looksLikeNames(row []string) bool {
	for _, field := range row {
		if _, err := strconv.ParseFloat(field, 64); field != "" && err != nil && !errors.Is(err, strconv.ErrRange) {
			return true
		}
	}
	return false
}

// csvLines remembers the line of each row, as the rows at which the two fall out
// of step (blank lines, quoted line breaks), of which most files have one.
type csvLines struct {
	rows int
	jump []struct{ row, line int }
}

func (l *csvLines) add(line int) {
	if n := len(l.jump); n == 0 || line != l.jump[n-1].line+l.rows-l.jump[n-1].row {
		l.jump = append(l.jump, struct{ row, line int }{l.rows, line})
	}
	l.rows++
}

func (l *csvLines) where(row int) string {
	j := l.jump[sort.Search(len(l.jump), func(i int) bool { return l.jump[i].row > row })-1]
	return fmt.Sprintf("line %d", j.line+row-j.row)
}

// EncodeCSV writes x as CSV with one line of names, in digits enough to read the
// same float64 back. columns nil means c0, c1, and so on; other numbers of names than
// x.D are an error.
func EncodeCSV(w io.Writer, columns []string, x flow.Batch) error {
	columns, err := nameAll(columns, x.D)
	if err != nil {
		return err
	}
	buf := bufio.NewWriter(w)
	c := csv.NewWriter(buf)
	c.Write(columns) // errors stay in the writer until Flush
	row := make([]string, x.D)
	for i := range x.N {
		for d, v := range x.Row(i) {
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
