package dataset

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/data/table"
	"flowmatch/flow"
	"flowmatch/internal/choice"
)

// The values of [Config.Missing].
const (
	MissingError = "error" // a number that is missing or not finite is an error
	MissingDrop  = "drop"  // its row is left out, and counted in data.Set.Skipped
)

// Given says whether the points are given contexts.
func (c Config) Given() bool {
	return len(c.Context) > 0 || len(c.Target) > 0 || c.ContextPath != "" || c.ResolvedKind() == data.KindSimulator
}

// WithColumns returns c with the columns of a table to learn and those of the context, by names.
func (c Config) WithColumns(columns, context []string) Config {
	if len(c.Target) > 0 || c.Columns == nil {
		c.Columns, c.Target = columns, nil
	}
	if context != nil && !numberedContexts(context) {
		c.Context = context
	}
	return c
}

// contextPrefix stands before the number of a number of a context without a name.
const contextPrefix = "context"

// numberedContexts says whether names are those of contexts without names.
func numberedContexts(names []string) bool { return len(names) > 0 && names[0] == contextPrefix+"0" }

// contextKey is the key that says where the contexts come from.
func (c Config) contextKey() string {
	switch {
	case c.ContextPath != "":
		return "data.context_path"
	case len(c.Target) > 0:
		return "data.target leaves for the context what it does not name"
	}
	return "data.context"
}

// checkContext reports keys of contexts that do not go together.
func (c Config) checkContext() error {
	for _, f := range []struct {
		name string
		list []string
	}{{"context", c.Context}, {"target", c.Target}} {
		if f.list != nil && len(f.list) == 0 {
			return fmt.Errorf("data: %s is empty; name columns, or leave it out", f.name)
		}
	}
	if c.Bounds != nil && len(c.Bounds) == 0 {
		return errors.New("data: bounds is empty; give columns their least and largest value, or leave it out")
	}
	for name, b := range c.Bounds {
		if err := b.Validate(); err != nil {
			return fmt.Errorf("data: bounds: %s: %w", choice.Quote(name), err)
		}
	}
	switch target := len(c.Target) > 0; {
	case c.SquashContext && !c.Given():
		return errors.New("data: squash_context is set, but there is no context; name its columns in context")
	case c.SquashContext && c.Standardize == StandardizeNone:
		return errors.New("data: squash_context is of standardized contexts, and standardize is none; leave one out")
	case target && c.ContextPath != "":
		return errors.New("data: target is set beside context_path: all columns of path but the label are learnt " +
			"then; to pick some, use columns")
	case target && len(c.Context) > 0:
		return errors.New("data: target and context both say which columns are given; leave one out")
	case target && len(c.Columns) > 0:
		return errors.New("data: target and columns both say which columns are learnt; leave one out")
	case c.ContextPath != "" && c.TestPath != "" && c.TestContextPath == "":
		return errors.New("data: test_path is set beside context_path, so its rows need contexts: set " +
			"test_context_path")
	case c.TestContextPath != "" && (c.TestPath == "" || c.ContextPath == ""):
		return errors.New("data: test_context_path is set, but has no effect without test_path and context_path")
	case c.Missing == "":
		return nil
	}
	if err := choice.Check("missing", c.Missing, []string{MissingError, MissingDrop}); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	return nil
}

// tableOptions are those of the table of points.
func (c Config) tableOptions() (table.Options, error) {
	delimiter, err := c.delimiter()
	opts := table.Options{Columns: c.Columns, Label: c.Label, Delimiter: delimiter, Header: c.Header,
		DropMissing: c.Missing == MissingDrop, Exclude: c.Exclude, Comments: !c.Space.Flat()}
	if c.ContextPath == "" {
		opts.Context = c.Context
	}
	if len(c.Target) > 0 {
		opts.Columns, opts.Rest = c.Target, true
	}
	return opts, err
}

// readTable reads a table of points, with contexts from a file of their own where there is one.
func (c Config) readTable(path, contexts string, opts table.Options) (table.Table, error) {
	t, err := c.readNamed(path, opts)
	if err != nil || contexts == "" {
		return t, hinted(err)
	}
	given, err := c.readFile(contexts, table.Options{Columns: c.Context, Prefix: contextPrefix, Flat: true,
		Delimiter: opts.Delimiter, Header: opts.Header, DropMissing: opts.DropMissing})
	if err != nil {
		return t, hinted(err)
	}
	return join(t, given, path, contexts)
}

// hinted adds to the error of a number that is missing what can be done about it.
func hinted(err error) error {
	if !data.IsGap(err) {
		return err
	}
	return fmt.Errorf("%w, or leave out all such rows (data.missing: %s)", err, MissingDrop)
}

// box returns the bounds of columns of these names; nil without any.
func (c Config) box(columns []string) (data.Bounds, error) {
	if len(c.Bounds) == 0 {
		return nil, nil
	}
	b, err := data.NewBounds(c.Bounds, columns)
	if err != nil {
		return nil, fmt.Errorf("data.%w", err)
	}
	return b, nil
}

// bounds returns the box of the points of a table, all of which must be inside; nil without one.
func (c Config) bounds(t table.Table, path string) (data.Bounds, error) {
	b, err := c.box(t.Columns)
	if b == nil {
		return nil, err
	}
	return b, t.Each(func(from int, x, _ flow.Batch) error {
		for i := range x.N {
			if d := b.Outside(x.Row(i)); d >= 0 {
				at := fmt.Sprintf("%s, column %s", t.Where(from+i), choice.Quote(t.Columns[d]))
				return files.MalformedAt(path, at, "%g is outside of data.bounds, %v", x.Row(i)[d], []float64(b[d]))
			}
		}
		return nil
	})
}

// join gives the rows of t those of another table, which has as many, as contexts. A row that was
// left out of one of them is left out of both.
func join(t, given table.Table, path, contexts string) (table.Table, error) {
	if t.Read != given.Read {
		return t, files.Malformed(contexts, "%d rows of contexts for the %d rows of %s; want one for each, in their "+
			"order", given.Read, t.Read, choice.Cut(path))
	}
	for _, name := range given.Columns {
		if slices.Contains(t.Columns, name) {
			return t, files.Malformed(contexts, "column %s is one of %s, too; give it another name, or leave it out "+
				"of context or columns", choice.Quote(name), choice.Cut(path))
		}
	}
	left := union(t.Left, given.Left)
	if len(left) == t.Read {
		return t, files.Malformed(contexts, "no row has all of its numbers both here and in %s", choice.Cut(path))
	}
	t, err := t.Without(left).WithContext(given.Without(left))
	t.Notes = slices.Concat(t.Notes, notesOf(contexts, given.Notes))
	return t, err
}

// union returns the numbers of both lists, which are in order, in order.
func union(a, b []int) []int {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// notesOf returns notes on a file, of which a data set has several, with its name.
func notesOf(path string, notes []string) (named []string) {
	for _, note := range notes {
		named = append(named, choice.Cut(filepath.Base(path))+": "+note)
	}
	return named
}

// Grid says how the numbers of a context hang together. The zero value is that of numbers which
// each mean something else: each has a mean and a deviation of its own.
type Grid struct {
	// Axes is how many axes a context has, the last of which are the numbers of one observation:
	// of a series 2, of an image 3. A number of an observation has one mean and one deviation,
	// wherever it is observed. 0: it has none.
	Axes int
	// Shape is that of a context; nil: that of the array it comes from.
	Shape []int
	// Marked says that the last number of an observation is 1, or 0 where there is none. It stays
	// as it is, and nothing is learnt of observations that are not there.
	Marked bool
}

// of returns the shape of contexts of so many numbers, which come from an array with rows of that shape,
// nil where a row has one axis.
func (g Grid) of(array []int, numbers int) ([]int, error) {
	if volume(array) != numbers { // of an array some columns are taken
		array = nil
	}
	switch {
	case g.Axes == 0 || numbers == 0:
		return array, nil
	case g.Shape != nil && array != nil && !sameAxes(array, g.Shape):
		return nil, fmt.Errorf("data: the contexts are of shape %v, and net.residual.embed.shape is %v: %s", array,
			g.Shape, otherAxes)
	case g.Shape != nil:
		return g.Shape, nil
	case array == nil:
		array = []int{numbers}
	}
	if len(array) == g.Axes-1 && !g.Marked {
		array = append(slices.Clone(array), 1) // one number an observation
	}
	if len(array) != g.Axes {
		return nil, fmt.Errorf("data: the contexts are of shape %v, and the network wants %d axes of them: give the "+
			"shape in net.residual.embed.shape, or an NPY array [N, ...] of it", array, g.Axes)
	}
	return array, nil
}

// otherAxes is what can be done about an array whose axes are not those of a context.
const otherAxes = "transpose the array, as by np.moveaxis, or flatten its rows if they are in the right order"

// volume is how many numbers an array of a shape has.
func volume(shape []int) int {
	n := 1
	for _, axis := range shape {
		n *= axis
	}
	return n
}

// sameAxes says whether two shapes are of the same axes. Those of length 1 are none.
func sameAxes(a, b []int) bool {
	one := func(n int) bool { return n == 1 }
	return slices.Equal(slices.DeleteFunc(slices.Clone(a), one), slices.DeleteFunc(slices.Clone(b), one))
}

// fitFinite is fit of the contexts of points, in original units. Those of a grid are read all at once.
func (g Grid) fitFinite(f data.Finite, shape []int, names []string) (*data.Standardizer, error) {
	if g.Axes > 0 {
		_, given, err := data.Rows(f, 0, f.Len(), nil)
		if err != nil {
			return nil, err
		}
		return g.fit(given.Context, shape, names)
	}
	s, err := data.FitFinite(f, true, names)
	return s, outOfContext(err)
}

// outOfContext says of a constant column that it cannot be one of the context, either.
func outOfContext(err error) error {
	if errors.Is(err, data.ErrConstantColumn) {
		return fmt.Errorf("%w, and out of the context", err)
	}
	return err
}

// fit returns the standardizer of contexts of a shape, which a grid gives; nil: there is none.
func (g Grid) fit(c flow.Batch, shape []int, names []string) (*data.Standardizer, error) {
	if shape == nil || volume(shape) != c.D { // which the network reports
		s, err := data.Fit(c, names)
		return s, outOfContext(err)
	}
	numbers := shape[len(shape)-1]
	learnt, all := numbers, flow.Batch{N: c.N * c.D / numbers, D: numbers, X: c.X}
	if g.Marked {
		learnt--
	}
	there := make([]float64, 0, len(c.X))
	for i := range all.N {
		row := all.Row(i)
		if g.Marked && row[learnt] != 0 && row[learnt] != 1 {
			return nil, fmt.Errorf("the mark of observation %d of training context %d is %g; want 1 where there is an "+
				"observation, and 0 where there is none", i%(c.D/numbers)+1, i*numbers/c.D+1, row[learnt])
		}
		if !g.Marked || row[learnt] == 1 {
			there = append(there, row[:learnt]...)
		}
	}
	if len(there) == 0 {
		return nil, errors.New("no training context has an observation: all marks are 0")
	}
	s, err := data.Fit(flow.Batch{N: len(there) / learnt, D: learnt, X: there}, nil)
	if err != nil {
		return nil, fmt.Errorf("the numbers of an observation: %w", err)
	}
	if g.Marked {
		s.Mean, s.Std, s.Lo, s.Hi = append(s.Mean, 0), append(s.Std, 1), append(s.Lo, 0), append(s.Hi, 1)
	}
	for _, each := range []*[]float64{&s.Mean, &s.Std, &s.Lo, &s.Hi} {
		*each = slices.Repeat(*each, all.N/c.N)
	}
	return s, nil
}
