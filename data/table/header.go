package table

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"flowmatch/data/internal/files"
	"flowmatch/internal/choice"
)

// headerDoubt finds out whether a first line of numbers may be the names of the columns, as
// pandas writes 0,1,2 for columns without names, or ,0,1 with an index before them; nil is no
// doubt. There is doubt where the line counts, or where it alone has whole numbers.
type headerDoubt struct {
	first  []string
	counts bool
	rows   int
	alone  []bool // of each column, whether no other row has a whole number in it
}

// newHeaderDoubt returns that of a first line; nil where it cannot be names.
func newHeaderDoubt(first []string) *headerDoubt {
	h := &headerDoubt{first: slices.Clone(first), alone: slices.Repeat([]bool{true}, len(first))}
	named := first
	if len(first) > 1 && first[0] == "" { // the place of an index
		named = first[1:]
	}
	values, taken := make([]int, len(named)), map[int]bool{}
	for d, field := range named {
		v, err := strconv.Atoi(field)
		if err != nil || strconv.Itoa(v) != field || taken[v] {
			return nil
		}
		values[d], taken[v] = v, true
	}
	h.counts = len(values) >= 3 || len(first) >= 2 && values[0] == 0
	for d, v := range values {
		h.counts = h.counts && v == values[0]+d
	}
	return h
}

// see looks at a row; the first that it sees is the line in doubt.
func (h *headerDoubt) see(row []string) {
	if h == nil {
		return
	}
	if h.rows++; h.rows == 1 {
		return
	}
	for d, field := range row {
		h.alone[d] = h.alone[d] && (h.first[d] == "" || !isInteger(field))
	}
}

// report is the error where there is doubt.
func (h *headerDoubt) report(path string) error {
	if h == nil || h.rows < 2 || !h.counts && slices.Contains(h.alone, false) {
		return nil
	}
	return doubtful(path, h.first)
}

// doubtful is the error of a first line that may be either.
func doubtful(path string, first []string) error {
	return files.MalformedAt(path, "line 1", "%s may be the names of the columns or a row of values; "+
		"say header: true or header: false (data.header)", choice.List(first))
}

// likeRows says whether a first line that was taken for names is like the rows: each of its fields is a
// value that its column has, or a date or a number with a decimal comma where the first row has one, too.
func (t *textCells) likeRows() bool {
	for d, name := range t.first {
		of := &t.out.Columns[d]
		if _, own := of.Has(name); own && name != "" {
			continue
		}
		if len(of.Values) == 0 || !isValue(name) || !isValue(of.Values[0]) {
			return false
		}
	}
	return true
}

// isValue says whether a text can hardly be a name: a date, or a number with a decimal comma.
func isValue(text string) bool {
	if _, err := time.Parse(time.DateOnly, text); err == nil {
		return true
	}
	_, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64)
	return err == nil
}
