package serve

import (
	"context"
	"slices"

	"flowmatch/client"
	"flowmatch/data/image"
	"flowmatch/flow"
	"flowmatch/manifold"
	"flowmatch/model"
)

// approximate is what is to be known of points that a model completes which was not trained to.
const approximate = "the model was not trained to complete points: what is known is held on its path, and the rest " +
	"is drawn beside it, which is an approximation of p(rest | known)"

// unusualMask is what is to be known of a completion by a run that was trained with one mask.
const unusualMask = "the model was trained with one mask (condition.mask), and another may be filled in badly"

// known is points of which a part is known.
type known struct {
	x  flow.Batch // in data units; 0 where they are not known
	is []bool     // [N·D]
}

// complete answers a request for points of which a part is known.
func (s *Server) complete(ctx context.Context, in *asked[client.CompleteRequest]) (
	*struct{ Body *client.Completed }, error) {
	r, err := s.model(in.Name)
	if err != nil {
		return nil, err
	}
	b := in.Body
	b.N = max(1, b.N)
	if err := s.completes(ctx, r, b); err != nil {
		return nil, err
	}
	k, err := knownOf(r.Model, b)
	if err != nil {
		return nil, err
	}
	how, err := samplerOf(r, client.SampleRequest{How: b.How, Guidance: b.Guidance, Seed: b.Seed}, s.o.MaxNFE)
	if err != nil {
		return nil, err
	}
	if r.Model.Conditioner() == nil { // one that was trained to needs no help
		if how, err = holding(how, k); err != nil {
			return nil, err
		}
	}
	info := &client.Completed{Model: r.name, Step: r.Step, Seed: or(b.Seed, r.Config.Seed), Solver: how.String()}
	j := &job{ctx: ctx, x: flow.Batch{N: k.x.N, D: k.x.D}, whole: true}
	j.from = func() flow.Batch { return r.Model.SourcePoints(k.x.N, info.Seed) }
	if j.given, err = completedWith(r, b, k, info); err != nil {
		return nil, err
	}
	j.solve = func(ctx context.Context, p points) (flow.Batch, []float64, int, error) {
		d, err := r.Model.SampleFrom(ctx, p.x, model.SampleOptions{Given: p.given, Sampler: how, Seed: info.Seed})
		return d.X, nil, d.Stats.NFE, err
	}
	if err := s.queue.do(j); err != nil {
		return nil, answer(err)
	}
	for i, is := range k.is {
		if is { // a solve comes close
			j.x.X[i] = k.x.X[i]
		}
	}
	info.X = make([][][]float64, b.N)
	for i := range j.x.N {
		info.X[i/len(b.X)] = append(info.X[i/len(b.X)], j.x.Row(i))
	}
	return &struct{ Body *client.Completed }{info}, nil
}

// ofTable is why rows are not completed.
const ofTable = "the model is of the rows of a table; ask /impute to fill them in"

// completes reports a model that completes nothing, or more points than are answered.
func (s *Server) completes(ctx context.Context, r *served, b client.CompleteRequest) error {
	m := r.Model
	switch c := m.Conditioner(); {
	case m.Spec().Schema != nil:
		return invalid(ofTable)
	case m.Manifold() != nil:
		return invalid("the model is of %s, whose numbers are not known one by one; no completion is",
			manifold.Points(m.Manifold()))
	case c != nil && c.Config().Kind != image.Inpaint:
		return invalid("the model makes images from images (%s), which have no pixels to fill in", c.Config())
	case len(m.Spec().Bounds) > 0:
		return invalid("samples of the model are drawn again until they are within its bounds; no completion is")
	case b.N > s.o.MaxPoints || len(b.X) > s.o.MaxPoints:
		return s.few("x", max(b.N, len(b.X)), m.Dim())
	}
	return s.affords(ctx, "x", b.N*len(b.X), r.size().width)
}

// knownOf returns the points of a request, as often as it asks for.
func knownOf(m *model.Model, b client.CompleteRequest) (known, error) {
	k := known{x: flow.NewBatch(len(b.X)*b.N, m.Dim()), is: make([]bool, len(b.X)*b.N*m.Dim())}
	for i, row := range b.X {
		if len(row) != m.Dim() {
			return k, invalid("x: point %d has %d values; a point of the model has %d (null: not known)", i+1, len(row),
				m.Dim())
		}
		for d, v := range row {
			for n := range b.N {
				at := (n*len(b.X)+i)*m.Dim() + d
				if k.is[at] = v != nil; v != nil {
					k.x.X[at] = *v
				}
			}
		}
	}
	return k, nil
}

// holding returns a sampler that holds what is known.
func holding(how model.Sampler, k known) (model.Sampler, error) {
	o, ok := how.(model.ODE)
	if !ok {
		return nil, invalid("solver: points are completed by a solver of the ODE; choose one")
	}
	o.Hold = &model.Hold{X: k.x, Known: k.is}
	return o, nil
}

// completedGiven returns what points are given beside what is known of them.
func completedGiven(r *served, label client.Labels, b client.CompleteRequest) (g flow.Given, err error) {
	switch {
	case r.Model.Conditioner() == nil:
		return givenTo(r, label, b.Given, nil, len(b.X))
	case b.Given != nil:
		return g, invalid("given: the model takes no context but what is known of the points; leave it out")
	}
	g.Label, err = r.classed().each(label, len(b.X), "points")
	return g, err
}

// completedWith returns what points are given to be completed, and says in info what is to be known of that.
func completedWith(r *served, b client.CompleteRequest, k known, info *client.Completed) (flow.Given, error) {
	label := b.Label
	if label == nil {
		for _, l := range flow.LabelsInTurn(len(b.X), r.Model.Spec().Net.Classes) {
			label = append(label, client.Text(r.Model.Spec().Classes()[l]))
		}
	}
	g, err := completedGiven(r, label, b)
	if err != nil {
		return g, err
	}
	of := make([]int, k.x.N)
	for i := range of {
		of[i] = i % len(b.X)
	}
	g = g.Rows(of)
	c := r.Model.Conditioner()
	if c == nil {
		info.Warnings = append(append(info.Warnings, farOf(r.Model, g)...), approximate)
		return g, nil
	}
	g.Context, err = r.Model.ContextKnown(k.x, k.is)
	if err != nil {
		return g, invalid("x: %v", err)
	}
	if !slices.Contains([]string{"random", "pixels"}, c.Config().Mask) {
		info.Warnings = append(info.Warnings, unusualMask)
	}
	return g, nil
}
