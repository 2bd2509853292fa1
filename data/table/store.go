package table

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/data/internal/rowfile"
	"flowmatch/internal/digest"
	"flowmatch/internal/diskcache"
	"flowmatch/internal/memory"
)

// Store opens a table whose numbers stay in a file, and are read when they are asked for: that of [Read] in all
// else, with the same numbers. What they stay in is the file itself where it is an NPY array of little-endian
// floats in C order that is not compressed; of others it is a copy in binary in the cache folder (see
// [diskcache.Open]), which the first Store of a file with these options makes. A file that has another size or
// another time of change than when it was copied is copied anew.
//
// The labels, and the numbers of rows that were left out, are held in memory. watch is told of a copy, and of how
// much of it is done. A folder without room for it is an error.
func Store(path string, opts Options, watch *data.Watch) (Table, error) {
	s, t, h, err := open(path, opts, "", watch)
	if err != nil || h != nil {
		return t, err
	}
	return s.make()
}

// open opens the copy of a table that is read with these options, and how, where there is one: then it has a head.
func open(path string, opts Options, how string, watch *data.Watch) (s storing, t Table, h *head, err error) {
	s = storing{path: path, opts: opts, watch: watch}
	info, err := os.Stat(path)
	if err != nil {
		return s, t, nil, fmt.Errorf("data: %w", err)
	}
	if err := files.CheckRegular(path, info.Mode()); err != nil {
		return s, t, nil, err
	}
	s.size, s.changed = info.Size(), info.ModTime()
	if s.cache, s.noCache = diskcache.Open(); s.noCache != nil {
		return s, t, nil, nil
	}
	if s.key, err = keyOf(path, opts, how); err != nil {
		return s, t, nil, err
	}
	of, err := s.load(&t)
	if err == nil {
		s.cache.Used(s.key + headEnding)
		return s, t, &of, nil
	}
	if damage := (damagedError{}); errors.As(err, &damage) {
		watch.Tell("%s: its copy in the cache, %s, is damaged (%s), and is made anew", filepath.Base(path),
			s.cache.Path(s.key+rowsEnding), damage.why)
	}
	return s, Table{}, nil, nil
}

// storing is the opening of one table.
type storing struct {
	path    string
	opts    Options
	watch   *data.Watch
	size    int64     // of the file
	changed time.Time // when it was
	cache   diskcache.Cache
	noCache error // why there is none
	key     string
}

// The endings of the two files of a copy: its rows, labels and rows left out; and what they are, which is
// written last.
const headEnding, rowsEnding = ".json", ".rows"

// keyOf is the name of the copy of a file that is read with these options, and how.
func keyOf(path string, opts Options, how string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("data: %w", err)
	}
	return digest.Short(strings.TrimSpace(fmt.Sprintf("%d %s %s %s", storeVersion, abs, opts.text(), how)), 32), nil
}

// unchanged reports a file that was written to since it was opened.
func (s storing) unchanged() error {
	info, err := os.Stat(s.path)
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if info.Size() != s.size || !info.ModTime().Equal(s.changed) {
		return files.Malformed(s.path, "has changed while it was read; run the command again")
	}
	return nil
}

// make reads the file, and copies its numbers where they cannot stay in it.
func (s storing) make() (Table, error) {
	direct, err := s.direct()
	if err != nil {
		return Table{}, err
	}
	if direct == nil && s.noCache != nil {
		return Table{}, fmt.Errorf("data: %s cannot be copied to be read from disk: %w", s.path, s.noCache)
	}
	b := &builder{storing: s, direct: direct}
	if b.need, err = HeldBytes(s.path); err != nil {
		return Table{}, err
	}
	if direct != nil {
		return b.inPlace()
	}
	return b.copied()
}

// builder makes a stored table.
type builder struct {
	storing
	direct *rowfile.File // the rows of the file itself; nil: they are copied
	w      io.Writer     // of the copy; nil: there is none
	in     *assembly
	buf    []byte
	lines  *csvLines
	notes  func(*Table) // what the reader of a format has to say at the end
	stamp  [stampSize]byte
	done   float64 // bytes of rows so far
	need   float64 // about how many there are
}

// begin is called by the reader of a format with what it reads.
func (b *builder) begin(in source) {
	b.in, b.lines, b.notes, b.done = in.begin(), nil, nil, 0
}

// add takes the next rows.
func (b *builder) add(x []float64) error {
	what := "looking at "
	if b.done += float64(8 * len(x)); b.w != nil {
		what = "copying "
	}
	b.watch.At(what+filepath.Base(b.path), "MB", b.done/1e6, max(b.done, b.need)/1e6)
	x, err := b.in.add(x)
	if err != nil || b.w == nil {
		return err
	}
	dim, context := b.in.split()
	d := len(b.in.chosen)
	b.buf = b.buf[:0]
	for i := 0; i < len(x); i += d {
		b.buf, err = binary.Append(b.buf, binary.LittleEndian, x[i:i+dim+context])
		if err != nil {
			return err
		}
	}
	_, err = b.w.Write(b.buf)
	return err
}

// inPlace makes the table of a file whose rows are read where they are.
func (b *builder) inPlace() (Table, error) {
	if err := b.readArray(); err != nil {
		return Table{}, err
	}
	t, h, err := b.finish()
	if err != nil {
		return Table{}, err
	}
	t.stored = &stored{points: part{File: b.direct, skip: t.Left}}
	h.Direct = &directRows{b.direct.At, b.direct.Width, b.direct.Elem, b.direct.Columns}
	if t.stored.fingerprint, err = t.hash(b.watch); err != nil || b.noCache != nil {
		return t, err
	}
	// What was found out is kept, to be known at once the next time: without it the table is all the same.
	err = b.cache.Write(b.key+rowsEnding, int64(4*len(t.Label)+8*len(t.Left)), func(w io.Writer) error {
		return errors.Join(b.opening(w), b.closing(w, t))
	})
	if err == nil {
		err = b.writeHead(h, t)
	}
	if err != nil {
		b.watch.Tell("%s: what was found out about it is not kept: %v", filepath.Base(b.path), err)
	}
	return t, nil
}

// copied makes the table of a file that is copied.
func (b *builder) copied() (t Table, err error) {
	b.watch.Tell("%s is copied once into the cache %s, about %s, to be read from there", filepath.Base(b.path),
		b.cache.Folder(), memory.Size(b.need))
	var h head
	write := func(read func() error) error {
		return b.cache.Write(b.key+rowsEnding, int64(b.need), func(w io.Writer) error {
			b.w = bufio.NewWriterSize(w, 1<<20)
			if err := b.opening(b.w); err != nil {
				return err
			}
			if err := read(); err != nil {
				return err
			}
			if t, h, err = b.finish(); err != nil {
				return err
			}
			return errors.Join(b.closing(b.w, t), b.w.(*bufio.Writer).Flush())
		})
	}
	for _, read := range b.readers() {
		if err = write(read); !errors.Is(err, errNotPlain) {
			break
		}
	}
	if err != nil {
		return Table{}, about(b.path, err)
	}
	f, err := os.Open(b.cache.Path(b.key + rowsEnding))
	if err != nil {
		return Table{}, fmt.Errorf("data: %w", err)
	}
	t.stored = &stored{points: part{File: &rowfile.File{R: f, Path: f.Name(), At: headSize, N: t.X.N,
		Width: t.X.D + t.Context.D, Elem: 8}}}
	if t.stored.fingerprint, err = t.hash(b.watch); err != nil {
		return Table{}, err
	}
	return t, about(b.path, b.writeHead(h, t))
}

// about adds the file to an error of the cache.
func about(path string, err error) error {
	if _, said := errors.AsType[*data.FileError](err); said || err == nil {
		return err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("data: %w", err)
	}
	return fmt.Errorf("data: %s is to be read from disk (data.memory): %w, or say data.memory: held", path, err)
}

// finish returns the table without its numbers, and what is written down of it.
func (b *builder) finish() (Table, head, error) {
	t, err := b.in.end()
	if err != nil {
		return t, head{}, err
	}
	if b.notes != nil {
		b.notes(&t)
	}
	return t, b.headOf(t), b.unchanged()
}
