package serve

import (
	"context"

	"flowmatch/client"
	"flowmatch/data/image"
	"flowmatch/flow"
	"flowmatch/model"
)

// enlarge answers a request for images of which some are known at low resolution.
func (s *Server) enlarge(ctx context.Context, in *asked[client.EnlargeRequest]) (
	*struct{ Body *client.Completed }, error) {
	r, err := s.model(in.Name)
	if err != nil {
		return nil, err
	}
	b := in.Body
	b.N = max(1, b.N)
	g, err := s.small(ctx, r, b)
	if err != nil {
		return nil, err
	}
	how, err := samplerOf(r, client.SampleRequest{How: b.How, Guidance: b.Guidance, Seed: b.Seed}, s.o.MaxNFE)
	if err != nil {
		return nil, err
	}
	info := &client.Completed{Model: r.name, Step: r.Step, Seed: or(b.Seed, r.Config.Seed), Solver: how.String()}
	n := b.N * len(b.Low)
	of := make([]int, n)
	for i := range of {
		of[i] = i % len(b.Low)
	}
	j := &job{ctx: ctx, x: flow.Batch{N: n, D: r.Model.Dim()}, whole: true, given: g.Rows(of)}
	j.from = func() flow.Batch { return r.Model.SourcePoints(n, info.Seed) }
	j.solve = func(ctx context.Context, p points) (flow.Batch, []float64, int, error) {
		d, err := r.Model.SampleFrom(ctx, p.x, model.SampleOptions{Given: p.given, Sampler: how, Seed: info.Seed})
		return d.X, nil, d.Stats.NFE, err
	}
	if err := s.queue.do(j); err != nil {
		return nil, answer(err)
	}
	info.X = make([][][]float64, b.N)
	for i := range n {
		info.X[i/len(b.Low)] = append(info.X[i/len(b.Low)], j.x.Row(i))
	}
	return &struct{ Body *client.Completed }{info}, nil
}

// small returns what the images at low resolution of a request give, in model units.
func (s *Server) small(ctx context.Context, r *served, b client.EnlargeRequest) (g flow.Given, err error) {
	c := r.Model.Conditioner()
	switch {
	case c == nil || c.Config().Kind != image.SuperRes:
		return g, invalid("the model makes no images from smaller ones; a run of condition superres does")
	case b.N > s.o.MaxPoints || len(b.Low) > s.o.MaxPoints:
		return g, s.few("low", max(b.N, len(b.Low)), r.Model.Dim())
	}
	if err := s.affords(ctx, "low", b.N*len(b.Low), r.Model.Dim()); err != nil {
		return g, err
	}
	shape := c.LowShape()
	low := flow.NewBatch(len(b.Low), shape[0]*shape[1]*shape[2])
	for i, row := range b.Low {
		if len(row) != low.D {
			return g, invalid("low: image %d has %d values; one of the model has %d (height %d, width %d, channels %d)",
				i+1, len(row), low.D, shape[0], shape[1], shape[2])
		}
		for k, v := range row {
			if !(v >= -1 && v <= 1) {
				return g, invalid("low: value %d of image %d is %g; values are from -1 to 1, as samples have them", k+1,
					i+1, v)
			}
			low.Row(i)[k] = v
		}
	}
	label := b.Label
	if label == nil {
		for _, l := range flow.LabelsInTurn(len(b.Low), r.Model.Spec().Net.Classes) {
			label = append(label, client.Text(r.Model.Spec().Classes()[l]))
		}
	}
	if g.Label, err = labelsOfPoints(r.Model, label, len(b.Low)); err != nil {
		return g, err
	}
	g.Context = flow.NewBatch(len(b.Low), c.Dim())
	return g, c.Enlarge(g.Context, low)
}
