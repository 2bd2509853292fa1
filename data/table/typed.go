package table

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/data/internal/rowfile"
	"flowmatch/data/schema"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/memory"
)

// Typing is how the columns of a table are read as what they hold.
type Typing struct {
	Known   *schema.Schema // what they hold; nil: it is found out
	Options schema.Options // by these
}

// Typed is a table whose columns were read as what they hold.
type Typed struct {
	Table  // of one number for each column that is learnt, where NaN is missing: see [schema.Schema.Parse]
	Schema *schema.Schema
}

// ReadTyped reads a table as what its columns hold, and holds its numbers in memory: of one that is large piece by
// piece, once to find out what they hold, and once for the numbers.
func ReadTyped(path string, opts Options, how Typing, watch *data.Watch) (Typed, error) {
	r := typedReader{path: path, opts: opts, how: how, watch: watch}
	var err error
	if r.need, err = HeldBytes(path); err != nil {
		return Typed{}, err
	}
	x := flow.Batch{}
	t, err := r.read(func(part flow.Batch) error {
		if x.X == nil && r.rows > 0 {
			x.X = make([]float64, 0, r.rows*part.D)
		}
		x.N, x.D, x.X = x.N+part.N, part.D, append(x.X, part.X...)
		return nil
	})
	t.X = x
	return t, err
}

// StoreTyped is [ReadTyped] of a table whose numbers stay in a copy in the cache folder, as those of [Store].
func StoreTyped(path string, opts Options, how Typing, watch *data.Watch) (Typed, error) {
	text, err := json.Marshal(how)
	if err != nil {
		return Typed{}, fmt.Errorf("data: %w", err)
	}
	s, t, h, err := open(path, opts, string(text), watch)
	if err != nil {
		return Typed{}, err
	}
	if h != nil {
		sch := how.Known
		if sch == nil {
			sch = h.Schema
		}
		return Typed{Table: t, Schema: sch}, nil
	}
	if s.noCache != nil {
		return Typed{}, fmt.Errorf("data: %s cannot be copied to be read from disk: %w", path, s.noCache)
	}
	b := &builder{storing: s}
	if b.need, err = HeldBytes(path); err != nil {
		return Typed{}, err
	}
	return b.copyTyped(how)
}

// copyTyped makes the copy of a table.
func (b *builder) copyTyped(how Typing) (t Typed, err error) {
	b.watch.Tell("%s is copied once into the cache %s, about %s, to be read from there", filepath.Base(b.path),
		b.cache.Folder(), memory.Size(b.need))
	r := typedReader{path: b.path, opts: b.opts, how: how, watch: b.watch, need: b.need}
	n, d := 0, 0
	err = b.cache.Write(b.key+rowsEnding, int64(b.need), func(w io.Writer) error {
		out := bufio.NewWriterSize(w, 1<<20)
		if err := b.opening(out); err != nil {
			return err
		}
		if t, err = r.read(func(part flow.Batch) error {
			n, d = n+part.N, part.D
			b.buf, err = binary.Append(b.buf[:0], binary.LittleEndian, part.X)
			if err != nil {
				return err
			}
			_, err = out.Write(b.buf)
			return err
		}); err != nil {
			return err
		}
		return errors.Join(b.unchanged(), out.Flush())
	})
	if err != nil {
		return Typed{}, about(b.path, err)
	}
	f, err := os.Open(b.cache.Path(b.key + rowsEnding))
	if err != nil {
		return Typed{}, fmt.Errorf("data: %w", err)
	}
	t.X = flow.Batch{N: n, D: d}
	t.stored = &stored{points: part{gaps: true, File: &rowfile.File{R: f, Path: f.Name(), At: headSize, N: n, Width: d,
		Elem: 8}}}
	if t.stored.fingerprint, err = t.hash(b.watch); err != nil {
		return Typed{}, err
	}
	b.lines = r.lines
	h := b.headOf(t.Table)
	h.Schema = t.Schema.Bare()
	return t, about(b.path, b.writeHead(h, t.Table))
}

// Hold returns t with its numbers in memory.
func (t Typed) Hold() (held Typed, err error) {
	held = t
	held.Table, err = t.Table.Hold()
	return held, err
}

// Rows returns some of the rows, [len(index), D].
func (t Typed) Rows(index []int) (flow.Batch, error) {
	if t.stored == nil {
		return t.X.Rows(index), nil
	}
	x := flow.NewBatch(len(index), t.X.D)
	return x, t.readRows(x, flow.Batch{}, index)
}

// typedReader reads a table as what its columns hold.
type typedReader struct {
	path  string
	opts  Options
	how   Typing
	watch *data.Watch
	need  float64 // about how many bytes its numbers have
	whole *Cells  // of a table that is small
	rows  int     // of the table, once it was looked through
	lines *csvLines
}

// wholeBytes is up to how many bytes of numbers all cells of a table are held while it is read.
const wholeBytes = 64 << 20

// cellRows is how many rows of cells are read together.
const cellRows = 1 << 15

// each hands on the cells of the table; where they are all in memory, those.
func (r *typedReader) each(what string, use func(Cells) error) (Cells, error) {
	if r.whole == nil && r.need <= wholeBytes {
		all, err := ReadCells(r.path, r.opts)
		if err != nil && all.Rows > 0 {
			err = cmp.Or(use(all), err)
		}
		if err != nil {
			return all, err
		}
		r.whole = &all
	}
	if r.whole != nil {
		return *r.whole, use(*r.whole)
	}
	done := 0.0
	return EachCells(r.path, r.opts, cellRows, func(c Cells) error {
		done += 8 * float64(c.Rows*len(c.Columns))
		r.watch.At(what+" "+filepath.Base(r.path), "MB", done/1e6, max(done, r.need)/1e6)
		return use(c)
	})
}

// read hands on the numbers of the table, and returns it without them.
func (r *typedReader) read(use func(flow.Batch) error) (Typed, error) {
	sch, err := r.schema()
	if err != nil {
		return Typed{}, err
	}
	var faults []schema.Fault
	rows := 0
	info, err := r.each("reading", func(c Cells) error {
		if rows == 0 {
			if err := c.CheckRead(schema.Options{Columns: sch.Names()}); err != nil {
				return err
			}
		}
		x, bad, err := sch.Parse(c.Cells)
		if missing, ok := errors.AsType[*schema.MissingError](err); ok {
			return &data.FileError{Path: r.path, Missing: missing.Column, Problem: missing.Error()}
		}
		faults = merge(faults, bad, rows)
		if rows += c.Rows; err != nil || faults != nil {
			return err
		}
		return use(x)
	})
	if err == nil {
		err = Faults(r.path, faults, info.Where)
	}
	if err != nil {
		return Typed{}, together(err, faults)
	}
	r.lines = info.lines
	return Typed{Schema: sch, Table: Table{Columns: sch.Names(), Header: info.Header, Notes: info.Notes,
		Where: info.Where, Read: rows}}, nil
}

// schema returns what the columns hold.
func (r *typedReader) schema() (*schema.Schema, error) {
	if r.how.Known != nil {
		return r.how.Known, nil
	}
	var scan *schema.Scan
	info, err := r.each("looking at", func(c Cells) (err error) {
		if scan == nil {
			if err := c.CheckRead(r.how.Options); err != nil {
				return err
			}
			if scan, err = schema.NewScan(r.how.Options, c.Names, c.Index, c.Delimiter); err != nil {
				return fmt.Errorf("data: %w (%s)", err, choice.Cut(r.path)) // it is of the settings
			}
		}
		scan.Add(c.Cells)
		r.rows += c.Rows
		return nil
	})
	if err != nil {
		var faults []schema.Fault
		if scan != nil {
			_, faults = scan.Schema()
		}
		return nil, together(err, faults)
	}
	return found(r.path, scan, info)
}

// found returns what a scan found, or what is wrong with the cells.
func found(path string, scan *schema.Scan, info Cells) (*schema.Schema, error) {
	s, faults := scan.Schema()
	if err := Faults(path, faults, info.Where); err != nil {
		return nil, err
	}
	if len(s.Learnt()) == 0 {
		return nil, files.Malformed(path, "no column is left to learn: %s", idle(s))
	}
	return s, nil
}

// merge adds the faults of the next rows, which begin at a number, to those before.
func merge(faults, more []schema.Fault, base int) []schema.Fault {
	for _, f := range more {
		f.Row += base
		at := slices.IndexFunc(faults, func(g schema.Fault) bool {
			return g.Column == f.Column && g.Problem == f.Problem
		})
		switch {
		case at >= 0:
			faults[at].Count += f.Count
		case len(faults) < mostMerged:
			faults = append(faults, f)
		}
	}
	return faults
}

// mostMerged is how many faults of a table that differ are kept.
const mostMerged = 1000
