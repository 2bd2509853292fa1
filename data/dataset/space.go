package dataset

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/data/synth"
	"flowmatch/data/table"
	"flowmatch/manifold"
)

// checkSpace reports what does not go with points of a manifold.
func (c Config) checkSpace(kind string) error {
	if c.Space.Flat() {
		return nil
	}
	if kind != data.KindTable && kind != data.KindSynthetic {
		return fmt.Errorf("data: the space is %s, whose points are rows of a table, and the data are %s", c.Space, kind)
	}
	for _, f := range []struct {
		key, why string
		set      bool
	}{
		{"schema", "whose columns hang together", c.Typed()},
		{"standardize", "on which there is nothing to scale", c.Standardize != "" && c.Standardize != StandardizeNone},
		{"bounds", "which has no box", c.Bounds != nil},
		{"target", "whose columns are those of points: name them in columns, and others in context", c.Target != nil},
	} {
		if f.set {
			return fmt.Errorf("data: %s is set, but the space is %s, %s; leave it out", f.key, c.Space, f.why)
		}
	}
	return nil
}

// readNamed reads a table. Of points of a manifold the names of columns are found whatever letters of
// them are large.
func (c Config) readNamed(path string, opts table.Options) (table.Table, error) {
	t, err := c.readFile(path, opts)
	fault, ok := errors.AsType[*data.FileError](err)
	if c.Space.Flat() || !ok || fault.Missing == "" {
		return t, err
	}
	all := opts
	all.Columns, all.Exclude, all.Context, all.Rest, all.Label = nil, nil, nil, false, ""
	whole, failed := table.Read(path, all)
	if failed != nil {
		return t, err
	}
	as := func(names []string) []string {
		out := make([]string, len(names))
		for i, name := range names {
			out[i] = name
			for _, column := range whole.Columns {
				if strings.EqualFold(column, name) {
					out[i] = column
					break
				}
			}
		}
		return out
	}
	opts.Columns, opts.Exclude, opts.Context = as(opts.Columns), as(opts.Exclude), as(opts.Context)
	return table.Read(path, opts)
}

// onManifold turns the rows of a table into points, and returns the space; nil: they are points of R^D.
func (c Config) onManifold(t *table.Table) (*manifold.Space, error) {
	if c.Space.Flat() {
		return nil, nil
	}
	space, err := c.Space.Resolve(t.Columns)
	if err != nil {
		return nil, err
	}
	if space.Form == manifold.Angles && space.Units == manifold.Degrees && c.Space.Units == "" && small(t) {
		t.Notes = append(t.Notes, "all angles are within 6.3, and are read as degrees; write space: {name: torus, "+
			"units: radians} if they are radians")
	}
	return space, toPoints(space, t, c.Path)
}

// small says whether no number is larger than a turn in radians.
func small(t *table.Table) bool {
	for _, v := range t.X.X {
		if math.Abs(v) > 6.3 {
			return false
		}
	}
	return true
}

// toPoints turns the rows of a table into points of a space.
func toPoints(space *manifold.Space, t *table.Table, path string) error {
	x, err := space.Points(t.X, t.Where)
	if err != nil {
		return files.Malformed(path, "%v", err)
	}
	t.X, t.Columns = x, space.Coordinates()
	return nil
}

// law returns the law of synthetic data, and the space that it is on; nil: R^D.
func (c Config) law() (data.Distribution, *manifold.Space, error) {
	if c.Space.Flat() {
		if c.Name == synth.WrappedName {
			return nil, nil, fmt.Errorf("data: %s is a law on a curved space, and the run file names none; set space, "+
				"such as space: sphere", c.Name)
		}
		law, err := synth.ByName(c.Name, c.Params)
		return law, nil, err
	}
	if c.Name != synth.WrappedName && slices.Contains(synth.Names(), c.Name) {
		return nil, nil, fmt.Errorf("data: the space is %s, and %s is a law on R^d; on any curved space there is %s",
			c.Space, c.Name, synth.WrappedName)
	}
	space, err := c.Space.Whole()
	if err != nil {
		return nil, nil, err
	}
	law, err := synth.OnManifold(c.Name, c.Params, space.Manifold())
	return law, space, err
}
