package serve

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"flowmatch/client"
	"flowmatch/eval"
	"flowmatch/flow"
	"flowmatch/internal/choice"
	"flowmatch/internal/memory"
	"flowmatch/model"
	"flowmatch/ode"
	"flowmatch/run"
	"flowmatch/sde"
	"flowmatch/timegrid"
)

// key tells jobs that can share a solve: of one state of a run, solved for in one way.
type key struct {
	of       *served
	what     string // sample, density or logp
	shown    bool   // columns are
	solver   string
	guidance guided
	t        float64 // of a field or a density, between noise and data
}

// guided is the guidance of a job; jobs of one guidance can share a solve.
type guided struct {
	scale    float64 // 1: none
	interval [2]float64
	rescale  float64
}

// guidedBy returns the guidance of a request for samples.
func guidedBy(b client.SampleRequest) guided {
	g := guided{scale: or(b.Guidance, 1), rescale: b.GuidanceRescale}
	copy(g.interval[:], b.GuidanceInterval)
	return g
}

// settingsOf returns the settings of a request over those of the run; density: it asks for log-densities, which are
// solved for by an ODE. Adaptive steps are each point's own.
func settingsOf(h client.How, r *served, mostNFE int, density bool) (eval.Settings, error) {
	s := r.Config.Eval
	if density && s.Defaults().Solve.Solver == eval.Average {
		s.Solve.Solver, s.Solve.Steps = "", 0
	}
	if h.Solver != "" && h.Solver != s.Solve.Solver {
		s.Solve.Solver, s.Solve.Steps, s.Solve.TimeGrid = h.Solver, 0, nil
	}
	if density && s.Defaults().Solve.Solver == eval.Average {
		return s, invalid("solver: log-densities need a solver of the ODE (%s), which %s is not",
			choice.List(ode.Names()), h.Solver)
	}
	s.Solve = s.Solve.WithSteps(h.Steps, (*timegrid.Config)(h.TimeGrid))
	tolerance := "rtol"
	if h.RTol == nil {
		tolerance = "atol"
	}
	if h.RTol != nil || h.ATol != nil {
		switch {
		case h.Steps > 0:
			return s, invalid("steps: equal steps have no tolerances; leave out steps, or rtol and atol")
		case h.TimeGrid != nil:
			return s, invalid("time_grid: given steps have no tolerances; leave out time_grid, or rtol and atol")
		}
		s.Solve.Steps, s.Solve.TimeGrid = 0, nil
		s.Solve.RTol, s.Solve.ATol = or(h.RTol, s.Solve.RTol), or(h.ATol, s.Solve.ATol)
	}
	s.Solve.Control = ode.ByPoint
	s.Solve.MaxNFE = min(cmp.Or(s.Solve.MaxNFE, mostNFE), mostNFE)
	if err := s.Validate(); err != nil {
		return s, invalid("%s", spoken(err))
	}
	if h.RTol != nil || h.ATol != nil {
		switch solve := s.Defaults().Solve; {
		case solve.Solver == eval.Average:
			return s, invalid("%s: steps of the average velocity have no tolerance; give steps", tolerance)
		case solve.WithoutTolerance() != "":
			return s, invalid("%s: %s; give steps", tolerance, solve.WithoutTolerance())
		}
	}
	return s, nil
}

func or[T any](v *T, otherwise T) T {
	if v == nil {
		return otherwise
	}
	return *v
}

// drawing is a request for samples under way.
type drawing struct {
	of    *served
	job   *job
	how   model.Sampler
	with  []string
	noise flow.Batch     // the source points, if with has them
	info  client.Samples // without X
	seed  uint64         // of noise and probes
	drawn run.Drawn      // without X and LogP
	// original are the images that those of the samples are made from, if they are whole.
	original flow.Batch
	cols     int // of a picture
}

const notGuided = "guidance: the model was not trained for it (train.label_dropout); leave it out"

// drawing returns what a request for samples asks for.
func (s *Server) drawing(ctx context.Context, r *served, b client.SampleRequest) (*drawing, error) {
	m := r.Model
	if key := ofTokensAlone(b); key != "" {
		return nil, invalid("%s: it is of sequences of tokens, and the model is of points; leave it out", key)
	}
	g, err := s.gives(ctx, r, b)
	if err != nil {
		return nil, err
	}
	if b.LogP && m.Spec().Schema != nil {
		return nil, invalid("logp: the rows of the model have levels or a grid; ask /logp for the log-density of rows")
	}
	d := &drawing{of: r, cols: b.Columns, with: b.With, seed: or(b.Seed, r.Config.Seed)}
	d.drawn, d.original = run.Drawn{Label: g.label, Context: g.context, Complete: b.Complete}, g.original
	if d.how, err = samplerOf(r, b, s.o.MaxNFE); err != nil {
		return nil, err
	}
	d.info = client.Samples{Model: r.name, Step: r.Step, Solver: d.how.String(), Columns: r.columns(),
		Warnings: g.warnings}
	if _, noisy := d.how.(model.SDE); noisy || b.Noise == nil {
		d.info.Seed = &d.seed
	}
	for _, l := range g.label {
		d.info.Labels = append(d.info.Labels, m.Spec().Classes()[l])
	}
	d.job = &job{ctx: ctx, seed: d.seed, given: g.given}
	k := key{of: r, what: "sample", shown: g.given.Shown.N > 0, solver: d.info.Solver, guidance: guidedBy(b)}
	if b.LogP {
		k.what, d.job.logp = "density", make([]float64, g.n)
	}
	return d, d.from(b, g.n, k)
}

// from says where the n samples of a request come from, and how they are solved for: with others of a key, if
// they can be.
func (d *drawing) from(b client.SampleRequest, n int, k key) (err error) {
	m := d.of.Model
	bounded := len(m.Spec().Bounds) > 0
	if err := checkNoise(b, n, d); err != nil {
		return err
	}
	switch {
	case bounded && b.Noise != nil:
		return invalid("noise: samples of the model are drawn again until they are within its bounds; leave it out")
	case bounded && slices.Contains(b.With, withNoise):
		return invalid("with: samples of the model are drawn again until they are within its bounds, from other "+
			"noise than that of the seed; leave out %s", withNoise)
	}
	d.job.x = flow.Batch{N: n, D: m.Dim()}
	if bounded { // more samples than these points are drawn
		d.job.from = func() flow.Batch { return flow.NewBatch(n, m.Dim()) }
		d.job.whole, d.job.solve = true, d.alone()
		return nil
	}
	d.job.key = k
	d.job.from = func() (x flow.Batch) {
		if b.Noise == nil {
			x = m.SourcePoints(n, d.seed)
		} else {
			x = flow.Batch{N: n, D: m.Dim(), X: slices.Concat(b.Noise...)}
		}
		if slices.Contains(b.With, withNoise) {
			d.noise = x.Clone()
		}
		return x
	}
	// Probes are those of the places of points in a solve, and evaluations those of its dearest point.
	d.job.whole = estimated(d.how) || slices.Contains(b.With, withNFE)
	d.job.solve = func(ctx context.Context, p points) (flow.Batch, []float64, int, error) {
		out, err := m.SampleFrom(ctx, p.x, model.SampleOptions{Given: p.given, Sampler: named(d.how, p.of)})
		return out.X, out.LogP, out.Stats.NFE, err
	}
	return nil
}

// What the samples of a request may have besides.
const withNoise, withNFE = "noise", "nfe"

// checkNoise reports source points of a request that are not those of n samples.
func checkNoise(b client.SampleRequest, n int, d *drawing) error {
	m, dim := d.of.Model, d.of.Model.Dim()
	_, noisy := d.how.(model.SDE) // whose seed is of more than the source
	switch {
	case b.Noise == nil:
		return nil
	case b.Seed != nil && !noisy:
		return invalid("seed: the source points are given by noise; leave out one of them")
	case len(b.Noise) != n:
		return invalid("noise: %d points for %d samples; give one for each", len(b.Noise), n)
	}
	for i, row := range b.Noise {
		if len(row) != dim {
			return invalid("noise: point %d has %d numbers; a source point of the model has %d", i+1, len(row), dim)
		}
		if on := m.Manifold(); on != nil {
			if err := on.Check(row); err != nil {
				return invalid("noise: point %d: %v", i+1, err)
			}
		}
	}
	return nil
}

// estimated says whether a sampler estimates log-densities by random probes.
func estimated(how model.Sampler) bool {
	d, ok := how.(model.Density)
	return ok && d.Divergence.String() != "exact"
}

// alone draws all samples of a job by itself.
func (d *drawing) alone() solve {
	return func(ctx context.Context, p points) (flow.Batch, []float64, int, error) {
		o := model.SampleOptions{N: p.x.N, Seed: d.seed, Given: p.given, Sampler: d.how}
		s, err := d.of.Model.Sample(ctx, o)
		return s.X, s.LogP, s.Stats.NFE, err
	}
}

// gives is what n samples are given: in the units of the model, and what their rows say of it.
type gives struct {
	n        int
	given    flow.Given
	label    []int32    // of each sample
	context  flow.Batch // of each sample, in the units of the data
	original flow.Batch // of each sample that is made from a whole image, this
	warnings []string
}

// gives reads what the samples of a request are given: n of each of what it lists.
func (s *Server) gives(ctx context.Context, r *served, b client.SampleRequest) (g gives, err error) {
	m := r.Model
	c, z, shown, original, err := readGiven(r, b)
	if err != nil {
		return g, err
	}
	each := max(1, z.N, shown.N)
	if err := s.few("n", b.N, m.Dim()); err != nil { // so that the product below is no other number
		return g, err
	}
	g.n = b.N * each
	if err := s.affords(ctx, "n", g.n, r.size().width); err != nil { // each has a context of its own
		return g, err
	}
	of := make([]int, g.n)
	for i := range of {
		of[i] = i / b.N
	}
	if z.N > 0 {
		g.context, g.given.Context = c.Rows(of), z.Rows(of)
		if original.N > 0 {
			g.original = original.Rows(of)
		}
		g.warnings = append(g.warnings, farOf(m, flow.Given{Context: z})...)
	}
	if shown.N > 0 {
		g.given.Shown = shown.Rows(of)
	}
	if g.label, err = labelsFor(r, b, g.n, each); err != nil {
		return g, err
	}
	g.given.Label = g.label
	return g, nil
}

// readGiven reads what a request lists: contexts, in units of the data (c) and of the model (z), with the images that
// they are made of, or what it shows of rows.
func readGiven(r *served, b client.SampleRequest) (c, z, shown, original flow.Batch, err error) {
	m := r.Model
	switch {
	case b.Complete && m.Spec().Schema == nil:
		err = invalid("complete: it is for tables that were learnt with data.schema: auto; leave it out")
	case m.Spec().Schema != nil && b.Condition != nil:
		err = invalid("condition: it is of images, and the model is of the rows of a table; leave it out")
	case m.Spec().Schema != nil:
		shown, err = shownOf(m, b.Given, b.Complete)
	default:
		c, z, original, err = contextsFor(r, b.Given, b.Condition)
	}
	return c, z, shown, original, err
}

// labelsFor returns the classes of n samples of a request, of which each has as many for what it is given.
func labelsFor(r *served, b client.SampleRequest, n, each int) ([]int32, error) {
	named, err := r.classed().labels(b.Label)
	switch l := len(named); {
	case err != nil:
		return nil, err
	case l == 0 && b.Columns > 0 && n%b.Columns == 0:
		return r.GridLabels(n/b.Columns, b.Columns), nil
	case l == 0:
		return flow.LabelsInTurn(n, r.Model.Spec().Net.Classes), nil
	case l != 1 && l != each:
		return nil, invalid("label: %d classes for %d of given; name one for all, or one for each", l, each)
	}
	label := make([]int32, n)
	for i := range label {
		label[i] = named[i*len(named)/n]
	}
	return label, nil
}

// samplerOf returns how the samples of a request are drawn.
func samplerOf(r *served, b client.SampleRequest, mostNFE int) (model.Sampler, error) {
	if slices.Contains(sde.Names(), b.Solver) {
		return noisyOf(r, b, mostNFE)
	}
	if b.Eta != 0 || b.Diffusion != "" {
		return nil, invalid("%s: it is of solvers with noise (%s); choose one, or leave it out",
			map[bool]string{true: "eta", false: "diffusion"}[b.Eta != 0], choice.List(sde.Names()))
	}
	s, err := settingsOf(b.How, r, mostNFE, b.LogP)
	if err != nil {
		return nil, err
	}
	if s.Solve.Solver == eval.Average && !r.Model.Net().Config().Average {
		return nil, invalid("solver: the model has not learnt average velocities; choose a solver of the ODE")
	}
	if b.Guidance != nil && r.Config.Train.LabelDropout == 0 {
		return nil, invalid(notGuided)
	}
	if err := checkGuidance(b); err != nil {
		return nil, err
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
		div, err := s.DivergenceFor(r.Model.Dim(), or(b.Seed, r.Config.Seed))
		return model.Density{Solver: solver, Divergence: div}, err
	}
	how, err := s.Sampler()
	if o, ok := how.(model.ODE); ok {
		o.Guidance, o.GuidanceRescale = b.Guidance, b.GuidanceRescale
		if b.GuidanceInterval != nil {
			o.GuidanceInterval = (*[2]float64)(b.GuidanceInterval)
		}
		return o, err
	}
	if b.Guidance != nil {
		return nil, invalid("guidance: steps of the average velocity have none; choose another solver")
	}
	return how, err
}

// checkGuidance reports parts of guidance that are wrong, or have no effect.
func checkGuidance(b client.SampleRequest) error {
	plain, i := b.Guidance == nil || *b.Guidance == 1, b.GuidanceInterval
	switch {
	case plain && i != nil:
		return invalid("guidance_interval: there is no guidance; give its scale, or leave out the interval")
	case plain && b.GuidanceRescale != 0:
		return invalid("guidance_rescale: there is no guidance; give its scale, or leave out the rescale")
	case i != nil && !(len(i) == 2 && 0 <= i[0] && i[0] < i[1] && i[1] <= 1):
		return invalid("guidance_interval: %v; give two times that rise, from 0 (noise) to 1 (data) at most", i)
	}
	return nil
}

// mostPoints is how many points of a dimension are answered at a time.
func (s *Server) mostPoints(dim int) int { return min(s.o.MaxPoints, mostNumbers/dim) }

// few reports a field that asks for more points than the server answers.
func (s *Server) few(field string, n, dim int) error {
	if most := s.mostPoints(dim); n > most || n < 1 {
		return invalid("%s: %d points are asked for; at most %d of this model are answered at a time", field, n, most)
	}
	return nil
}

// affords makes room for the points of a request, before they are there, or says why there is none.
func (s *Server) affords(ctx context.Context, field string, n, dim int) error {
	if err := s.few(field, n, dim); err != nil {
		return err
	}
	what := fmt.Sprintf("%d points of %d numbers", n, dim)
	if err := memory.Check(what, numberBytes*float64(n)*float64(dim)); err != nil {
		return invalid("%s: %v", field, err)
	}
	return room(ctx, n*dim)
}

// done waits for the samples, and returns them.
func (s *Server) done(d *drawing) (run.Rows, error) {
	if err := s.queue.do(d.job); err != nil {
		return run.Rows{}, answer(err)
	}
	return d.kept(d.rows(d.job.x, d.job.logp))
}

// rows returns points in data units, with what the samples have beside them.
func (d *drawing) rows(x flow.Batch, logp []float64) run.Rows {
	drawn := d.drawn
	drawn.X, drawn.LogP = x, logp
	return run.RowsOf(d.of.Model.Spec(), drawn)
}

// json are the samples with their values.
func (d *drawing) json(rows run.Rows) client.Samples {
	out := d.info
	out.X, out.LogP = valuesOf(rows), d.job.logp
	out.Warnings = slices.Concat(d.info.Warnings, rows.Notes)
	if slices.Contains(d.with, withNFE) {
		out.NFE = d.job.nfe
	}
	for i := range d.noise.N {
		out.Noise = append(out.Noise, d.noise.Row(i))
	}
	return out
}

// valuesOf returns rows as JSON has them.
func valuesOf(rows run.Rows) [][]any {
	x := make([][]any, rows.X.N)
	for i := range x {
		x[i] = rows.Values(i)
	}
	return x
}
