package serve

import (
	"context"
	"math"

	"flowmatch/client"
	"flowmatch/flow"
	"flowmatch/model"
)

// densityJob returns the job of a request for log-densities, and what its answer says of itself.
func (s *Server) densityJob(ctx context.Context, r *served, b client.LogPRequest) (*job, *client.LogP, error) {
	m, n := r.Model, len(b.X)
	if err := m.HasDensity(); err != nil {
		return nil, nil, invalid("%v", err)
	}
	if err := s.affords(ctx, "x", n, m.Dim()); err != nil {
		return nil, nil, err
	}
	if b.Seed != nil && m.Spec().Schema == nil {
		return nil, nil, invalid("seed: it is of the noise of levels and grids, and the model has none; leave it out")
	}
	if b.T != nil && *b.T != 1 && m.Spec().Schema != nil {
		return nil, nil, invalid("t: %s; leave it out", notOnTheWay)
	}
	settings, err := settingsOf(b.How, r, s.o.MaxNFE, true)
	if err != nil {
		return nil, nil, err
	}
	solver, err := settings.DensitySolver()
	if err != nil {
		return nil, nil, err
	}
	noise := or(b.Seed, r.Config.Seed)
	div, err := settings.DivergenceFor(m.Dim(), noise)
	if err != nil {
		return nil, nil, err
	}
	j := &job{ctx: ctx, logp: make([]float64, n)}
	if j.x, err = pointsOf(m, b.X, noise); err != nil {
		return nil, nil, err
	}
	if j.given, err = densityGiven(r, b, j.x); err != nil {
		return nil, nil, err
	}
	how := model.Density{Solver: solver, Divergence: div}
	info := &client.LogP{Model: r.name, Step: r.Step, Solver: how.String(), Warnings: farOf(m, j.given)}
	t := or(b.T, 1)
	j.key, j.whole = key{of: r, what: "logp", solver: info.Solver, t: t}, estimated(how)
	j.solve = func(ctx context.Context, p points) (flow.Batch, []float64, int, error) {
		logp, st, err := m.LogProbAt(ctx, p.x, t, model.LikelihoodOptions{Given: p.given, Solver: solver,
			Divergence: div})
		return p.x, logp, st.NFE, err
	}
	return j, info, nil
}

// densityGiven returns what the points x of a request are given. Conditions that are not named are those of the points.
func densityGiven(r *served, b client.LogPRequest, x flow.Batch) (g flow.Given, err error) {
	if r.Model.Conditioner() == nil || b.Condition != nil || b.Given != nil {
		return givenTo(r, b.Label, b.Given, b.Condition, x.N)
	}
	if g.Label, err = r.classed().each(b.Label, x.N, "points"); err != nil {
		return g, err
	}
	if g.Context, err = r.Model.ContextOf(x, r.Config.Seed); err != nil {
		return g, invalid("x: %v", err)
	}
	return g, nil
}

// givenTo returns what n points of a request are given, in model units.
func givenTo(r *served, label client.Labels, given client.Rows, images [][]float64, n int) (g flow.Given, err error) {
	if r.Model.Spec().Schema != nil && given != nil {
		return g, invalid("given: a log-density is that of whole rows; leave it out")
	}
	if _, g.Context, _, err = contextsFor(r, given, images); err != nil {
		return g, err
	}
	if c := g.Context.N; c > 1 && c != n {
		what := "given"
		if images != nil {
			what = "condition"
		}
		return g, invalid("%s: %d contexts for %d points; give one for all, or one for each", what, c, n)
	}
	g.Label, err = r.classed().each(label, n, "points")
	return g, err
}

// farOf warns of contexts, in model units, that are far from those of the training.
func farOf(m *model.Model, g flow.Given) []string {
	if why := m.FarContext(g.Context); why != "" {
		return []string{why}
	}
	return nil
}

// logp answers a request for log-densities.
func (s *Server) logp(ctx context.Context, in *asked[client.LogPRequest]) (*struct{ Body *client.LogP }, error) {
	r, err := s.model(in.Name)
	if err != nil {
		return nil, err
	}
	j, info, err := s.densityJob(ctx, r, in.Body)
	if err != nil {
		return nil, err
	}
	if err := s.queue.do(j); err != nil {
		return nil, answer(err)
	}
	for _, v := range j.logp {
		if math.IsInf(v, -1) {
			info.LogP = append(info.LogP, nil)
			continue
		}
		info.LogP = append(info.LogP, &v)
	}
	return &struct{ Body *client.LogP }{info}, nil
}
