package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/data/schema"
	"flowmatch/data/table"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/digest"
	"flowmatch/internal/seed"
)

// The values of [Config.Schema].
const (
	SchemaNumbers = "numbers" // every column is of numbers
	SchemaAuto    = "auto"    // the kind of each column is found
)

// Typed says whether the columns of a table are read as what they hold.
func (c Config) Typed() bool { return c.Schema == SchemaAuto }

// checkSchema reports keys of a schema without one, and what does not go with one.
func (c Config) checkSchema() error {
	if c.Schema != "" {
		if err := choice.Check("schema", c.Schema, []string{SchemaNumbers, SchemaAuto}); err != nil {
			return fmt.Errorf("data: %w", err)
		}
	}
	const together = "with schema: auto all columns are learnt together, and any can be given when samples are drawn"
	for _, f := range []struct {
		name  string
		set   bool
		typed bool
		why   string
	}{
		{"kinds", c.Kinds != nil, true, "it needs schema: auto"},
		{"levels", c.Levels != nil, true, "it needs schema: auto"},
		{"transforms", c.Transforms != nil, true, "it needs schema: auto"},
		{"standardize", c.Standardize != "", false,
			"with schema: auto the transforms scale each column; see transforms"},
		{"label", c.Label != "", false, together},
		{"context", c.Context != nil, false, together},
		{"target", c.Target != nil, false, together},
		{"context_path", c.ContextPath != "", false, together},
		{"test_context_path", c.TestContextPath != "", false, together},
		{"bounds", c.Bounds != nil, false, "with schema: auto samples keep to the range of the data; see transforms"},
		{"missing", c.Missing != "", false, "with schema: auto missing values are learnt with the others"},
	} {
		if f.set && f.typed != c.Typed() {
			return fmt.Errorf("data: %s is set, but %s; leave it out", f.name, f.why)
		}
	}
	return nil
}

// PartSizes returns how many of n rows of a file are those to train on, and how many to validate on.
func (c Config) PartSizes(n int) (train, val int, err error) {
	learn, held, _, err := c.parts(n, c.TestPath != "", 0)
	return len(learn), len(held), err
}

// Described is what is known of a table before it is trained on.
type Described struct {
	Schema *schema.Schema // with the transforms that all rows choose
	Header bool           // the first line of a text holds the names
	Notes  []string
}

// Describe reads the table of c, whose paths are relative to dir, and says what its columns hold.
// [Config.Typed] must be true.
func (c Config) Describe(dir string) (Described, error) {
	if err := c.Validate(); err != nil {
		return Described{}, err
	}
	c.Memory = c.road(dir)
	t, err := c.readTyped(within(dir, c.Path), nil)
	if err != nil {
		return Described{}, err
	}
	all := make([]uint32, t.X.N)
	for i := range all {
		all[i] = uint32(i)
	}
	s, err := c.fitTyped(t, all, 0)
	if err != nil {
		return Described{}, err
	}
	return Described{Schema: s, Header: t.Header, Notes: t.Notes}, nil
}

// readTyped reads a table, with the schema that it has itself where s is nil.
func (c Config) readTyped(path string, s *schema.Schema) (table.Typed, error) {
	delimiter, err := c.delimiter()
	if err != nil {
		return table.Typed{}, err
	}
	opts := table.Options{Delimiter: delimiter, Header: c.Header}
	how := table.Typing{Known: s}
	if s == nil {
		how.Options = schema.Options{Columns: c.Columns, Exclude: c.Exclude, Kinds: c.Kinds, Levels: c.Levels}
	}
	info, err := os.Stat(path)
	text := err == nil && info.Size() >= copiedFrom
	switch {
	case c.Memory == MemoryDisk:
		return table.StoreTyped(path, opts, how, c.Watch)
	case c.Memory == memoryCopied && text:
		t, err := table.StoreTyped(path, opts, how, c.Watch)
		if _, fault := errors.AsType[*data.FileError](err); fault {
			return t, err
		}
		if err == nil {
			return t.Hold()
		}
		c.Watch.Tell("%s is read as text every time: %v", choice.Cut(path), err)
	}
	return table.ReadTyped(path, opts, how, c.Watch)
}

// mostFitted is how many rows transforms are chosen by: of more, so many that are drawn at random.
const mostFitted = 1 << 20

// fitTyped returns the schema of a table with its transforms, by the rows to train on.
func (c Config) fitTyped(t table.Typed, train []uint32, seedValue uint64) (*schema.Schema, error) {
	x, err := t.Rows(some(train, mostFitted, seed.Rand(seedValue, "schema/fit", 0)))
	if err != nil {
		return nil, err
	}
	s, err := t.Schema.Fit(x, c.Transforms)
	if err != nil {
		return nil, fmt.Errorf("data: %w (%s)", err, choice.Cut(c.Path))
	}
	return s, nil
}

// some returns n of all, in their order, drawn at random (Knuth's algorithm S); all, of fewer.
func some(all []uint32, n int, rng *rand.Rand) []int {
	if len(all) <= n {
		return ints(all)
	}
	out := make([]int, 0, n)
	for i, k := range all {
		if rng.IntN(len(all)-i) < n-len(out) {
			out = append(out, int(k))
		}
	}
	return out
}

// OpenAs is Open of a table with the schema of a model that was trained on it: its columns are found
// by their names, and hold what they held then.
func (c Config) OpenAs(dir string, seed uint64, s *schema.Schema) (*data.Set, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c.openTyped(dir, seed, s)
}

// openTyped opens a table whose columns are read as what they hold: those of a schema or, for nil, as
// they are found.
func (c Config) openTyped(dir string, seedValue uint64, known *schema.Schema) (*data.Set, error) {
	c.Memory = c.road(dir)
	t, err := c.readTyped(within(dir, c.Path), known)
	if err != nil {
		return nil, err
	}
	train, val, test, err := c.parts(t.X.N, c.TestPath != "", seedValue)
	if err != nil {
		return nil, err
	}
	if known == nil {
		if t.Schema, err = c.fitTyped(t, train, seedValue); err != nil {
			return nil, err
		}
	}
	print, err := fingerprintTyped(t)
	if err != nil {
		return nil, err
	}
	points := Rows{t}
	s := &data.Set{
		Name: filepath.Base(c.Path), Kind: data.KindTable, Dim: points.Dim(), Shape: []int{points.Dim()},
		Header: t.Header, Notes: slices.Clone(t.Notes), Schema: t.Schema, Fingerprint: print,
		TrainSet: data.Subset(points, train), Val: data.Subset(points, val), Test: data.Subset(points, test),
	}
	s.Columns, _ = t.Schema.Coordinates()
	s.Stored, _ = t.Stored()
	if c.TestPath != "" {
		apart, err := c.readTyped(within(dir, c.TestPath), t.Schema)
		if err != nil {
			return nil, err
		}
		if print, err = fingerprintTyped(apart); err != nil {
			return nil, err
		}
		holdApart(s, Rows{apart}, print)
		s.Notes = slices.Concat(s.Notes, notesOf(c.TestPath, apart.Notes))
	}
	s.Train = data.Shuffle(s.TrainSet, seedValue)
	return s, nil
}

// fingerprintTyped is the SHA-256 of rows and of what their columns hold.
func fingerprintTyped(t table.Typed) (string, error) {
	text, err := json.Marshal(t.Schema.Bare())
	if err != nil {
		return "", fmt.Errorf("data: %w", err)
	}
	d := digest.New()
	d.Text(string(text))
	d.Text(t.Fingerprint())
	return d.String(), nil
}

// Rows are the rows of a table as points in model units, with noise that is drawn when they are read.
type Rows struct {
	Table table.Typed // whose schema has its transforms
}

// Len returns how many rows there are.
func (r Rows) Len() int { return r.Table.X.N }

// Dim returns how many coordinates a row has in model units.
func (r Rows) Dim() int { return r.Table.Schema.Dim() }

// Classes returns 0: levels are coordinates.
func (r Rows) Classes() int { return 0 }

// Context returns 0.
func (r Rows) Context() int { return 0 }

// Read implements [data.Finite]. Without an rng the noise of a row is that of its number.
func (r Rows) Read(z flow.Batch, given flow.Given, index []int, rng *rand.Rand) error {
	if err := data.CheckRead(r, z, given, index); err != nil {
		return err
	}
	if given.Label != nil {
		return data.ErrNoLabels
	}
	x, err := r.Table.Rows(index)
	if err != nil {
		return err
	}
	r.Table.Schema.Points(z, x, func(k int) *rand.Rand {
		if rng != nil {
			return rng
		}
		return seed.Rand(0, "data/dequantize", uint64(index[k]))
	})
	r.Table.Schema.Apply(z)
	return nil
}

// typedPoints reads points of a model with a schema, whose density is asked for.
func (c Config) typedPoints(path string, s *schema.Schema, rng *rand.Rand) (Points, error) {
	if !slices.Contains(append(textTables(), binaryTables()...), files.Extension(path)) {
		return Points{}, files.Malformed(path, "is no table; want one with the columns of the training data")
	}
	if c.Path != path {
		c.Delimiter, c.Header = "", nil // those of another file
	}
	c.Memory = MemoryHeld
	t, err := c.readTyped(path, s)
	if err != nil {
		return Points{}, err
	}
	if err := table.Faults(path, s.OffGrid(t.X), t.Where); err != nil {
		return Points{}, err
	}
	p := Points{X: flow.NewBatch(t.X.N, s.Dim()), Notes: t.Notes, Where: t.Where}
	s.PointsByRow(p.X, t.X, rng)
	return p, nil
}
