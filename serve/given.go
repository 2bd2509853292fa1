package serve

import (
	"fmt"
	"slices"

	"flowmatch/client"
	"flowmatch/data/dataset"
	"flowmatch/data/schema"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/seed"
	"flowmatch/model"
)

// This file reads what requests give points: classes, contexts, and values of columns of a table.

// classed is a model of points or of tokens, as far as its classes go.
type classed struct {
	n     int // how many there are; 0: the model has none
	class func(name string) (int32, error)
}

func (r *served) classed() classed {
	return classed{r.Model.Spec().Net.Classes, r.Model.Spec().Class}
}

func (r *servedTokens) classed() classed {
	return classed{len(r.Model.Spec().Classes), r.Model.Spec().Class}
}

// labels returns the numbers of classes that a request names.
func (c classed) labels(names client.Labels) (label []int32, err error) {
	if len(names) > 0 && c.n == 0 {
		return nil, invalid("label: the model has no classes; leave it out")
	}
	for _, name := range names {
		class, err := c.class(string(name))
		if err != nil {
			return nil, invalid("label: %v", err)
		}
		label = append(label, class)
	}
	return label, nil
}

// each returns the classes of n points or texts, which a request names for all or for each.
func (c classed) each(names client.Labels, n int, what string) ([]int32, error) {
	label, err := c.labels(names)
	switch {
	case err != nil || c.n == 0:
		return nil, err
	case len(label) == 0:
		return nil, invalid("label: the model has classes; give one for all %s, or one for each", what)
	case len(label) != 1 && len(label) != n:
		return nil, invalid("label: %d classes for %d %s; give one for all, or one for each", len(label), n, what)
	case len(label) == 1:
		return slices.Repeat(label, n), nil
	}
	return label, nil
}

// contextsOf returns the contexts of a request, in the units of the data and in those of the model; the
// zero Batch of a model that takes none.
func contextsOf(m *model.Model, given client.Rows) (c, z flow.Batch, err error) {
	names := m.Spec().ContextColumns
	switch {
	case names == nil && given != nil:
		return c, z, invalid("given: the model takes no context; leave it out")
	case names == nil:
		return c, z, nil
	case len(given) == 0:
		return c, z, invalid("given: the model needs a context of %s", choice.List(names))
	}
	c = flow.NewBatch(len(given), len(names))
	for i, one := range given {
		for name := range one {
			if err := choice.Check("name", name, names); err != nil {
				return c, z, invalid("given: %v", err)
			}
		}
		for k, name := range names {
			v, there := one[name]
			if !there {
				return c, z, invalid("given: context %d has no %s", i+1, choice.Quote(name))
			}
			number, ok := v.(float64)
			if !ok {
				return c, z, invalid("given: %s of context %d is no number", choice.Quote(name), i+1)
			}
			c.Row(i)[k] = number
		}
	}
	if z, err = m.Contexts(c); err != nil {
		return c, z, invalid("given: %v", err)
	}
	return c, z, nil
}

// notShown is why columns of a table cannot be given, nor filled in.
const notShown = "it was not trained to be shown columns (train.shown)"

// shownOf returns what a request shows of the rows of a table, in model units; the zero Batch: nothing.
func shownOf(m *model.Model, given client.Rows, complete bool) (flow.Batch, error) {
	s := m.Spec().Schema
	switch {
	case complete && (s == nil || !s.MissesValues()):
		return flow.Batch{}, invalid("complete: no value is missing in the data of the model; leave it out")
	case given == nil && !complete:
		return flow.Batch{}, nil
	case !m.Spec().Net.Shown:
		return flow.Batch{}, invalid("%s: %s; leave it out",
			map[bool]string{true: "given", false: "complete"}[given != nil], notShown)
	case given != nil && len(given) == 0:
		return flow.Batch{}, invalid("given: there is no row; leave it out, or give values of %s",
			choice.List(s.Names()))
	case given == nil:
		given = client.Rows{nil} // a row of which nothing is known
	}
	some, err := dataset.SomeOf(given, s)
	switch {
	case err != nil:
		return flow.Batch{}, invalid("given: %v", err)
	case s.CheckNames(some.Names) != nil:
		return flow.Batch{}, invalid("given: %v", s.CheckNames(some.Names))
	case some.Odd != nil:
		return flow.Batch{}, invalid("given: %s", some.Odd[0])
	}
	return s.Shown(some.X, complete), nil
}

// pointsOf returns the points of a request for log-densities, in the units of the data: of a table those
// of its rows, with noise of a seed.
func pointsOf(m *model.Model, x []client.Point, noise uint64) (flow.Batch, error) {
	if s := m.Spec().Schema; s != nil {
		return rowPoints(s, x, noise)
	}
	names, space := m.Spec().ColumnNames(), m.Spec().Space
	if space != nil {
		names = space.Columns
	}
	out := flow.NewBatch(len(x), len(names))
	for i, p := range x {
		values, err := inOrder(names, p, i)
		if err != nil {
			return out, err
		}
		for k, v := range values {
			number, ok := v.(float64)
			if !ok {
				return out, invalid("x: value %d of point %d is no number", k+1, i+1)
			}
			out.Row(i)[k] = number
		}
	}
	if space == nil {
		return out, nil
	}
	points, err := space.Points(out, func(i int) string { return fmt.Sprintf("point %d", i+1) })
	if err != nil {
		return out, invalid("x: %v", err)
	}
	return points, nil
}

// rowPoints is pointsOf of a table.
func rowPoints(s *schema.Schema, x []client.Point, noise uint64) (flow.Batch, error) {
	named := make([]map[string]any, len(x))
	for i, p := range x {
		if named[i] = p.Named; p.Named != nil {
			continue
		}
		values, err := inOrder(s.Header(), p, i)
		if err != nil {
			return flow.Batch{}, err
		}
		named[i] = map[string]any{}
		for k, name := range s.Header() {
			named[i][name] = values[k]
		}
	}
	p, err := dataset.PointsOf(named, s, seed.Rand(noise, "flowmatch/logp", 0))
	if err != nil {
		return p, invalid("x: %v", err)
	}
	return p, nil
}

// inOrder returns the values of point i of a request in the order of the names.
func inOrder(names []string, p client.Point, i int) ([]any, error) {
	if p.Named == nil {
		if len(p.Values) != len(names) {
			return nil, invalid("x: point %d has %d values; a point of the model has %d", i+1, len(p.Values),
				len(names))
		}
		return p.Values, nil
	}
	values := make([]any, len(names))
	for k, name := range names {
		v, there := p.Named[name]
		if !there {
			return nil, invalid("x: point %d has no %s", i+1, choice.Quote(name))
		}
		values[k] = v
	}
	for name := range p.Named {
		if err := choice.Check("name", name, names); err != nil {
			return nil, invalid("x: point %d: %v", i+1, err)
		}
	}
	return values, nil
}
