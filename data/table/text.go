package table

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"io"
	"slices"

	"flowmatch/data/internal/files"
)

// looked is how much of a text is looked at to find out how it is written.
const looked = 64 << 10

// openText returns the text of r without the mark of its encoding, with line feeds as its
// ends of lines, and its head. A text in another encoding than UTF-8 is an error.
func openText(r io.Reader, path string) (text io.Reader, head []byte, err error) {
	buf := bufio.NewReaderSize(r, looked)
	if bom, _ := buf.Peek(3); string(bom) == "\ufeff" {
		buf.Discard(3) // what a spreadsheet puts in front of UTF-8
	}
	head, err = buf.Peek(looked)
	if err != nil && err != io.EOF {
		head = nil // which is told where it is read
	}
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) ||
		bytes.IndexByte(head, 0) >= 0 {
		return nil, nil, files.Malformed(path, "is text in UTF-16, or no text; save it as UTF-8")
	}
	if bytes.HasPrefix(head, []byte("PK\x03\x04")) {
		return nil, nil, files.Malformed(path,
			"is a zip file, as a workbook (.xlsx) is; give it that ending, or save the sheet as CSV")
	}
	if end := bytes.IndexAny(head, "\r\n"); end >= 0 && end+1 < len(head) && head[end] == '\r' && head[end+1] != '\n' {
		return &oldEnds{r: buf}, bytes.ReplaceAll(head, []byte("\r"), []byte("\n")), nil
	}
	return buf, head, nil
}

// oldEnds is a text whose lines end with a carriage return, as on a Mac before 2001, with line
// feeds in their place.
type oldEnds struct {
	r     io.Reader
	ended bool // the last byte was a carriage return, so that a line feed is none
}

func (o *oldEnds) Read(b []byte) (int, error) {
	n, err := o.r.Read(b)
	kept := 0
	for _, c := range b[:n] {
		paired := o.ended && c == '\n'
		o.ended = c == '\r'
		if paired {
			continue
		}
		if o.ended {
			c = '\n'
		}
		b[kept] = c
		kept++
	}
	return kept, err
}

// comment is what a line of comment begins with, where there may be some.
const comment = '#'

// Delimiters are those that are found in the file itself.
const Delimiters = ",;\t| "

// separatorOf returns what separates the fields of a text that begins with head: usual or,
// where that does not and one other does, the other. It separates where the first two lines
// have the same number of fields, more than one.
func separatorOf(head []byte, usual rune, comments bool) rune {
	if separates(head, usual, comments) {
		return usual
	}
	found := usual
	for _, other := range Delimiters {
		if other != usual && separates(head, other, comments) {
			if found != usual {
				return usual
			}
			found = other
		}
	}
	return found
}

func separates(head []byte, comma rune, comments bool) bool {
	if last := bytes.LastIndexByte(head, '\n'); len(head) == looked && last >= 0 {
		head = head[:last+1] // whole lines
	}
	c := csv.NewReader(bytes.NewReader(head))
	c.Comma = comma
	if comments {
		c.Comment = comment
	}
	c.FieldsPerRecord = 0 // as many as in the first line
	first, err := c.Read()
	if err != nil || len(first) < 2 || comma == ' ' && slices.Contains(first, "") {
		return false
	}
	_, err = c.Read()
	return err == nil || err == io.EOF && comma != ' ' // of one line it may be a sentence
}
