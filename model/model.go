package model

import (
	"context"
	"errors"
	"fmt"

	"flowmatch/data"
	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/likelihood"
	"flowmatch/nn"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/sde"
)

// Spec gives a network's output its meaning.
type Spec struct {
	Net        nn.Config       `json:"net"`
	Path       path.Config     `json:"path"`
	Prediction path.Prediction `json:"prediction"` // what the network outputs
	// Shape of one data point, e.g. [2] or [28, 28]; its product is Net.Dim.
	Shape []int `json:"shape"`
	// Standardizer maps data to model units; nil when they are the same.
	Standardizer *data.Standardizer `json:"standardizer,omitempty"`
	// BinWidth is the width of one integer level of the data, in data units, for dequantised images; 0 for continuous data. With it densities can be
	// told in bits per dimension.
	BinWidth float64  `json:"bin_width,omitempty"`
	Columns  []string `json:"columns,omitempty"` // names of the coordinates of a table
	// Source is where the flow starts from, in model units; nil: the path's Gaussian.
	Source *data.SourceConfig `json:"source,omitempty"`
	// Condition is what the network is told of each image; nil: nothing, or (a network
	// with nn.Config.Condition) values that only the caller knows how to make.
	Condition *data.ConditionConfig `json:"condition,omitempty"`
}

// Model is a flow: it maps noise to data and back, and knows densities. It is
// read-only and safe for concurrent use.
type Model struct {
	Spec
	Net       *nn.Net
	Scheduler path.Scheduler
	source    flow.Source
	condition *data.Condition
}

// New returns the model of a Spec and a network for it.
func New(spec Spec, net *nn.Net) (*Model, error) {
	s, err := spec.Path.New()
	if err != nil {
		return nil, err
	}
	dim := 1
	for _, n := range spec.Shape {
		dim *= n
	}
	if len(spec.Shape) == 0 || dim != net.Config().Dim {
		return nil, fmt.Errorf("model: points of shape %v do not fit a network of dimension %d", spec.Shape, net.Config().Dim)
	}
	spec.Net = net.Config()
	m := &Model{Spec: spec, Net: net, Scheduler: s, source: path.Source(s)}
	if spec.Source != nil {
		if m.source, err = otherSource(*spec.Source, s, spec.Prediction, dim); err != nil {
			return nil, err
		}
	}
	if spec.Condition != nil {
		if m.condition, err = spec.Condition.New(spec.Shape, spec.Standardizer); err != nil {
			return nil, err
		}
		if got, want := spec.Net.Condition, m.condition.Dim(); got != want {
			return nil, fmt.Errorf("model: the network takes a condition of %d values, and %s makes %d", got, spec.Condition.Kind, want)
		}
	}
	return m, nil
}

// otherSource makes a source that is not the path's Gaussian.
func otherSource(c data.SourceConfig, s path.Scheduler, p path.Prediction, dim int) (flow.Source, error) {
	if err := CheckSource(c, s, p, dim); err != nil {
		return nil, err
	}
	return c.New()
}

// CheckSource reports whether a flow can start from a named set: its path must
// begin with x_0 itself, its network predict the velocity, and its dimension be that
// of the data, where that is known (dim > 0).
func CheckSource(c data.SourceConfig, s path.Scheduler, p path.Prediction, dim int) error {
	d, err := c.New()
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	lo, _ := s.Domain()
	switch at := s.At(lo); {
	case d == nil:
		return errors.New("model: a source without a name; leave it out for the Gaussian of the path")
	case at.Alpha != 0 || at.Sigma != 1:
		return fmt.Errorf("model: a source other than the Gaussian needs a path that starts from it, x_0 itself; this one starts at %g x_1 + %g x_0: use condot, icfm or bridge", at.Alpha, at.Sigma)
	case p != path.Velocity:
		return fmt.Errorf("model: a source other than the Gaussian goes with prediction velocity, not with %v", p)
	}
	if got := d.(data.Source).Dim(); dim > 0 && got != dim {
		return fmt.Errorf("model: the source has %d dimensions and the data %d", got, dim)
	}
	return nil
}

// Dim returns D.
func (m *Model) Dim() int { return m.Net.Config().Dim }

// Span returns the times between which the model's velocity is finite: the
// path's domain, trimmed where the prediction cannot be turned into a velocity.
func (m *Model) Span() (lo, hi float64) { return path.Span(m.Scheduler, m.Prediction) }

// Start returns the distribution that a solve starts from, in model units: the
// source that the Spec names, or the path's Gaussian, N(0, σ(lo)² I).
func (m *Model) Start() flow.Source { return m.source }

// Conditioner returns what makes the conditions of images; nil for a model without.
func (m *Model) Conditioner() *data.Condition { return m.condition }

// ConditionOf returns the conditions of images x [N, D] in data units, for the field
// Cond of the options: [N, Dc], in model units; the zero Batch for a model without.
// Random masks are drawn from the seed, that of image i whatever the others are.
func (m *Model) ConditionOf(x flow.Batch, seedValue uint64) flow.Batch {
	if m.condition == nil {
		return flow.Batch{}
	}
	z, cond := x.Clone(), flow.NewBatch(x.N, m.condition.Dim())
	if m.Standardizer != nil {
		m.Standardizer.Apply(z)
	}
	m.condition.Fill(cond, z, seed.Rand(seedValue, "model/condition", 0))
	return cond
}

// Field returns the velocity field in model units, v_t(x | label); label is as
// for [nn.Net.Bind]. It is Differentiable and a Diverger.
func (m *Model) Field(label []int32) (flow.Field, error) { return m.FieldTo(label, flow.Batch{}) }

// FieldTo is Field given the values of a condition too, v_t(x | label, condition), as
// for [nn.Net.BindTo].
func (m *Model) FieldTo(label []int32, cond flow.Batch) (flow.Field, error) {
	f, err := m.Net.BindTo(label, cond)
	if err != nil {
		return nil, err
	}
	if m.Prediction == path.Velocity {
		return f, nil
	}
	return path.AsVelocity(f, m.Scheduler, m.Prediction), nil
}

// SampleOptions says how to sample.
type SampleOptions struct {
	N      int
	Seed   uint64
	Label  []int32    // nil, one for all, or one a point
	Cond   flow.Batch // of a model with a condition, one for all or one a point; see ConditionOf
	Solver ode.Solver // its Control must be set
	// Guidance is the scale of classifier-free guidance by Label; 0 and 1: none. Each
	// evaluation then is two of the network, and Stats.NFE counts both. See
	// [field.Guided].
	Guidance float64
	// Hold completes points of which a part is known; nil: all is drawn. It needs the
	// Solver, and no LogProb.
	Hold *Hold
	// Intervals n > 0 takes n steps of the average velocity on a uniform grid in
	// place of the Solver; the network must know it (nn.Config.Interval).
	Intervals int
	// LogProb asks for the log-density of each sample too, from the same solve.
	LogProb bool
	// Divergence of that log-density; nil means exact.
	Divergence likelihood.Divergence
	// Batch is the most points that are solved together: a solve's memory grows with
	// it. 0 chooses one of about a million numbers. With equal steps it changes nothing
	// but rounding; under ode.Adaptive the points of a batch share their steps, so that
	// results differ within the tolerance, as with likelihood.Problem.BatchSize.
	Batch int
	// Progress, if not nil, is told how far the sampling is.
	Progress Progress
}

// Samples is what sampling returns. X and X0 are [N, D]; X is in data units,
// the source points X0 in model units.
type Samples struct {
	X, X0 flow.Batch
	LogP  []float64 // nats, in data units; nil when not asked for
	// Stats is what a point has cost: of several batches, that of the dearest.
	Stats ode.Stats
}

// Sample draws N points by solving dx/dt = v_t(x) from the source to the data. When
// ctx ends, no further evaluation of the network begins, and the error is that of ctx,
// wrapped with how far the solve came; as with every error, there are no samples then.
func (m *Model) Sample(ctx context.Context, o SampleOptions) (Samples, error) {
	if o.N < 1 {
		return Samples{}, fmt.Errorf("model: %d samples asked for; it must be at least 1", o.N)
	}
	x0 := flow.NewBatch(o.N, m.Dim())
	m.Start().Sample(x0, seed.Rand(o.Seed, "sample", 0))
	return m.SampleFrom(ctx, x0, o)
}

// SampleFrom maps the given source points [N, D], in model units; o.N and
// o.Seed are ignored.
func (m *Model) SampleFrom(ctx context.Context, x0 flow.Batch, o SampleOptions) (s Samples, err error) {
	x := flow.NewBatch(x0.N, x0.D)
	var logp []float64
	s.Stats, err = m.inBatches(x0.N, o.Batch, given{o.Label, o.Cond}, o.Progress, func(from, to int, told given, step Progress) (ode.Stats, error) {
		o := o
		o.Label, o.Cond, o.Hold = told.label, told.cond, o.Hold.of(from, to)
		part, err := m.sampleBatch(ctx, x0.Slice(from, to), from, o, step)
		if err == nil {
			copy(x.Slice(from, to).X, part.X.X)
			logp = append(logp, part.LogP...)
		}
		return part.Stats, err
	})
	if err == nil {
		s.X0, s.X, s.LogP = x0, x, logp
	}
	return s, err
}

// sampleBatch is SampleFrom of the batch whose first point is number first.
func (m *Model) sampleBatch(ctx context.Context, x0 flow.Batch, first int, o SampleOptions, step Progress) (s Samples, err error) {
	lo, hi := m.Span()
	guided := o.Guidance != 0 && o.Guidance != 1
	switch {
	case (o.LogProb || o.Intervals > 0) && guided:
		return s, ErrGuided
	case (o.LogProb || o.Intervals > 0) && o.Hold != nil:
		return s, ErrHeld
	case o.LogProb && o.Intervals > 0:
		return s, ErrNoDensity
	case o.Intervals > 0:
		s.X = x0.Clone()
		if s.Stats, err = m.jump(ctx, s.X, o, step); err != nil {
			return s, err
		}
	case o.LogProb:
		p, err := m.problem(o.Label, o.Cond, o.Divergence, watched(o.Solver, lo, hi, 1, step))
		if err != nil {
			return s, err
		}
		p.First = first
		if s.X, s.LogP, s.Stats, err = p.Sample(ctx, x0); err != nil {
			return s, err
		}
		m.toDataUnits(s.LogP)
	default:
		s.X = x0.Clone()
		f, err := m.FieldTo(o.Label, o.Cond)
		cost := 1
		if err == nil && guided {
			f, err = m.guided(f, o)
			cost = 2
		}
		if err == nil && o.Hold != nil {
			f, err = m.held(f, s.X, *o.Hold)
		}
		if err != nil {
			return s, err
		}
		s.Stats, err = watched(o.Solver, lo, hi, cost, step).Solve(ctx, f.Velocity, s.X.X, lo, hi)
		s.Stats.NFE *= cost
		if err != nil {
			return s, err
		}
	}
	if m.Standardizer != nil {
		m.Standardizer.Invert(s.X)
	}
	return s, nil
}

// ErrGuided is returned when a guided sample is asked for its log-density, or in
// steps of the average velocity.
var ErrGuided = errors.New("model: guidance is for samples by an ODE solver, without log-densities: a guided field has no density that was trained")

// guided returns the field of labels, guided. Both of its fields know the condition.
func (m *Model) guided(conditional flow.Field, o SampleOptions) (flow.Field, error) {
	if len(o.Label) == 0 {
		return nil, errors.New("model: guidance needs labels, and this model is unconditional")
	}
	free, err := m.FieldTo([]int32{-1}, o.Cond)
	return field.Guided{Conditional: conditional, Unconditional: free, Scale: o.Guidance}, err
}

// ErrNoDensity is returned when log-densities are asked of samples that steps of
// the average velocity made.
var ErrNoDensity = errors.New("model: steps of the average velocity tell no log-density; sample with an ODE solver")

// jump takes n = o.Intervals steps x += (s-t) u(x, t, s) of the average velocity, each
// one evaluation of the network.
func (m *Model) jump(ctx context.Context, x flow.Batch, o SampleOptions, step Progress) (st ode.Stats, err error) {
	n := o.Intervals
	f, err := m.Net.BindTo(o.Label, o.Cond)
	if err != nil {
		return st, err
	}
	lo, hi := m.Span()
	u := make([]float64, len(x.X))
	step(0, 0)
	for k := range n {
		if err := ctx.Err(); err != nil {
			return st, fmt.Errorf("model: sampling: %w", err)
		}
		t, s := lo+(hi-lo)*float64(k)/float64(n), lo+(hi-lo)*float64(k+1)/float64(n)
		if err := f.Average(u, t, s, x.X); err != nil {
			return st, err
		}
		for i, ui := range u {
			x.X[i] += (s - t) * ui
		}
		st.NFE++
		st.Accepted++
		step(float64(k+1)/float64(n), st.NFE)
	}
	return st, nil
}

// SDEOptions says how to sample with noise.
type SDEOptions struct {
	N       int
	Label   []int32     // nil, one for all, or one a point
	Cond    flow.Batch  // as in SampleOptions
	Sampler sde.Sampler // its Steps or Grid must be set; its Seed is also that of the source
	// Batch and Progress are as in [SampleOptions]; Batch changes nothing but rounding.
	Batch    int
	Progress Progress
}

// SampleSDE draws N points along an SDE with the marginals of the path, or by DDPM
// or DDIM: see [sde]. Of Stats, NFE, Accepted and LastT are filled in; there is no
// log-density. It starts from the points that Sample starts from with the same
// seed. The error is sde.ErrInvalid where the path and the prediction cannot be
// sampled so (a g that is infinite, a grid that reaches a singular time). The end of
// ctx is as in Sample.
func (m *Model) SampleSDE(ctx context.Context, o SDEOptions) (s Samples, err error) {
	if o.N < 1 {
		return s, fmt.Errorf("model: %d samples asked for; it must be at least 1", o.N)
	}
	x0 := flow.NewBatch(o.N, m.Dim())
	m.Start().Sample(x0, seed.Rand(o.Sampler.Seed, "sample", 0))
	x := x0.Clone()
	s.Stats, err = m.inBatches(o.N, o.Batch, given{o.Label, o.Cond}, o.Progress, func(from, to int, told given, step Progress) (ode.Stats, error) {
		f, err := m.Net.BindTo(told.label, told.cond)
		if err != nil {
			return ode.Stats{}, err
		}
		sampler, observe := o.Sampler, o.Sampler.Observe
		sampler.First += uint64(from)
		lo, hi := sampler.Span(m.Scheduler, m.Prediction)
		sampler.Observe = func(q sde.Step) {
			if observe != nil {
				observe(q)
			}
			step((q.T-lo)/(hi-lo), q.Stats.NFE)
		}
		st, err := sampler.Sample(ctx, f, m.Scheduler, m.Prediction, x.Slice(from, to))
		return ode.Stats{NFE: st.NFE, Accepted: st.Steps, LastT: st.LastT}, err
	})
	if err != nil {
		return s, err
	}
	if m.Standardizer != nil {
		m.Standardizer.Invert(x)
	}
	s.X0, s.X = x0, x
	return s, nil
}

// LikelihoodOptions says how to evaluate a log-density.
type LikelihoodOptions struct {
	Label      []int32
	Cond       flow.Batch            // as in SampleOptions: the density is log p(x | condition)
	Solver     ode.Solver            // its Control must be set
	Divergence likelihood.Divergence // nil means exact
	// Batch and Progress are as in [SampleOptions].
	Batch    int
	Progress Progress
}

// LogProb returns log p(x) of each point, in nats and in data units; x [N, D]
// is in data units too and is not modified. The Stats and the end of ctx are as in
// Sample; with an error there are no log-densities.
func (m *Model) LogProb(ctx context.Context, x flow.Batch, o LikelihoodOptions) ([]float64, ode.Stats, error) {
	if x.D != m.Dim() {
		return nil, ode.Stats{}, fmt.Errorf("model: points of dimension %d given to a model of dimension %d", x.D, m.Dim())
	}
	z := x.Clone()
	if m.Standardizer != nil {
		m.Standardizer.Apply(z)
	}
	lo, hi := m.Span()
	var logp []float64
	st, err := m.inBatches(x.N, o.Batch, given{o.Label, o.Cond}, o.Progress, func(from, to int, told given, step Progress) (ode.Stats, error) {
		p, err := m.problem(told.label, told.cond, o.Divergence, watched(o.Solver, hi, lo, 1, step))
		if err != nil {
			return ode.Stats{}, err
		}
		p.First = from
		part, _, st, err := p.LogProb(ctx, z.Slice(from, to))
		logp = append(logp, part...)
		return st, err
	})
	if err != nil {
		return nil, st, err
	}
	m.toDataUnits(logp)
	return logp, st, nil
}

func (m *Model) problem(label []int32, cond flow.Batch, div likelihood.Divergence, s ode.Solver) (likelihood.Problem, error) {
	f, err := m.FieldTo(label, cond)
	if err != nil {
		return likelihood.Problem{}, err
	}
	if div == nil {
		div = likelihood.Exact{}
	}
	lo, hi := m.Span()
	return likelihood.Problem{Field: f, Source: m.Start(), Lo: lo, Hi: hi, Divergence: div, Solver: s}, nil
}

// toDataUnits adds the log-determinant of the standardisation: p(x) = p(z) |∂z/∂x|.
func (m *Model) toDataUnits(logp []float64) {
	if m.Standardizer == nil {
		return
	}
	shift := m.Standardizer.LogDet(m.Dim())
	for i := range logp {
		logp[i] -= shift
	}
}

// ErrNotDiscrete is returned when bits per dimension are asked of data that
// are not dequantised integers.
var ErrNotDiscrete = errors.New("model: bits per dimension are for dequantised images only")

// BitsPerDim turns a mean log-density in data units (nats) into bits per
// dimension; see [likelihood.BitsPerDim].
func (m *Model) BitsPerDim(logp float64) (float64, error) {
	if m.BinWidth <= 0 {
		return 0, ErrNotDiscrete
	}
	return likelihood.BitsPerDim(logp, m.Dim(), m.BinWidth), nil
}
