package run

import (
	"fmt"

	"flowmatch/flow"
	"flowmatch/plot"
)

// plane is a plane through the points of a model, along two of their coordinates; the others
// have the values of at.
type plane struct {
	axes [2]int
	at   []float64
}

// axes returns the two coordinates that a picture of one kind shows: those asked for, or the
// first two.
func (a *artist) axes(kind string) ([2]int, error) {
	d := a.Model.Dim()
	switch {
	case a.Model.Spec().Image() != nil:
		return [2]int{}, fmt.Errorf("run: a picture of the %s is for points of 2 dimensions or more, and these are "+
			"images; draw their samples", kind)
	case a.Columns == [2]int{}:
		if s := a.Model.Spec().Schema; s != nil {
			if n := s.Numbers(); len(n) > 1 {
				return [2]int(n[:2]), nil
			}
		}
		return [2]int{0, 1}, nil
	}
	for _, c := range a.Columns {
		if c < 0 || c >= d || a.Columns[0] == a.Columns[1] {
			return [2]int{}, fmt.Errorf("run: columns %d and %d of a picture of points of %d dimensions; it needs two "+
				"different columns from 0 to %d", a.Columns[0], a.Columns[1], d, d-1)
		}
	}
	return a.Columns, nil
}

// Pairs returns the coordinates that a picture of samples shows in pairs where none are chosen, of a table
// whose columns are learnt as what they hold the numbers; nil: it shows two.
func (r *Run) Pairs() []int {
	spec, d := r.Model.Spec(), r.Model.Dim()
	var all []int
	if spec.Schema != nil {
		all = spec.Schema.Numbers()
		all = all[:min(len(all), plot.MaxPairs)]
	} else if spec.Image() == nil && d <= plot.MaxPairs {
		for k := range d {
			all = append(all, k)
		}
	}
	if len(all) < 3 {
		return nil
	}
	return all
}

// some returns some coordinates of points x.
func some(x flow.Batch, coordinates []int) flow.Batch {
	out := flow.NewBatch(x.N, len(coordinates))
	for i := range x.N {
		for k, d := range coordinates {
			out.Row(i)[k] = x.Row(i)[d]
		}
	}
	return out
}

// through returns the plane along two axes through the mean of points x.
func through(x flow.Batch, axes [2]int) plane {
	p := plane{axes: axes, at: make([]float64, x.D)}
	for i := range x.N {
		for d, v := range x.Row(i) {
			p.at[d] += v / float64(x.N)
		}
	}
	return p
}

// points returns points of the plane [N, 2] as those of the model.
func (p plane) points(x flow.Batch) flow.Batch {
	out := flow.NewBatch(x.N, len(p.at))
	for i := range x.N {
		copy(out.Row(i), p.at)
		for k, d := range p.axes {
			out.Row(i)[d] = x.Row(i)[k]
		}
	}
	return out
}

// only leaves the columns that a picture of all pairs shows.
func only(panels []plot.Panel, columns []int, o *plot.Options) {
	for i := range panels {
		panels[i].Points = some(panels[i].Points, columns)
	}
	names, truth := o.Names, o.Truth
	o.Names, o.Truth = nil, nil
	for _, k := range columns {
		if names != nil {
			o.Names = append(o.Names, names[k])
		}
		if truth != nil {
			o.Truth = append(o.Truth, truth[k])
		}
	}
}

// coordinates returns those of points x that the plane is along.
func (p plane) coordinates(x flow.Batch) flow.Batch {
	out := flow.NewBatch(x.N, 2)
	for i := range x.N {
		for k, d := range p.axes {
			out.Row(i)[k] = x.Row(i)[d]
		}
	}
	return out
}

// title says what the other coordinates are; empty where there are none.
func (p plane) title() string {
	if len(p.at) == 2 {
		return ""
	}
	return "all other coordinates at their means"
}

// inPlane is a field on R^D as one on a plane: its arrows are those of the field, as far as
// they lie in the plane.
type inPlane struct {
	plane
	field flow.Field
}

// Dim implements [flow.Field].
func (inPlane) Dim() int { return 2 }

// Velocity implements [flow.Field].
func (f inPlane) Velocity(v []float64, t float64, x []float64) error {
	all := f.points(flow.Batch{N: len(x) / 2, D: 2, X: x})
	u := flow.NewBatch(all.N, all.D)
	if err := f.field.Velocity(u.X, t, all.X); err != nil {
		return err
	}
	copy(v, f.coordinates(u).X)
	return nil
}
