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
	if m.Conditioner() != nil {
		return nil, nil, invalid(fromImages)
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
	if j.given, err = givenTo(m, b.Label, b.Given, n); err != nil {
		return nil, nil, err
	}
	how := model.Density{Solver: solver, Divergence: div}
	info := &client.LogP{Model: r.name, Step: r.Step, Solver: how.String(), Warnings: farOf(m, j.given)}
	t := or(b.T, 1)
	j.key, j.whole = key{of: r, what: "logp", solver: info.Solver, t: t}, estimated(how)
	j.solve = func(ctx context.Context, x flow.Batch, g flow.Given) (flow.Batch, []float64, int, error) {
		logp, st, err := m.LogProbAt(ctx, x, t, model.LikelihoodOptions{Given: g, Solver: solver, Divergence: div})
		return x, logp, st.NFE, err
	}
	return j, info, nil
}

// givenTo returns what n points of a request are given, in model units.
func givenTo(m *model.Model, label client.Labels, given client.Rows, n int) (g flow.Given, err error) {
	if m.Spec().Schema != nil && given != nil {
		return g, invalid("given: a log-density is that of whole rows; leave it out")
	}
	if _, g.Context, err = contextsOf(m, given); err != nil {
		return g, err
	}
	if c := g.Context.N; c > 1 && c != n {
		return g, invalid("given: %d contexts for %d points; give one for all, or one for each", c, n)
	}
	if g.Label, err = labelsOf(m, label); err != nil {
		return g, err
	}
	if l := len(g.Label); m.Spec().Net.Classes > 0 && l != 1 && l != n {
		return g, invalid("label: %d classes for %d points; give one for all, or one for each", l, n)
	}
	return g, nil
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
