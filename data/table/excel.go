package table

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"flowmatch/data/internal/files"
	"flowmatch/data/schema"
	"flowmatch/internal/choice"
)

// A workbook may unpack to workbookFree bytes, and beyond that to workbookMost times its own: one of
// 1 MB could else fill the memory.
const workbookFree, workbookMost = 64 << 20, 60

// readExcelCells reads the first sheet of a workbook that has cells: numbers with all their digits, not
// as they are shown, dates as 2006-01-02 15:04:05. The first row holds the names, unless opts say
// otherwise.
func readExcelCells(path string, opts Options) (out Cells, err error) {
	defer damaged(path, "workbook", func(e error) { out, err = Cells{}, e })
	r, size, err := files.OpenSized(path)
	if err != nil {
		return Cells{}, err
	}
	defer r.Close()
	limit := workbookFree + workbookMost*size
	f, err := excelize.OpenReader(r, excelize.Options{RawCellValue: true, UnzipSizeLimit: limit,
		UnzipXMLSizeLimit: limit})
	if err != nil {
		return Cells{}, files.Malformed(path, "not a workbook (.xlsx): %v", err)
	}
	defer f.Close()
	book := workbook{File: f, path: path, dates: map[int]bool{}}
	return book.cells(opts)
}

// workbook is one that is read.
type workbook struct {
	*excelize.File
	path  string
	sheet string
	dates map[int]bool // by the number of a style, whether it shows a date
	epoch bool         // days are counted from 1904
}

// cells reads the first sheet with cells.
func (b *workbook) cells(opts Options) (Cells, error) {
	if p, err := b.GetWorkbookProps(); err == nil && p.Date1904 != nil {
		b.epoch = *p.Date1904
	}
	var full []string
	var lines [][]string
	for _, sheet := range b.GetSheetList() {
		rows, err := b.rows(sheet)
		if err != nil {
			return Cells{}, files.Malformed(b.path, "sheet %s cannot be read: %v", choice.Quote(sheet), err)
		}
		if slices.ContainsFunc(rows, func(row []string) bool { return len(row) > 0 }) {
			if full = append(full, sheet); len(full) == 1 {
				b.sheet, lines = sheet, rows
			}
		}
	}
	if full == nil {
		return Cells{}, files.Malformed(b.path, "no rows of data")
	}
	t := &textCells{out: Cells{Path: b.path}}
	if len(full) > 1 {
		t.out.Notes = append(t.out.Notes, fmt.Sprintf("of its sheets (%s) the first is read", choice.List(full)))
	}
	return t.out, b.fill(t, lines, opts)
}

// mostRows is how many rows a sheet has at most.
const mostRows = 1 << 20

// rows returns the rows of a sheet, those that it leaves out as empty ones. A row whose number is beyond the
// last that a sheet has would be counted up to.
func (b *workbook) rows(sheet string) (all [][]string, err error) {
	it, err := b.Rows(sheet)
	if err != nil {
		return nil, err
	}
	last := 0 // row with a cell
	for it.Next() {
		if len(all) == mostRows {
			err = fmt.Errorf("a row has a number beyond %d", mostRows)
			break
		}
		var row []string
		if row, err = it.Columns(); err != nil {
			break
		}
		if all = append(all, row); len(row) > 0 {
			last = len(all)
		}
	}
	return all[:last], errors.Join(err, it.Close())
}

// used returns the columns of a sheet that have a cell with anything in it, and how many columns the sheet has.
func used(lines [][]string) (columns []int, wide int) {
	var has []bool
	for _, row := range lines {
		for d, text := range row {
			if d >= len(has) {
				has = append(has, make([]bool, len(row)-len(has))...)
			}
			has[d] = has[d] || strings.TrimSpace(text) != ""
		}
	}
	for d, is := range has {
		if is {
			columns = append(columns, d)
		}
	}
	return columns, len(has)
}

// emptyColumns says that there are columns without anything before the last that is used, and in which cell
// that begins; empty: there are none.
func emptyColumns(lines [][]string, columns []int) string {
	if len(columns) == 0 {
		return ""
	}
	last := columns[len(columns)-1]
	empty := last + 1 - len(columns)
	if empty == 0 {
		return ""
	}
	row := slices.IndexFunc(lines, func(row []string) bool {
		return last < len(row) && strings.TrimSpace(row[last]) != ""
	})
	cell, _ := excelize.CoordinatesToCellName(last+1, row+1) // of a row that there is
	return fmt.Sprintf("%d empty columns, without a name, are left out; the last column that is not begins in cell %s",
		empty, cell)
}

// fill adds the rows of a sheet to t. Empty rows and columns without anything are passed over, and missing
// fields at the end of a row are empty.
func (b *workbook) fill(t *textCells, lines [][]string, opts Options) error {
	columns, wide := used(lines)
	if note := emptyColumns(lines, columns); note != "" {
		t.out.Notes = append(t.out.Notes, note)
	}
	if wide > maxColumns {
		return files.Malformed(b.path, "%d columns; want at most %d", wide, maxColumns)
	}
	var rows [][]string
	var at []int
	for i, row := range lines {
		if !slices.ContainsFunc(row, func(s string) bool { return strings.TrimSpace(s) != "" }) {
			continue
		}
		full := make([]string, len(columns))
		if err := b.formulas(row, i+1, columns); err != nil {
			return err
		}
		for k, d := range columns {
			if d >= len(row) {
				break
			}
			v, err := b.text(d+1, i+1, row[d])
			if err != nil {
				return err
			}
			full[k] = strings.TrimSpace(v)
		}
		rows, at = append(rows, full), append(at, i+1)
	}
	if len(rows) == 0 {
		return files.Malformed(b.path, "no rows of data")
	}
	var second []string
	if len(rows) > 1 {
		second = rows[1]
	}
	t.first = rows[0]
	t.out.Cells = schema.Cells{Names: files.Numbered(len(columns)), Columns: make([]schema.Texts, len(columns))}
	if t.out.Header = headed(t.first, second, opts); t.out.Header {
		if err := t.name(); err != nil {
			return err
		}
		rows, at = rows[1:], at[1:]
	}
	if len(rows) == 0 {
		return files.Malformed(b.path, "no rows of data")
	}
	for i, row := range rows {
		t.add(row, at[i])
	}
	t.out.Where = func(row int) string { return fmt.Sprintf("row %d", at[row]) }
	return nil
}

// formulas reports an empty cell of a row with a formula whose value the file does not have, as files have
// it that no program of spreadsheets has saved.
func (b *workbook) formulas(row []string, at int, columns []int) error {
	for _, d := range columns {
		if d < len(row) && row[d] != "" {
			continue
		}
		name, err := excelize.CoordinatesToCellName(d+1, at)
		if err != nil {
			return files.Malformed(b.path, "cell %d of row %d: %v", d+1, at, err)
		}
		kind, err := b.GetCellType(b.sheet, name)
		if err == nil && kind != excelize.CellTypeUnset && kind != excelize.CellTypeNumber {
			continue // its value is a text that is empty
		}
		if formula, err := b.GetCellFormula(b.sheet, name); err == nil && formula != "" {
			return files.MalformedAt(b.path, "cell "+name, "the value of its formula is not in the file; open the "+
				"workbook in a spreadsheet program, and save it")
		}
	}
	return nil
}

// text returns the text of a cell whose raw text is given: a date where its style shows one, and a
// truth value as that.
func (b *workbook) text(column, row int, raw string) (string, error) {
	if raw == "" || strings.Trim(raw, "0123456789.-+eE") != "" {
		return raw, nil
	}
	name, err := excelize.CoordinatesToCellName(column, row)
	if err != nil {
		return "", files.Malformed(b.path, "cell %d of row %d: %v", column, row, err)
	}
	kind, err := b.GetCellType(b.sheet, name)
	if err != nil {
		return "", files.Malformed(b.path, "cell %s: %v", name, err)
	}
	switch kind {
	case excelize.CellTypeBool:
		return map[bool]string{true: "TRUE", false: "FALSE"}[raw == "1"], nil
	case excelize.CellTypeUnset, excelize.CellTypeNumber, excelize.CellTypeDate:
	default:
		return raw, nil
	}
	style, err := b.GetCellStyle(b.sheet, name)
	if err != nil {
		return "", files.Malformed(b.path, "cell %s: %v", name, err)
	}
	if !b.showsDate(style) {
		return digits15(raw), nil
	}
	return b.date(raw), nil
}

// digits15 returns a number as spreadsheets show it, with 15 digits: files have 97.9 as 97.90000000000001.
func digits15(raw string) string {
	v, err := strconv.ParseFloat(raw, 64)
	if err != nil || len(raw) <= 15 || !strings.Contains(raw, ".") {
		return raw
	}
	const low, high = 1e-5, 1e15 // between which no exponent is needed
	if a := math.Abs(v); a < low || a >= high {
		return strconv.FormatFloat(v, 'g', 15, 64)
	}
	v, err = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 15, 64), 64)
	if err != nil {
		return raw
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// date returns the date of a number of days.
func (b *workbook) date(raw string) string {
	days, _, ok := schema.ParseNumber(raw)
	if !ok {
		return raw
	}
	t, err := excelize.ExcelDateToTime(days, b.epoch)
	if err != nil {
		return raw
	}
	if days == float64(int64(days)) {
		return t.Format("2006-01-02")
	}
	return t.Format("2006-01-02 15:04:05")
}

// showsDate says whether a style shows a number as a date: by the formats that ECMA-376 (18.8.30)
// numbers, or by one of its own with days, months, years or hours.
func (b *workbook) showsDate(style int) bool {
	if is, known := b.dates[style]; known {
		return is
	}
	s, err := b.GetStyle(style)
	is := err == nil && (s.NumFmt >= 14 && s.NumFmt <= 22 || s.NumFmt >= 27 && s.NumFmt <= 36 ||
		s.NumFmt >= 45 && s.NumFmt <= 47 || s.NumFmt >= 50 && s.NumFmt <= 58)
	if err == nil && s.CustomNumFmt != nil {
		is = is || datePattern(*s.CustomNumFmt)
	}
	b.dates[style] = is
	return is
}

// datePattern says whether a format of numbers has a part of a date, outside of its quotes and
// brackets.
func datePattern(format string) bool {
	quoted, bracket := false, false
	for i := 0; i < len(format); i++ {
		switch c := format[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '\\' || c == '_' || c == '*':
			i++ // the next one stands for itself
		case c == '[':
			bracket = true
		case c == ']':
			bracket = false
		case !bracket && strings.IndexByte("yYmMdDhHsS", c) >= 0:
			return true
		}
	}
	return false
}
