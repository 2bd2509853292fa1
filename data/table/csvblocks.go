package table

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"io"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"flowmatch/data/internal/files"
)

// readCSV reads a text. One of plain numbers, without quotes, is read on all cores; of every other
// the reader of rows says what it is, or what is wrong with it.
func readCSV(path string, opts Options) (Table, error) {
	f, err := files.Open(path)
	if err != nil {
		return Table{}, err
	}
	defer f.Close()
	if t, plain, err := decodePlain(f, path, opts); plain {
		return t, err
	}
	again, err := files.Open(path)
	if err != nil {
		return Table{}, err
	}
	defer again.Close()
	return decodeCSV(again, path, opts)
}

// blockSize is how much of a text one core reads at a time.
const blockSize = 1 << 20

// textBlock is a piece of a text, of whole lines, and what is in it.
type textBlock struct {
	text  []byte
	x     []float64
	whole []bool
	lines int
	at    csvLines // of its rows; lines count from 1 in the block
	plain bool
	done  chan struct{}
}

// decodePlain is decodeCSV for a text in which nothing is quoted and every field that is read is a
// number or, with DropMissing, a word for a missing one. plain is false of any other text, whose
// faults are not told here. The table is that of decodeCSV, bit for bit.
func decodePlain(r io.Reader, path string, opts Options) (t Table, plain bool, err error) {
	p := openPlain(r, path, opts)
	if p == nil {
		return t, false, nil
	}
	var x []float64
	at, ok, _ := p.read(keep(&x))
	if !ok {
		return t, false, nil
	}
	t, err = p.source.numbered(x, at, p.note)
	return t, true, err
}

// openPlain returns the reader of a text of plain numbers; nil where its beginning is none.
func openPlain(r io.Reader, path string, opts Options) *plainReader {
	text, head, err := openText(r, path)
	if err != nil || opts.Comments { // of whose lines only the reader of rows knows where they are
		return nil
	}
	comma, note := commaOf(head, path, opts)
	if comma >= utf8.RuneSelf || strings.ContainsRune("\"\r\n", comma) {
		return nil
	}
	lines := bufio.NewReaderSize(text, looked)
	line, err := lines.ReadBytes('\n')
	first := fieldsOf(line, comma)
	if err != nil || len(line) > looked || first == nil || len(first) == 1 && first[0] == "" ||
		len(first) > maxColumns {
		return nil
	}
	in, doubt, err := named(path, first, opts)
	if err != nil || doubt != nil {
		return nil
	}
	in.texts = nil // labels are numbers
	p := &plainReader{source: in, comma: byte(comma), column: slices.Repeat([]int{-1}, len(in.names)), text: lines,
		note: note}
	for k, i := range in.chosen {
		p.column[i] = k
	}
	if p.line = 1; !in.header {
		p.line, p.left = 0, line
	}
	return p
}

// fieldsOf returns the fields of a first line, whose names may be quoted, as many programs write them; nil: it is no
// row by itself.
func fieldsOf(line []byte, comma rune) []string {
	first := strings.Split(strings.TrimRight(string(line), "\r\n"), string(comma))
	if bytes.IndexByte(line, '"') >= 0 {
		c := csv.NewReader(bytes.NewReader(line))
		c.Comma = comma
		var err error
		if first, err = c.Read(); err != nil {
			return nil
		}
	}
	for i := range first {
		first[i] = strings.TrimSpace(first[i])
	}
	return first
}

// plainReader reads a text of plain numbers, block by block.
type plainReader struct {
	source
	comma  byte
	column []int // of each field of a line: which of the columns chosen it is; -1: none
	line   int   // lines before the first block
	text   io.Reader
	left   []byte // that comes before text
	note   string // what was found out about the text
}

// read hands on the numbers of a text, and returns the lines of its rows; false: it is not plain. The
// error is that of use.
func (p *plainReader) read(use take) (at csvLines, plain bool, err error) {
	workers := runtime.GOMAXPROCS(0)
	order, work, stop := make(chan *textBlock, 2*workers), make(chan *textBlock), make(chan struct{})
	var working sync.WaitGroup
	defer working.Wait()
	defer close(stop)
	working.Go(func() { p.cut(p.text, p.left, order, work, stop) })
	for range workers {
		working.Go(func() {
			for b := range work {
				p.parse(b)
				close(b.done)
			}
		})
	}
	for b := range order {
		<-b.done
		if !b.plain {
			return at, false, nil
		}
		for k, w := range b.whole {
			p.whole[k] = p.whole[k] || w
		}
		at.join(b.at, p.line)
		p.line += b.lines
		if err := use(b.x, &at); err != nil {
			return at, true, err
		}
		b.x = nil
	}
	return at, true, nil
}

// cut cuts a text into blocks of whole lines, which go to order and work. A read that fails is a
// block that is not plain.
func (p *plainReader) cut(text io.Reader, left []byte, order, work chan<- *textBlock, stop <-chan struct{}) {
	defer close(work)
	defer close(order)
	for end := false; !end; {
		buf := make([]byte, len(left)+blockSize)
		n := copy(buf, left)
		var err error
		for n < len(buf) && err == nil { // io.ReadFull has one error for the end and for a file that is cut off
			var got int
			got, err = text.Read(buf[n:])
			n += got
		}
		buf = buf[:n]
		end = err != nil
		b := &textBlock{text: buf, plain: true, done: make(chan struct{})}
		if !end {
			last := bytes.LastIndexByte(buf, '\n') + 1
			b.text, left = buf[:last], buf[last:]
		}
		if end && err != io.EOF || len(left) > maxRow-blockSize {
			b.text, b.plain, end = nil, false, true
		}
		select {
		case order <- b:
		case <-stop:
			return
		}
		select {
		case work <- b:
		case <-stop:
			return
		}
	}
}

// parse reads the numbers of a block.
func (p *plainReader) parse(b *textBlock) {
	text := b.text
	b.text = nil
	if !b.plain || bytes.IndexByte(text, '"') >= 0 {
		b.plain = false
		return
	}
	b.whole = make([]bool, len(p.chosen))
	b.x = make([]float64, 0, (bytes.Count(text, []byte{'\n'})+1)*len(p.chosen))
	for len(text) > 0 {
		line := text
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			line, text = text[:end], text[end+1:]
		} else {
			text = nil
		}
		b.lines++
		if n := len(line); n > 0 && line[n-1] == '\r' {
			line = line[:n-1]
		}
		if len(line) == 0 {
			continue
		}
		b.at.add(b.lines)
		if b.plain = p.row(b, line); !b.plain {
			return
		}
	}
}

// row appends the numbers of a line to those of its block.
func (p *plainReader) row(b *textBlock, line []byte) bool {
	n := len(b.x)
	b.x = b.x[:n+len(p.chosen)]
	for i, k := range p.column {
		field := line
		switch end := bytes.IndexByte(line, p.comma); {
		case i == len(p.column)-1 && end >= 0, i < len(p.column)-1 && end < 0:
			return false // another number of fields
		case end >= 0:
			field, line = line[:end], line[end+1:]
		}
		if k < 0 {
			continue
		}
		v, ok := p.number(bytes.Trim(field, " \t"))
		if !ok {
			return false
		}
		if math.Abs(v) >= wholeLimit && isInteger(string(bytes.Trim(field, " \t"))) {
			b.whole[k] = true
		}
		b.x[n+k] = v
	}
	return true
}

// number reads a field as numbers of [csvReader] does; false where that would find a fault.
func (p *plainReader) number(field []byte) (float64, bool) {
	if v, ok := shortNumber(field); ok {
		return v, true
	}
	v, err := strconv.ParseFloat(string(field), 64)
	if p.opts.DropMissing && isGap(string(field)) {
		return math.NaN(), true
	}
	return v, err == nil && (p.opts.DropMissing || v-v == 0)
}

// shortNumber reads a number without an exponent of at most 15 digits, which a float64 holds, and at
// most 22 of them behind the point: the quotient of two floats that are exact is rounded once, as
// strconv's result is (Clinger 1990).
func shortNumber(field []byte) (float64, bool) {
	neg, i := false, 0
	if len(field) > 0 && (field[0] == '-' || field[0] == '+') {
		neg, i = field[0] == '-', 1
	}
	mantissa, digits, point := uint64(0), 0, -1
	for ; i < len(field); i++ {
		switch c := field[i]; {
		case c-'0' < 10:
			mantissa = 10*mantissa + uint64(c-'0')
			if digits++; digits > 15 {
				return 0, false
			}
		case c == '.' && point < 0:
			point = digits
		default:
			return 0, false
		}
	}
	if digits == 0 {
		return 0, false
	}
	v := float64(mantissa)
	if point >= 0 {
		v /= tens[digits-point]
	}
	if neg {
		v = -v
	}
	return v, true
}

// tens are powers of ten that a float64 holds.
var tens = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// join adds the rows of another piece of a text, which begins behind so many lines.
func (l *csvLines) join(part csvLines, lines int) {
	rows := l.rows
	for _, j := range part.jump {
		l.rows = rows + j.row
		l.add(lines + j.line)
	}
	l.rows = rows + part.rows
}
