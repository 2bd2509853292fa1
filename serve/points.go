package serve

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"flowmatch/data"
	"flowmatch/data/schema"
	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/internal/memory"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/ode"
)

// key tells jobs that can share a solve: of one state of a run, solved for in one way.
type key struct {
	of       *served
	what     string // sample, density or logp
	solver   string
	guidance float64 // 1: none
}

// settings returns those of a request over those of the run. Adaptive steps are each point's own.
func (b How) settings(r *served, mostNFE int) (eval.Settings, error) {
	s := r.Config.Eval
	if b.Solver != "" && b.Solver != s.Solve.Solver {
		s.Solve.Solver, s.Solve.Steps = b.Solver, 0
	}
	if b.Steps > 0 {
		s.Solve.Steps = b.Steps
	}
	if b.RTol != nil || b.ATol != nil {
		if b.Steps > 0 {
			return s, invalid("steps: equal steps have no tolerances; leave out steps, or rtol and atol")
		}
		s.Solve.Steps = 0
		s.Solve.RTol, s.Solve.ATol = or(b.RTol, s.Solve.RTol), or(b.ATol, s.Solve.ATol)
	}
	s.Solve.Control = ode.ByPoint
	s.Solve.MaxNFE = min(cmp.Or(s.Solve.MaxNFE, mostNFE), mostNFE)
	if err := s.Validate(); err != nil {
		return s, invalid("%v", err)
	}
	return s, nil
}

func or(v *float64, otherwise float64) float64 {
	if v == nil {
		return otherwise
	}
	return *v
}

// sampleJob returns the job of a request for samples, and what it says of itself.
func (s *Server) sampleJob(ctx context.Context, r *served, b sampleBody) (*job, *sampled, error) {
	m := r.Model
	if m.Conditioner() != nil {
		return nil, nil, invalid("the model makes images from images, which this service does not do yet")
	}
	z, err := contextsOf(m, b.Given)
	if err != nil {
		return nil, nil, err
	}
	if b.N > s.o.MaxPoints { // so that the product below is no other number
		return nil, nil, s.affords(b.N, m.Dim())
	}
	n := b.N * max(1, z.N)
	if err := s.affords(n, m.Dim()); err != nil {
		return nil, nil, err
	}
	if b.LogP && m.Spec().Schema != nil {
		return nil, nil, invalid("logp: the rows of the model have levels or a grid; evaluate samples by " +
			"flowmatch logp")
	}
	how, err := b.sampler(r, s.o.MaxNFE)
	if err != nil {
		return nil, nil, err
	}
	info := &sampled{Model: r.name, Step: r.Step, Seed: r.Config.Seed, Solver: how.String()}
	if b.Seed != nil {
		info.Seed = *b.Seed
	}
	j := &job{ctx: ctx, x: flow.NewBatch(n, m.Dim())}
	if j.given, err = b.given(m, z, n); err != nil {
		return nil, nil, err
	}
	k := key{of: r, what: "sample", solver: how.String(), guidance: or(b.Guidance, 1)}
	if b.LogP {
		k.what, j.logp = "density", make([]float64, n)
	}
	if len(m.Spec().Bounds) > 0 { // samples outside are drawn again, so that they are more than these points
		j.key, j.solve = j, alone(m, how, info.Seed)
		return j, info, nil
	}
	m.Source().Sample(j.x, seed.Rand(info.Seed, "sample", 0)) // as Model.Sample does
	j.key = k
	j.solve = func(ctx context.Context, x flow.Batch, g flow.Given) (flow.Batch, []float64, int, error) {
		d, err := m.SampleFrom(ctx, x, model.SampleOptions{Given: g, Sampler: how})
		return d.X, d.LogP, d.Stats.NFE, err
	}
	return j, info, nil
}

// alone draws all samples of a job by itself.
func alone(m *model.Model, how model.Sampler, seedValue uint64) solve {
	return func(ctx context.Context, x flow.Batch, g flow.Given) (flow.Batch, []float64, int, error) {
		d, err := m.Sample(ctx, model.SampleOptions{N: x.N, Seed: seedValue, Given: g, Sampler: how})
		return d.X, d.LogP, d.Stats.NFE, err
	}
}

// sampler returns how the samples of a request are drawn.
func (b sampleBody) sampler(r *served, mostNFE int) (model.Sampler, error) {
	s, err := b.settings(r, mostNFE)
	if err != nil {
		return nil, err
	}
	if s.Solve.Solver == eval.Average && !r.Model.Net().Config().Average {
		return nil, invalid("solver: the model has not learnt average velocities; choose a solver of the ODE")
	}
	if b.Guidance != nil && r.Config.Train.LabelDropout == 0 {
		return nil, invalid("guidance: the model was not trained for it (train.label_dropout); leave it out")
	}
	if b.LogP {
		if err := r.Model.HasDensity(); err != nil {
			return nil, invalid("logp: %v", err)
		}
		if b.Guidance != nil {
			return nil, invalid("guidance: guided samples have no log-density; leave out one of logp and guidance")
		}
		solver, err := s.Solver()
		if err != nil {
			return nil, err
		}
		div, err := s.DivergenceFor(r.Model.Dim(), 0)
		return model.Density{Solver: solver, Divergence: div}, err
	}
	how, err := s.Sampler()
	if o, ok := how.(model.ODE); ok {
		o.Guidance = b.Guidance
		return o, err
	}
	if b.Guidance != nil {
		return nil, invalid("guidance: steps of the average velocity have none; choose another solver")
	}
	return how, err
}

// given returns what n samples are given.
func (b sampleBody) given(m *model.Model, z flow.Batch, n int) (g flow.Given, err error) {
	if z.N > 0 {
		rows := make([]int, n)
		for i := range rows {
			rows[i] = i / b.N
		}
		g.Context = z.Rows(rows)
	}
	if b.Label == nil {
		g.Label = flow.LabelsInTurn(n, m.Spec().Net.Classes)
		return g, nil
	}
	class, err := classOf(m, *b.Label)
	g.Label = slices.Repeat([]int32{class}, n)
	return g, err
}

// affords reports a request of more points than the server answers.
func (s *Server) affords(n, dim int) error {
	if most := min(s.o.MaxPoints, mostNumbers/dim); n > most || n < 1 {
		return invalid("n: %d points are asked for; at most %d of this model are answered at a time", n, most)
	}
	if err := memory.Check(fmt.Sprintf("%d points of %d numbers", n, dim), 4*8*float64(n)*float64(dim)); err != nil {
		return invalid("n: %v", err)
	}
	return nil
}

// densityJob returns the job of a request for log-densities.
func (s *Server) densityJob(ctx context.Context, r *served, b logpBody) (*job, *densities, error) {
	m, n := r.Model, len(b.X)
	if err := m.HasDensity(); err != nil {
		return nil, nil, invalid("%v", err)
	}
	if m.Spec().Schema != nil {
		return nil, nil, invalid("the rows of the model have levels or a grid; evaluate them by flowmatch logp")
	}
	if err := s.affords(n, m.Dim()); err != nil {
		return nil, nil, err
	}
	settings, err := b.settings(r, s.o.MaxNFE)
	if err != nil {
		return nil, nil, err
	}
	solver, err := settings.Solver()
	if err != nil {
		return nil, nil, err
	}
	div, err := settings.DivergenceFor(m.Dim(), 0)
	if err != nil {
		return nil, nil, err
	}
	j := &job{ctx: ctx, x: flow.NewBatch(n, m.Dim()), logp: make([]float64, n)}
	for i, row := range b.X {
		if len(row) != m.Dim() {
			return nil, nil, invalid("x: point %d has %d numbers; a point of the model has %d", i+1, len(row), m.Dim())
		}
		copy(j.x.Row(i), row)
	}
	if j.given, err = b.given(m, n); err != nil {
		return nil, nil, err
	}
	info := &densities{Model: r.name, Step: r.Step, Solver: model.Density{Solver: solver, Divergence: div}.String()}
	j.key = key{of: r, what: "logp", solver: info.Solver}
	j.solve = func(ctx context.Context, x flow.Batch, g flow.Given) (flow.Batch, []float64, int, error) {
		logp, st, err := m.LogProb(ctx, x, model.LikelihoodOptions{Given: g, Solver: solver, Divergence: div})
		return x, logp, st.NFE, err
	}
	return j, info, nil
}

// given returns what n points are given.
func (b logpBody) given(m *model.Model, n int) (g flow.Given, err error) {
	if g.Context, err = contextsOf(m, b.Given); err != nil {
		return g, err
	}
	if c := g.Context.N; c > 1 && c != n {
		return g, invalid("given: %d contexts for %d points; give one for all, or one for each", c, n)
	}
	classes := m.Spec().Net.Classes
	if l := len(b.Label); classes > 0 && l != 1 && l != n {
		return g, invalid("label: %d classes for %d points; give one for all, or one for each", l, n)
	}
	for _, t := range b.Label {
		class, err := classOf(m, t)
		if err != nil {
			return g, err
		}
		g.Label = append(g.Label, class)
	}
	return g, nil
}

// columns are the names of the values of a row of samples.
func columns(m *model.Model) []string {
	spec := m.Spec()
	switch {
	case spec.Schema != nil:
		return spec.Schema.Header()
	case spec.Columns != nil:
		return spec.Columns
	}
	var names []string
	for k := range m.Dim() {
		names = append(names, fmt.Sprint("x", k+1))
	}
	return names
}

// classNames are those of labels.
func classNames(m *model.Model, labels []int32) (names []string) {
	all := data.NameClasses(m.Spec().ClassNames, m.Spec().Net.Classes)
	for _, l := range labels {
		names = append(names, all[l])
	}
	return names
}

// values returns samples in data units as values of the columns that are learnt: of a table with a schema
// whole rows, else the samples themselves.
func values(sch *schema.Schema, x flow.Batch) flow.Batch {
	if sch == nil {
		return x
	}
	v := flow.NewBatch(x.N, len(sch.Learnt()))
	sch.Rows(v, x)
	return v
}

// rows returns samples in data units as rows of JSON.
func rows(m *model.Model, x flow.Batch) [][]any {
	out, sch := make([][]any, x.N), m.Spec().Schema
	v := values(sch, x)
	for i := range out {
		if sch != nil {
			out[i] = sch.Values(v.Row(i))
			continue
		}
		for _, one := range v.Row(i) {
			out[i] = append(out[i], number(one))
		}
	}
	return out
}

// number is a number as JSON can have it.
func number(v float64) any {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return v
}

// texts returns samples in data units as fields of a table.
func texts(m *model.Model, x flow.Batch) [][]string {
	out, sch := make([][]string, x.N), m.Spec().Schema
	v := values(sch, x)
	for i := range out {
		if sch != nil {
			out[i] = sch.Text(v.Row(i))
			continue
		}
		for _, one := range v.Row(i) {
			out[i] = append(out[i], fmt.Sprint(one))
		}
	}
	return out
}
