package model

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"flowmatch/flow"
	"flowmatch/likelihood"
	"flowmatch/ode"
	"flowmatch/path"
	"flowmatch/sde"
)

// Sampler is a way to draw samples from a model. It is one of [ODE], [Density],
// [Average] and [SDE], each with what it can be combined with: an ODE takes guidance or
// held coordinates, a Density neither, for the field that results has no density that
// was trained.
type Sampler interface {
	// check reports what the model lacks for it, or n points, before anything is drawn.
	check(m *Model, n int) error
	// sample moves the points of a batch from the source to the data, in place and in
	// model units, and returns their log-densities there, or nil.
	sample(ctx context.Context, m *Model, b *batch) (logp []float64, st ode.Stats, err error)
	// String names the sampler as a report does: "dopri5 rtol=1e-05 atol=1e-05".
	String() string
}

// batch is the part of the points that is sampled together.
type batch struct {
	first int        // the number of its first point among all
	rows  []int      // the numbers of its points, where they do not follow one another; nil: first, first+1, ...
	x     flow.Batch // in model units
	given flow.Given
	seed  uint64 // of all points
	step  Progress
	// before counts the points that came before all of these: see SampleEach.
	before int
}

// row is the number of point i of the batch among all.
func (b *batch) row(i int) int {
	if b.rows == nil {
		return b.first + i
	}
	return b.rows[i]
}

// ODE draws samples by solving dx/dt = v_t(x | given).
type ODE struct {
	Solver ode.Solver // its Control must be set
	// Guidance is the scale of classifier-free guidance by the labels; nil and 1: none, 0:
	// the field without a label. At other scales each evaluation is two of the network, and
	// Stats.NFE counts both. See [field.Guided].
	Guidance *float64
	// GuidanceInterval is the first and the last time of guidance, as shares of the time from noise (0)
	// to data (1); nil: it is at all times. Outside an evaluation is one of the network.
	GuidanceInterval *[2]float64
	// GuidanceRescale, from 0 to 1, is how much of the standard deviation of a velocity over the
	// coordinates of a point is that of the velocity without guidance.
	GuidanceRescale float64
	// Hold completes points of which a part is known; nil: all coordinates are drawn.
	Hold *Hold
}

// Density is ODE with the log-density of each sample, from the same solve.
type Density struct {
	Solver     ode.Solver            // its Control must be set
	Divergence likelihood.Divergence // nil: exact
}

// Average takes steps x += (s-t) u(x, t, s) of the average velocity on a grid of times, each
// one evaluation of a network that was made with nn.Config.Average.
type Average struct {
	Steps  int        // at least 1, or 0 with Spaced
	Spaced ode.Spaced // if it has shares, the grid instead
}

// SDE draws samples along an SDE with the marginals of the path, or by DDPM or DDIM: see
// package sde. The seed of its noise is SampleOptions.Seed, and the scale of the data the
// model's.
type SDE struct {
	// Sampler must have Steps, Spaced or a Grid, and no Seed, First, Scale or Cost. Its Of, if it has one, names all
	// points, in the place of SampleOptions.Seed.
	Sampler sde.Sampler
	// Guidance is as in ODE: of the prediction, which is the same as of the velocity.
	Guidance *float64
	// GuidanceInterval is as in ODE.
	GuidanceInterval *[2]float64
	// GuidanceRescale is as in ODE, of the prediction.
	GuidanceRescale float64
}

// ErrSampler is returned for a sampler that the model cannot use.
var ErrSampler = errors.New("model: this sampler does not fit the model")

func (o ODE) check(m *Model, n int) error {
	return cmp.Or(o.guidance().check(m), o.Hold.check(m, n))
}

func (o Density) check(m *Model, _ int) error { return m.HasDensity() }

func (o Average) check(m *Model, _ int) error {
	switch {
	case o.Spaced.Shares != nil && (o.Steps != 0 || o.Spaced.Check() != nil):
		return fmt.Errorf("%w: %d steps of the average velocity, and %d at given times; set one of them, with times "+
			"that rise", ErrSampler, o.Steps, o.Spaced.Steps())
	case o.Spaced.Shares == nil && o.Steps < 1:
		return fmt.Errorf("%w: %d steps of the average velocity; it must be at least 1", ErrSampler, o.Steps)
	case m.spec.Prediction != path.Velocity:
		return fmt.Errorf("%w: average velocities are for the prediction velocity, not %v", ErrSampler,
			m.spec.Prediction)
	}
	return nil
}

func (o SDE) check(m *Model, n int) error {
	if o.Sampler.Seed != 0 || o.Sampler.First != 0 || o.Sampler.Scale != 0 || o.Sampler.Cost != nil {
		return fmt.Errorf("%w: SDE.Sampler.Seed, First, Scale or Cost is set; the seed is SampleOptions.Seed, "+
			"the scale is that of Spec.DataScale, and the cost that of the guidance", ErrSampler)
	}
	if of := o.Sampler.Of; of != nil && len(of) != n {
		return fmt.Errorf("%w: SDE.Sampler.Of names %d points of %d", ErrSampler, len(of), n)
	}
	if m.manifold != nil {
		return fmt.Errorf("%w: samplers with noise are for R^d, and not for a %v; use an ODE solver", ErrCurved,
			m.manifold)
	}
	if o.Sampler.NeedsScore() {
		if err := m.HasScore(); err != nil {
			return err
		}
	}
	return o.guidance().check(m)
}

func (o ODE) sample(ctx context.Context, m *Model, b *batch) ([]float64, ode.Stats, error) {
	lo, hi := m.Span()
	f, solver, err := o.guided(m, b)
	if err != nil {
		return nil, ode.Stats{}, err
	}
	if o.Hold != nil {
		f = m.held(f, b.x, o.Hold.slice(b.first, b.first+b.x.N))
	}
	st, err := solve(ctx, m.watched(solver, lo, hi, b.step), f, b.x, lo, hi)
	return nil, st, err
}

func (o Density) sample(ctx context.Context, m *Model, b *batch) ([]float64, ode.Stats, error) {
	lo, hi := m.Span()
	p, err := m.problem(b, o.Divergence, m.watched(o.Solver, lo, hi, b.step))
	if err != nil {
		return nil, ode.Stats{}, err
	}
	x, logp, st, err := p.Sample(ctx, b.x)
	if err != nil && !failedPoints(err) {
		return nil, st, err
	}
	copy(b.x.X, x.X)
	return logp, st, err
}

func (o Average) sample(ctx context.Context, m *Model, b *batch) ([]float64, ode.Stats, error) {
	var st ode.Stats
	f, err := m.net.BindAverage(b.given)
	if err != nil {
		return nil, st, err
	}
	lo, hi := m.Span()
	u := make([]float64, len(b.x.X))
	b.step(0, 0)
	steps, at := o.grid(lo, hi)
	for k := range steps {
		if err := ctx.Err(); err != nil {
			return nil, st, fmt.Errorf("model: sampling: %w", err)
		}
		t, s := at(k), at(k+1)
		if err := f.Average(u, t, s, b.x.X); err != nil {
			return nil, st, err
		}
		for i, ui := range u {
			b.x.X[i] += (s - t) * ui
		}
		st.NFE++
		st.Accepted++
		st.LastT, st.LastH = s, s-t
		b.step(float64(k+1)/float64(steps), st.NFE)
	}
	return nil, st, nil
}

// grid returns the number of steps and the times between them.
func (o Average) grid(lo, hi float64) (steps int, at func(k int) float64) {
	if o.Spaced.Shares != nil {
		return o.Spaced.Steps(), func(k int) float64 { return o.Spaced.At(k, lo, hi) }
	}
	return o.Steps, func(k int) float64 { return lo + (hi-lo)*float64(k)/float64(o.Steps) }
}

func (o SDE) sample(ctx context.Context, m *Model, b *batch) ([]float64, ode.Stats, error) {
	sampler, observe := o.Sampler, o.Sampler.Observe
	sampler.Of = make([]sde.Row, b.x.N)
	for i := range sampler.Of {
		if sampler.Of[i] = (sde.Row{Seed: b.seed, Number: uint64(b.before + b.row(i))}); o.Sampler.Of != nil {
			sampler.Of[i] = o.Sampler.Of[b.row(i)]
		}
	}
	sampler.Scale = m.scale()
	lo, hi := sampler.Span(m.scheduler, m.output())
	f, cost, err := o.guidance().field(b.given, lo, hi, m.bind)
	if err != nil {
		return nil, ode.Stats{}, err
	}
	sampler.Cost = cost
	sampler.Observe = func(q ode.Step) {
		if observe != nil {
			observe(q)
		}
		b.step((q.T-lo)/(hi-lo), q.Stats.NFE)
	}
	st, err := sampler.Sample(ctx, f, m.scheduler, m.output(), b.x)
	return nil, st, err
}

// String implements [Sampler].
func (o ODE) String() string { return o.Solver.String() }

// String implements [Sampler].
func (o Density) String() string { return o.Solver.String() }

// String implements [Sampler].
func (o Average) String() string {
	if o.Spaced.Shares != nil {
		return fmt.Sprintf("average %v", o.Spaced)
	}
	return fmt.Sprintf("average %d steps", o.Steps)
}

// String implements [Sampler].
func (o SDE) String() string { return o.Sampler.String() }
