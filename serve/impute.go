package serve

import (
	"context"
	"maps"

	"flowmatch/client"
	"flowmatch/data/dataset"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/model"
	"flowmatch/run"
)

// impute answers a request for rows whose missing values are filled in.
func (s *Server) impute(ctx context.Context, in *asked[client.ImputeRequest]) (*struct{ Body *client.Imputed }, error) {
	r, err := s.model(in.Name)
	if err != nil {
		return nil, err
	}
	b := in.Body
	b.N = max(1, b.N)
	h, err := s.holes(ctx, r, b)
	if err != nil {
		return nil, err
	}
	settings, err := settingsOf(b.How, r, s.o.MaxNFE, false)
	if err != nil {
		return nil, err
	}
	how, err := settings.Sampler()
	if err != nil {
		return nil, err
	}
	info := &client.Imputed{Model: r.name, Step: r.Step, Seed: or(b.Seed, r.Config.Seed), Solver: how.String(),
		Missing: h.Missing, Warnings: h.Warnings}
	var filled flow.Batch
	if len(h.Rows) > 0 {
		j := imputeJob(ctx, r, h, info.Seed, b.N, how)
		if err := s.queue.do(j); err != nil {
			return nil, answer(err)
		}
		filled = h.Filled(j.x)
	}
	info.Rows = copies(r, b, h, filled)
	return &struct{ Body *client.Imputed }{info}, nil
}

// holes finds the missing values of the rows of a request.
func (s *Server) holes(ctx context.Context, r *served, b client.ImputeRequest) (run.Holes, error) {
	sch := r.Model.Spec().Schema
	switch {
	case sch == nil:
		return run.Holes{}, invalid("the model fills in nothing: it is of no table that was learnt with " +
			"data.schema: auto")
	case !r.Model.Spec().Net.Shown:
		return run.Holes{}, invalid("the model fills in nothing: %s", notShown)
	case len(b.Rows) == 0:
		return run.Holes{}, invalid("rows: there is none; give rows with values of %s", choice.List(sch.Names()))
	case len(b.Rows) > s.o.MaxPoints || b.N > s.o.MaxPoints:
		return run.Holes{}, s.few("rows", max(len(b.Rows), b.N), sch.Dim())
	}
	some, err := dataset.SomeOf(b.Rows, sch)
	if err != nil {
		return run.Holes{}, invalid("rows: %v", err)
	}
	h, err := run.HolesOf(some, sch)
	if err != nil {
		return h, invalid("rows: %v", err)
	}
	return h, s.affords(ctx, "rows", b.N*len(b.Rows), sch.Dim())
}

// imputeJob returns the job that draws what is missing, n times.
func imputeJob(ctx context.Context, r *served, h run.Holes, noise uint64, n int, how model.Sampler) *job {
	m := r.Model
	all := n * len(h.Rows)
	j := &job{ctx: ctx, x: flow.Batch{N: all, D: m.Dim()}, given: flow.Given{Shown: h.Shown(n)}}
	j.from = func() flow.Batch { return m.SourcePoints(all, noise) }
	j.key = key{of: r, what: "sample", shown: true, solver: how.String(), guidance: guided{scale: 1}}
	j.solve = func(ctx context.Context, p points) (flow.Batch, []float64, int, error) {
		d, err := m.SampleFrom(ctx, p.x, model.SampleOptions{Given: p.given, Sampler: how})
		return d.X, nil, d.Stats.NFE, err
	}
	return j
}

// copies returns all rows of a request, n times, with their holes filled.
func copies(r *served, b client.ImputeRequest, h run.Holes, filled flow.Batch) [][]map[string]any {
	sch, next := r.Model.Spec().Schema, 0
	all := make([][]map[string]any, b.N)
	header := sch.Header()
	for k := range all {
		for i, row := range b.Rows {
			full := maps.Clone(row)
			if full == nil {
				full = map[string]any{}
			}
			if holes := h.Of(i); holes != nil {
				values := sch.Values(filled.Row(next))
				for _, hole := range holes {
					full[header[hole.Field]] = values[hole.Field]
				}
				next++
			}
			all[k] = append(all[k], full)
		}
	}
	return all
}
