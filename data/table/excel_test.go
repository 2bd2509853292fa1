package table

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"flowmatch/data/schema"
)

// workbookOf writes a workbook of rows from a cell on, and returns its path.
func workbookOf(t *testing.T, from string, rows [][]any, change func(f *excelize.File)) string {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	for i, row := range rows {
		column, line, err := excelize.CellNameToCoordinates(from)
		if err != nil {
			t.Fatal(err)
		}
		cell, err := excelize.CoordinatesToCellName(column, line+i)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.SetSheetRow("Sheet1", cell, &row); err != nil {
			t.Fatal(err)
		}
	}
	if change != nil {
		change(f)
	}
	path := filepath.Join(t.TempDir(), "a.xlsx")
	if err := f.SaveAs(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWorkbooksAreRead(t *testing.T) {
	day := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	at := time.Date(2024, 3, 1, 13, 45, 30, 0, time.UTC)
	path := workbookOf(t, "A2", [][]any{
		{"x", "name", "yes", "day", "at", "share", "empty"},
		{1.23456789012, "Ann", true, day, at, 0.5, nil},
		{-2, " Bob ", false, day.AddDate(0, 0, 1), at.Add(time.Second), 0.25, nil},
		{},
		{3, nil, true, day, at, 1, "z"},
	}, func(f *excelize.File) {
		plain, err := f.NewStyle(&excelize.Style{NumFmt: 9}) // per cent, rounded
		if err != nil {
			t.Fatal(err)
		}
		own := `"day "d.m.yyyy`
		dated, err := f.NewStyle(&excelize.Style{CustomNumFmt: &own})
		if err != nil {
			t.Fatal(err)
		}
		f.SetCellStyle("Sheet1", "A3", "A3", plain)
		f.SetCellStyle("Sheet1", "D3", "D3", dated)
		f.NewSheet("Notes")
		f.SetCellValue("Notes", "A1", "made by hand")
	})
	cells, err := ReadCells(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{
		"x": {"1.23456789012", "-2", "3"}, "name": {"Ann", "Bob", ""}, "yes": {"TRUE", "FALSE", "TRUE"},
		"day": {"2024-02-29", "2024-03-01", "2024-02-29"}, "share": {"0.5", "0.25", "1"}, "empty": {"", "", "z"},
		"at": {"2024-03-01 13:45:30", "2024-03-01 13:45:31", "2024-03-01 13:45:30"},
	}
	for c, name := range cells.Names {
		for i, w := range want[name] {
			if got := cells.Columns[c].Values[cells.Columns[c].Index[i]]; got != w {
				t.Errorf("%s of row %d is %q; want %q", name, i, got, w)
			}
		}
	}
	if cells.Rows != 3 || len(cells.Names) != len(want) || cells.Where(2) != "row 6" || !cells.Header {
		t.Errorf("%d rows of %q, the third in %s, header %v", cells.Rows, cells.Names, cells.Where(2), cells.Header)
	}
	if notes := strings.Join(cells.Notes, " "); !strings.Contains(notes, `"Sheet1", "Notes"`) {
		t.Errorf("notes %q; want the sheets", notes)
	}
	if s, _, err := Infer(path, Options{}, schema.Options{}); err != nil || s.Columns[4].Kind != schema.Date {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestWorkbooksThatAreNoneAreErrors(t *testing.T) {
	good, err := os.ReadFile(workbookOf(t, "A1", [][]any{{"x", "y"}, {1, 2}, {3, 4}}, nil))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		want string
	}{
		"no zip": {"x,y\n1,2\n", "not a workbook"}, "cut off": {string(good[:len(good)/2]), "not a workbook"},
		"empty": {"", "not a workbook"},
	} {
		_, err := ReadCells(write(t, "a.xlsx", c.text), Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
	for name, rows := range map[string][][]any{"no cells": {}, "names alone": {{"x", "y"}}} {
		_, err := ReadCells(workbookOf(t, "A1", rows, nil), Options{})
		if err == nil || !strings.Contains(err.Error(), "no rows of data") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Whatever is damaged within is an error, or the cells that are left.
	for at := 0; at < len(good); at += 37 {
		bad := append([]byte{}, good...)
		bad[at] ^= 0x5a
		ReadCells(write(t, "a.xlsx", string(bad)), Options{})
	}
	_, err = Read(write(t, "a.xlsx", string(good)), Options{})
	if err == nil || !strings.Contains(err.Error(), "schema: auto") {
		t.Errorf("numbers of a workbook: %v", err)
	}
}

func TestFormatsOfDatesAreKnown(t *testing.T) {
	for format, want := range map[string]bool{
		"yyyy-mm-dd": true, "h:mm": true, "0.00": false, `0.0" days"`: false, `#,##0\d`: false, "[Red]0.0": false,
		"[h]:mm": true, "0%": false, "d.m.yy;@": true,
	} {
		if datePattern(format) != want {
			t.Errorf("%s: %v", format, !want)
		}
	}
}

// A formula has its value only where a spreadsheet program has saved the file. One whose value is an empty
// text has it.
func TestFormulasWithoutValuesAreErrors(t *testing.T) {
	path := workbookOf(t, "A1", [][]any{{"a", "b", "sum"}, {1, 2}, {3, 4}}, func(f *excelize.File) {
		if err := f.SetCellFormula("Sheet1", "C3", "A3+B3"); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := ReadCells(path, Options{}); err != nil {
		t.Errorf("a formula of an empty text: %v", err)
	}
	bare := filepath.Join(t.TempDir(), "bare.xlsx")
	rewrite(t, path, bare, "xl/worksheets/sheet1.xml", ` t="str"`, "")
	_, err := ReadCells(bare, Options{})
	if err == nil || !strings.Contains(err.Error(), "cell C3: the value of its formula is not in the file") {
		t.Error(err)
	}
}

// rewrite copies a zip file with one text of one of its parts replaced.
func rewrite(t *testing.T, from, to, part, old, with string) {
	t.Helper()
	r, err := zip.OpenReader(from)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range r.File {
		text, err := fs.ReadFile(r, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name == part {
			text = bytes.ReplaceAll(text, []byte(old), []byte(with))
		}
		out, err := w.Create(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestNumbersOfWorkbooksHave15Digits(t *testing.T) {
	for raw, want := range map[string]string{
		"97.90000000000001": "97.9", "1.1000000000000001": "1.1", "-807.0599999999999": "-807.06",
		"0.33333333333333331": "0.333333333333333", "12.5": "12.5", "1234567890123456": "1234567890123456",
		"3.0000000000000001E-7": "3e-07", "0.0": "0.0",
	} {
		if got := digits15(raw); got != want {
			t.Errorf("%s is read as %s; want %s", raw, got, want)
		}
	}
}

// One cell far away is one column more, and not 16,381 of them.
func TestACellFarAway(t *testing.T) {
	rows := [][]any{{"a", "b"}, {1, "x"}, {2, "y"}, {3, "z"}}
	path := workbookOf(t, "B2", rows, func(f *excelize.File) {
		if err := f.SetCellValue("Sheet1", "XFD4", "far"); err != nil {
			t.Fatal(err)
		}
	})
	c, err := ReadCells(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := "16381 empty columns, without a name, are left out; the last column that is not begins in cell XFD4"
	if len(c.Names) != 3 || c.Names[0] != "a" || c.Rows != 3 || len(c.Notes) != 2 || c.Notes[0] != want {
		t.Errorf("%d rows of %q, with the notes %q", c.Rows, c.Names, c.Notes)
	}
	text := filepath.Join(t.TempDir(), "a.csv")
	commas := strings.Repeat(",", 5000)
	if err := os.WriteFile(text, []byte("a"+commas+"\n1"+commas+"\n2"+commas+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, err = ReadCells(text, Options{}); err != nil || len(c.Notes) > 7 {
		t.Errorf("%d notes, %v; want a few", len(c.Notes), err)
	}
}
