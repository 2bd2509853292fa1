package serve

import (
	"context"

	"flowmatch/client"
	"flowmatch/flow"
	"flowmatch/model"
)

// notOnTheWay is why rows are nothing between noise and data.
const notOnTheWay = "the rows of the model have levels or a grid, which points on their way have not"

// field answers a request for velocities.
func (s *Server) field(ctx context.Context, in *asked[client.FieldRequest]) (*struct{ Body *client.Field }, error) {
	r, err := s.model(in.Name)
	if err != nil {
		return nil, err
	}
	j, err := s.fieldJob(ctx, r, in.Body)
	if err != nil {
		return nil, err
	}
	if err := s.queue.do(j); err != nil {
		return nil, answer(err)
	}
	out := &client.Field{Model: r.name, Step: r.Step, T: in.Body.T, V: make([][]float64, j.x.N),
		Warnings: farOf(r.Model, j.given)}
	for i := range out.V {
		out.V[i] = j.x.Row(i)
		for _, v := range out.V[i] {
			if !finite(v) {
				return nil, invalid("x: the velocity at point %d is no finite number; the point is too far out", i+1)
			}
		}
	}
	return &struct{ Body *client.Field }{out}, nil
}

// fieldJob returns the job of a request for velocities, which come in the place of its points.
func (s *Server) fieldJob(ctx context.Context, r *served, b client.FieldRequest) (*job, error) {
	m, n := r.Model, len(b.X)
	switch {
	case m.Spec().Schema != nil:
		return nil, invalid("the model has no velocities: %s", notOnTheWay)
	case b.Guidance != nil && r.Config.Train.LabelDropout == 0:
		return nil, invalid(notGuided)
	}
	if err := s.affords(ctx, "x", n, m.Dim()); err != nil {
		return nil, err
	}
	x, err := pointsOf(m, b.X, 0)
	if err != nil {
		return nil, err
	}
	given, err := givenTo(r, b.Label, b.Given, b.Condition, n)
	if err != nil {
		return nil, err
	}
	scale := or(b.Guidance, 1)
	return &job{ctx: ctx, x: x, given: given, key: key{of: r, what: "field", t: b.T, guidance: guided{scale: scale}},
		solve: func(ctx context.Context, p points) (flow.Batch, []float64, int, error) {
			v, st, err := m.Velocity(ctx, p.x, b.T, model.VelocityOptions{Given: p.given, Guidance: b.Guidance})
			return v, nil, st.NFE, err
		}}, nil
}
