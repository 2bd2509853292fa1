package serve

import (
	"time"

	"flowmatch/client"
	"flowmatch/data/schema"
)

// info says what a model is.
func (e *entry) info() client.Model {
	if r := e.current.Load(); r != nil {
		return r.info()
	}
	if r := e.tokens.Load(); r != nil {
		return r.info()
	}
	return client.Model{Name: e.name, Untrained: e.why()}
}

func (r *served) info() client.Model {
	spec := r.Model.Spec()
	i := client.Model{
		Name: r.name, Step: r.Step, Loaded: r.since.UTC().Format(time.RFC3339), Dim: r.Model.Dim(),
		Path: r.Config.Path.Name, Weights: r.Model.Net().NumWeights(), Columns: r.columns(), Shown: spec.Net.Shown,
		Given: spec.ContextColumns, Classes: spec.Classes(), Guidance: r.Config.Train.LabelDropout > 0,
		LabelName: spec.LabelName, Solver: r.Config.Eval.Solve.Solver,
	}
	if s := spec.Schema; s != nil {
		for _, c := range s.Columns {
			if c.Kind != schema.Identifier {
				i.Kinds = append(i.Kinds, string(c.Kind))
			}
		}
	}
	if on := r.Model.Manifold(); on != nil {
		i.Space = on.String()
	}
	if spec.ContextColumns != nil {
		g := r.Grid()
		i.GivenShape, i.GivenSet = g.Shape, g.Marked
	}
	if spec.Image() != nil {
		i.Shape = spec.Shape
	}
	if c := r.Model.Conditioner(); c != nil {
		i.Condition, i.Low = c.Config().String(), c.LowShape()
	}
	if len(spec.Bounds) > 0 {
		i.Bounds = spec.Bounds.Named(spec.Columns)
	}
	if err := r.Model.HasDensity(); err != nil {
		i.Density = err.Error()
	}
	return i
}

// columns are the names of the values of a row of samples; nil of images, whose values have none.
func (r *served) columns() []string {
	spec := r.Model.Spec()
	switch {
	case spec.Image() != nil:
		return nil
	case spec.Schema != nil:
		return spec.Schema.Header()
	case spec.Space != nil:
		return spec.Space.Columns
	}
	return spec.ColumnNames()
}
