package table

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"flowmatch/data/internal/files"
	"flowmatch/data/internal/rowfile"
	"flowmatch/data/schema"
	"flowmatch/flow"
	"flowmatch/internal/atomicfile"
)

// storeVersion is that of the format of copies: others are not read.
const storeVersion = 1

// A file of rows begins with a mark and a stamp, which its head has too: rows and head that were not written
// together are no copy. The numbers begin at headSize.
const (
	storeMark = "flowmatch rows 1"
	stampSize = 16
	headSize  = 64
)

// head is what is written down of a copy.
type head struct {
	Version        int
	Path           string // of the file that it is of, for who looks
	Size           int64
	Changed        time.Time
	Stamp          string
	N, D, C, Read  int
	Columns        []string
	ContextColumns []string
	ClassNames     []string
	Header         bool
	Shape          []int
	Notes          []string
	Labels         bool
	Left           int
	Lines          []lineJump // of a text: see csvLines
	Text           bool
	Direct         *directRows // the rows are in the file itself
	Fingerprint    string
	Schema         *schema.Schema `json:",omitempty"` // of a table that is read as what its columns hold
}

type lineJump struct{ Row, Line int }

// directRows says where the rows of a file are in it.
type directRows struct {
	At          int64
	Width, Elem int
	Columns     []int
}

// headOf is the head of a table.
func (b *builder) headOf(t Table) head {
	h := head{Version: storeVersion, Path: b.path, Size: b.size, Changed: b.changed,
		Stamp: hex.EncodeToString(b.stamp[:]), N: t.X.N, D: t.X.D, C: t.Context.D, Read: t.Read, Columns: t.Columns,
		ContextColumns: t.ContextColumns, ClassNames: t.ClassNames, Header: t.Header, Shape: t.Shape, Notes: t.Notes,
		Labels: t.Label != nil, Left: len(t.Left), Text: b.lines != nil}
	if b.lines != nil {
		for _, j := range b.lines.jump {
			h.Lines = append(h.Lines, lineJump{j.row, j.line})
		}
	}
	return h
}

// opening writes what comes before the rows.
func (b *builder) opening(w io.Writer) error {
	if _, err := rand.Read(b.stamp[:]); err != nil {
		return err
	}
	start := make([]byte, headSize)
	copy(start[copy(start, storeMark):], b.stamp[:])
	_, err := w.Write(start)
	return err
}

// closing writes what comes behind them.
func (b *builder) closing(w io.Writer, t Table) error {
	left := make([]int64, len(t.Left))
	for i, row := range t.Left {
		left[i] = int64(row)
	}
	return errors.Join(binary.Write(w, binary.LittleEndian, t.Label), binary.Write(w, binary.LittleEndian, left))
}

// writeHead makes a copy one that is found.
func (b *builder) writeHead(h head, t Table) error {
	h.Fingerprint, h.Stamp = t.stored.fingerprint, hex.EncodeToString(b.stamp[:])
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return b.cache.Write(b.key+headEnding, int64(len(text)), func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// errNoCopy says that there is no copy, or one of another state of the file.
var errNoCopy = errors.New("no copy")

// damagedError is that of a copy that cannot be read.
type damagedError struct{ why string }

func (d damagedError) Error() string { return d.why }

// load opens the copy of a file.
func (s storing) load(t *Table) (h head, err error) {
	text, err := os.ReadFile(s.cache.Path(s.key + headEnding))
	if err != nil {
		return h, errNoCopy
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, damagedError{fmt.Sprintf("its head: %v", err)}
	}
	if h.Version != storeVersion || h.Size != s.size || !h.Changed.Equal(s.changed) {
		return h, errNoCopy
	}
	f, err := os.Open(s.cache.Path(s.key + rowsEnding))
	if err != nil {
		return h, damagedError{err.Error()}
	}
	if *t, err = h.table(f); err == nil && h.Direct != nil {
		err = errors.Join(f.Close(), h.inFile(t, s.path))
	}
	if err != nil {
		return h, errors.Join(err, f.Close())
	}
	return h, nil
}

// table returns the table of a head and its rows.
func (h head) table(f *os.File) (t Table, err error) {
	rows := int64(h.N) * int64(h.D+h.C) * 8
	if h.Direct != nil {
		rows = 0
	}
	labels := 0
	if h.Labels {
		labels = h.N
	}
	info, err := f.Stat()
	if err != nil {
		return t, damagedError{err.Error()}
	}
	if want := headSize + rows + int64(4*labels+8*h.Left); info.Size() != want || h.N < 1 || h.D < 1 || h.C < 0 ||
		len(h.Columns) != h.D || len(h.ContextColumns) != h.C {
		return t, damagedError{fmt.Sprintf("%d bytes of rows; want %d", info.Size(), want)}
	}
	start := make([]byte, headSize)
	if _, err := f.ReadAt(start, 0); err != nil {
		return t, damagedError{err.Error()}
	}
	mark, stamp := start[:len(storeMark)], start[len(storeMark):len(storeMark)+stampSize]
	if string(mark) != storeMark || hex.EncodeToString(stamp) != h.Stamp {
		return t, damagedError{"its rows are not those of its head"}
	}
	t = Table{X: flow.Batch{N: h.N, D: h.D}, Columns: h.Columns, ContextColumns: h.ContextColumns,
		ClassNames: h.ClassNames, Header: h.Header, Read: h.Read, Shape: h.Shape, Notes: h.Notes}
	if h.C > 0 {
		t.Context = flow.Batch{N: h.N, D: h.C}
	}
	end := io.NewSectionReader(f, headSize+rows, info.Size())
	if h.Labels {
		t.Label = make([]int32, labels)
	}
	left := make([]int64, h.Left)
	err = errors.Join(binary.Read(end, binary.LittleEndian, t.Label), binary.Read(end, binary.LittleEndian, left))
	if err != nil {
		return t, damagedError{err.Error()}
	}
	for _, row := range left {
		t.Left = append(t.Left, int(row))
	}
	t.Where = h.where(t.Left)
	t.stored = &stored{fingerprint: h.Fingerprint, points: part{gaps: h.Schema != nil,
		File: &rowfile.File{R: f, Path: f.Name(), At: headSize, N: h.N, Width: h.D + h.C, Elem: 8}}}
	return t, nil
}

// where says where a row is in the file.
func (h head) where(left []int) func(int) string {
	of := files.Row
	if h.Text {
		var lines csvLines
		for _, j := range h.Lines {
			lines.jump = append(lines.jump, struct{ row, line int }{j.Row, j.Line})
		}
		of = lines.where
	}
	return func(row int) string { return of(original(left, row)) }
}

// inFile has t read its rows in the file that it is of.
func (h head) inFile(t *Table, path string) error {
	f, err := atomicfile.Open(path)
	if err != nil {
		return err
	}
	t.stored.points = part{File: &rowfile.File{R: f, Path: path, At: h.Direct.At, N: h.Read, Width: h.Direct.Width,
		Elem: h.Direct.Elem, Columns: h.Direct.Columns}, skip: t.Left}
	return nil
}
