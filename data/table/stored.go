package table

import (
	"math/rand/v2"
	"slices"

	"flowmatch/data"
	"flowmatch/data/internal/rowfile"
	"flowmatch/flow"
	"flowmatch/internal/digest"
)

// stored is where the numbers of a table are that stay in a file.
type stored struct {
	points      part
	contexts    *part // in a file of their own; nil: behind the points in the same rows
	fingerprint string
}

// part is rows of a file, less some.
type part struct {
	*rowfile.File
	skip []int // rows of the file that are left out, in order
	gaps bool  // NaN is a number that is missing
}

// read reads rows [len(index), Dim()].
func (p part) read(dst []float64, index []int) error {
	if len(p.skip) > 0 {
		through := make([]int, len(index))
		for k, i := range index {
			through[k] = original(p.skip, i)
		}
		index = through
	}
	if err := p.Read(dst, index); err != nil || p.gaps {
		return err
	}
	return p.Check(dst, index)
}

// without leaves out more rows: numbers of the source, of which left are not in p's table already. direct
// says that the file of p is the source itself.
func (p part) without(rows, left []int, direct bool) part {
	if direct {
		p.skip = rows
		return p
	}
	p.skip = nil
	for _, row := range rows {
		if at, was := slices.BinarySearch(left, row); !was {
			p.skip = append(p.skip, row-at)
		}
	}
	return p
}

// Stored returns the file that the rows of t stay in, and how many bytes they are; empty: they are held in memory.
func (t Table) Stored() (path string, bytes int64) {
	if t.stored == nil {
		return "", 0
	}
	if bytes = t.stored.points.Size(); t.stored.contexts != nil {
		bytes += t.stored.contexts.Size()
	}
	return t.stored.points.Path, bytes
}

// storedPoints is the rows of a table that stay in a file.
type storedPoints struct{ t Table }

func (p storedPoints) Len() int     { return p.t.X.N }
func (p storedPoints) Dim() int     { return p.t.X.D }
func (p storedPoints) Classes() int { return data.Classes(p.t.Label) }
func (p storedPoints) Context() int { return p.t.Context.D }

// Read implements [data.Finite]; rng is not used.
func (p storedPoints) Read(x flow.Batch, given flow.Given, index []int, _ *rand.Rand) error {
	if err := data.CheckRead(p, x, given, index); err != nil {
		return err
	}
	if err := p.t.readRows(x, given.Context, index); err != nil {
		return err
	}
	if given.Label != nil {
		for k, i := range index {
			given.Label[k] = p.t.Label[i]
		}
	}
	return nil
}

// ReadPart implements [data.PartReader]; rng is not used.
func (p storedPoints) ReadPart(x flow.Batch, given flow.Given, index []int, from int, _ *rand.Rand) error {
	return p.Read(x, given, index[from:from+x.N], nil)
}

// readRows reads rows into x and, where it has room, their contexts into context.
func (t Table) readRows(x, context flow.Batch, index []int) error {
	s, d := t.stored, t.X.D
	width := s.points.Dim()
	if width == d {
		if err := s.points.read(x.X, index); err != nil {
			return err
		}
	} else {
		rows := make([]float64, len(index)*width)
		if err := s.points.read(rows, index); err != nil {
			return err
		}
		for k := range index {
			row := rows[k*width : (k+1)*width]
			copy(x.Row(k), row)
			if context.N > 0 {
				copy(context.Row(k), row[d:])
			}
		}
	}
	if s.contexts != nil && context.N > 0 {
		return s.contexts.read(context.X, index)
	}
	return nil
}

// Each calls use with all rows of t in their order, with their contexts, some thousand at a time: their number
// from 0, and points that are good until it returns.
func (t Table) Each(use func(from int, x, context flow.Batch) error) error {
	if t.stored == nil {
		return use(0, t.X, t.Context)
	}
	var index []int
	x, context := flow.NewBatch(pieceRows, t.X.D), flow.NewBatch(pieceRows, t.Context.D)
	for from := 0; from < t.X.N; from += pieceRows {
		index = index[:0]
		for i := from; i < min(from+pieceRows, t.X.N); i++ {
			index = append(index, i)
		}
		x, c := x.Slice(0, len(index)), flow.Batch{}
		if t.Context.D > 0 {
			c = context.Slice(0, len(index))
		}
		if err := t.readRows(x, c, index); err != nil {
			return err
		}
		if err := use(from, x, c); err != nil {
			return err
		}
	}
	return nil
}

// hash is the Fingerprint of a table whose numbers are in a file.
func (t Table) hash(watch *data.Watch) (string, error) {
	d := digest.New()
	digest.Add(d, []uint64{uint64(t.X.N), uint64(t.X.D), uint64(len(t.Label))})
	err := t.Each(func(from int, x, _ flow.Batch) error {
		watch.At("fingerprint of the rows", "rows", float64(from+x.N), float64(t.X.N))
		digest.Add(d, x.X)
		return nil
	})
	digest.Add(d, t.Label)
	if t.Context.D > 0 && err == nil {
		digest.Add(d, []uint64{uint64(t.Context.D)})
		err = t.Each(func(_ int, _, c flow.Batch) error {
			digest.Add(d, c.X)
			return nil
		})
	}
	for _, name := range t.ClassNames {
		d.Text(name)
	}
	return d.String(), err
}

// Hold returns t with its numbers in memory.
func (t Table) Hold() (Table, error) {
	if t.stored == nil {
		return t, nil
	}
	held := t
	held.stored, held.X = nil, flow.NewBatch(t.X.N, t.X.D)
	if t.Context.D > 0 {
		held.Context = flow.NewBatch(t.X.N, t.Context.D)
	}
	err := t.Each(func(from int, x, c flow.Batch) error {
		copy(held.X.X[from*x.D:], x.X)
		copy(held.Context.X[from*c.D:], c.X)
		return nil
	})
	return held, err
}

// Without returns t without rows of its file, by their numbers from 0 in order, which are [Table.Left] and maybe
// more.
func (t Table) Without(rows []int) Table {
	if len(rows) == len(t.Left) {
		return t
	}
	out := t
	var kept []int
	at := 0
	for i := range t.X.N {
		file := original(t.Left, i)
		for at < len(rows) && rows[at] < file {
			at++
		}
		if at == len(rows) || rows[at] != file {
			kept = append(kept, i)
		}
	}
	out.Left, out.Label = rows, flow.Given{Label: t.Label}.Rows(kept).Label
	where := t.Where
	out.Where = func(row int) string { return where(kept[row]) }
	if s := t.stored; s != nil {
		to := *s
		to.points = s.points.without(rows, t.Left, s.points.N == t.Read)
		out.stored, out.X.N = &to, len(kept)
		if out.Context.D > 0 {
			out.Context.N = len(kept)
		}
		return out
	}
	out.X = t.X.Rows(kept)
	if t.Context.D > 0 {
		out.Context = t.Context.Rows(kept)
	}
	return out
}

// WithLabels returns t with other labels, one of each row; nil: none.
func (t Table) WithLabels(label []int32) (Table, error) {
	same := slices.Equal(t.Label, label)
	t.Label = label
	if t.stored == nil || same {
		return t, nil
	}
	s := *t.stored
	t.stored = &s
	var err error
	s.fingerprint, err = t.hash(nil)
	return t, err
}

// WithContext returns t with the rows of another table, which has as many, as contexts. Both are held in
// memory, or both stay in their files.
func (t Table) WithContext(given Table) (Table, error) {
	t.Context, t.ContextColumns, t.Shape = given.X, given.Columns, given.Shape
	if t.stored == nil {
		return t, nil
	}
	s := *t.stored
	s.contexts = &given.stored.points
	t.stored = &s
	var err error
	s.fingerprint, err = t.hash(nil)
	return t, err
}
