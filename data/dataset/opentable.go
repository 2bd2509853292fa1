package dataset

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/data/table"
	"flowmatch/internal/choice"
)

func (c Config) openTable(dir string, seed uint64) (*data.Set, error) {
	opts, err := c.tableOptions()
	if err != nil {
		return nil, err
	}
	c.Memory = c.road(dir)
	t, err := c.readTable(within(dir, c.Path), within(dir, c.ContextPath), opts)
	if err != nil {
		return nil, err
	}
	train, val, test, err := c.parts(t.X.N, c.TestPath != "", seed)
	if err != nil {
		return nil, err
	}
	space, err := c.onManifold(&t)
	if err != nil {
		return nil, err
	}
	s := &data.Set{
		Name: filepath.Base(c.Path), Kind: data.KindTable, Space: space, Dim: t.X.D, Shape: []int{t.X.D},
		Columns: t.Columns, Context: t.Context.D, ContextColumns: t.ContextColumns,
		Classes: data.Classes(t.Label), ClassNames: t.ClassNames, LabelName: c.Label,
		Fingerprint: t.Fingerprint(), Header: t.Header, Skipped: t.Read - t.X.N,
	}
	ofContexts := cmp.Or(c.ContextPath, c.Path)
	if s.ContextShape, err = c.Grid.of(t.Shape, s.Context); err != nil {
		return nil, fmt.Errorf("%w (%s)", err, choice.Cut(ofContexts))
	}
	if s.Bounds, err = c.bounds(t, within(dir, c.Path)); err != nil {
		return nil, err
	}
	s.Notes = slices.Concat(t.Notes, manyLabels(t, c.Label), unseen(t.Label, train, t.ClassNames))
	apart, err := c.openTest(dir, opts, t, s)
	if err != nil {
		return nil, err
	}
	if how := cmp.Or(c.Standardize, StandardizeColumns); how != StandardizeNone && space == nil {
		if err := c.standardize(s, how, c.watched(data.Subset(t.Points(), train))); err != nil {
			file := c.Path
			if s.Standardizer != nil { // that of the points is there
				file = ofContexts
			}
			return nil, fmt.Errorf("%w (%s)", err, strings.Join(append([]string{choice.Cut(file)}, t.Notes...), "; "))
		}
	}
	points := scaled(s, t)
	s.TrainSet, s.Val, s.Test = data.Subset(points, train), data.Subset(points, val), data.Subset(points, test)
	if c.TestPath != "" {
		s.Test = scaled(s, apart)
	}
	s.Stored, _ = t.Stored()
	s.Train = data.Shuffle(s.TrainSet, seed)
	return s, nil
}

// openTest reads the test file, where there is one, and says in s what was done to it.
func (c Config) openTest(dir string, opts table.Options, t table.Table, s *data.Set) (apart table.Table, err error) {
	if c.TestPath == "" {
		return apart, nil
	}
	if apart, err = c.readTest(dir, opts, t); err != nil {
		return apart, err
	}
	if s.ContextShape != nil && apart.Shape != nil && !sameAxes(apart.Shape, s.ContextShape) {
		return apart, files.Malformed(within(dir, c.TestContextPath), "contexts of shape %v; those to train on are of "+
			"shape %v: %s", apart.Shape, s.ContextShape, otherAxes)
	}
	if _, err := c.bounds(apart, within(dir, c.TestPath)); err != nil {
		return apart, err
	}
	if s.Space != nil {
		if err := toPoints(s.Space, &apart, c.TestPath); err != nil {
			return apart, err
		}
	}
	holdApart(s, nil, apart.Fingerprint())
	s.Skipped += apart.Read - apart.X.N
	s.Notes = slices.Concat(s.Notes, apart.Notes)
	return apart, nil
}

// standardize fits the standardizers of s to the training rows, in original units.
func (c Config) standardize(s *data.Set, how string, train data.Finite) (err error) {
	if how == StandardizeScalar {
		s.Standardizer, err = data.FitFiniteScalar(train)
	} else {
		s.Standardizer, err = data.FitFinite(train, false, s.Columns)
	}
	if err != nil || s.Context == 0 {
		return err
	}
	if s.ContextStandardizer, err = c.Grid.fitFinite(train, s.ContextShape, s.ContextColumns); err != nil {
		return fmt.Errorf("%s: %w", c.contextKey(), err)
	}
	s.ContextStandardizer.Squash = c.SquashContext
	return nil
}

// scaled returns the rows of a table, and their contexts, in the model units of s: of one in memory in place.
func scaled(s *data.Set, t table.Table) data.Finite {
	if path, _ := t.Stored(); path != "" {
		return data.Scaled(t.Points(), s.Standardizer, s.ContextStandardizer)
	}
	if s.Standardizer != nil {
		s.Standardizer.Apply(t.X)
	}
	if s.ContextStandardizer != nil {
		s.ContextStandardizer.Apply(t.Context)
	}
	return t.Points()
}

// inOtherOrder says whether two tables have columns of the same names, but not in the same order.
func inOtherOrder(a, b table.Table) bool {
	same := func(a, b []string) bool {
		return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
	}
	return same(a.Columns, b.Columns) && same(a.ContextColumns, b.ContextColumns) &&
		!(slices.Equal(a.Columns, b.Columns) && slices.Equal(a.ContextColumns, b.ContextColumns))
}

// readTest reads the test file, which must have the columns and the classes of the other.
func (c Config) readTest(dir string, opts table.Options, of table.Table) (table.Table, error) {
	path, contexts := within(dir, c.TestPath), within(dir, c.TestContextPath)
	t, err := c.readTable(path, contexts, opts)
	if err == nil && inOtherOrder(t, of) {
		opts.Columns, opts.Rest = of.Columns, false
		if contexts == "" {
			opts.Context = of.ContextColumns
		} else if !numberedContexts(of.ContextColumns) {
			c.Context = of.ContextColumns
		}
		t, err = c.readTable(path, contexts, opts)
	}
	if err != nil {
		return table.Table{}, err
	}
	if !slices.Equal(t.Columns, of.Columns) || !slices.Equal(t.ContextColumns, of.ContextColumns) {
		return table.Table{}, files.Malformed(path, "columns %s; want those of %s: %s",
			choice.List(slices.Concat(t.Columns, t.ContextColumns)), choice.Cut(c.Path),
			choice.List(slices.Concat(of.Columns, of.ContextColumns)))
	}
	t.Notes = notesOf(path, t.Notes)
	label, err := data.Renumber(t.Label, t.ClassNames, of.ClassNames, data.Classes(of.Label))
	if err != nil {
		return table.Table{}, files.Malformed(path, "%v, the classes of the training rows", err)
	}
	return t.WithLabels(label)
}
