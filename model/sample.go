package model

import (
	"context"
	"errors"
	"fmt"
	"math"

	"flowmatch/flow"
	"flowmatch/internal/absent"
	"flowmatch/internal/memory"
	"flowmatch/internal/seed"
	"flowmatch/likelihood"
	"flowmatch/ode"
)

// SampleOptions says how to sample. N and the Sampler must be set.
type SampleOptions struct {
	N    int
	Seed uint64 // of the source points, and of the noise of an SDE
	// Given is what the points are conditioned on, in model units: one for all, or one a
	// point. It must be what the network was made for.
	Given   flow.Given
	Sampler Sampler
	// Batch is the most points that are solved together: a solve's memory grows with
	// it. 0 chooses one of about a million numbers. With equal steps it changes nothing (on XLA
	// nothing but rounding), as under ode.Adaptive with Each; without, the points of a batch share
	// their steps, so that results differ within the tolerance, as with
	// likelihood.Problem.BatchSize.
	Batch int
	// Within is where the samples are to be, which [Model.Sample] draws again until they are; nil:
	// within [Spec.Bounds], if there are any.
	Within *Within
	// Progress, if not nil, is called as the sampling goes on.
	Progress Progress

	before int // see SampleEach
}

// Samples is what sampling returns. X and X0 are [N, D]; X is in data units,
// the source points X0 in model units.
type Samples struct {
	X, X0 flow.Batch
	LogP  []float64 // nats, in data units, of [Density]; else nil
	// Stats is what a point has cost: of several batches, that of the dearest.
	Stats ode.Stats
	// Inside counts the draws, and Mass is what LogP was normalised by, where the samples had to be
	// within bounds; else nil.
	Inside *Acceptance
	Mass   *Mass
}

// Sample draws N points from the source and moves them to the data. When ctx ends, no
// further evaluation of the network begins, and the error is that of ctx, wrapped with
// how far the solve came; as with every error, there are no samples then, unless it is an
// [*ode.PointsError]: then those of the points that it names, whose label or context cannot be
// solved for, are NaN.
func (m *Model) Sample(ctx context.Context, o SampleOptions) (Samples, error) {
	if err := m.made(); err != nil {
		return Samples{}, err
	}
	if o.N < 1 {
		return Samples{}, fmt.Errorf("model: %d samples asked for; it must be at least 1", o.N)
	}
	// The source points, the samples, and what a caller makes of them.
	if err := memory.Check(fmt.Sprintf("%d samples of %d dimensions", o.N, m.Dim()),
		3*8*float64(o.N)*float64(m.Dim())); err != nil {
		return Samples{}, fmt.Errorf("model: %w", err)
	}
	if w := m.within(o.Within); w != nil {
		return m.sampleWithin(ctx, o, *w)
	}
	return m.SampleFrom(ctx, m.SourcePoints(o.N, o.Seed), o)
}

// SourcePoints returns the points [n, D], in model units, that n samples of a seed begin at. What flows
// out of bounds is drawn again from others.
func (m *Model) SourcePoints(n int, seedValue uint64) flow.Batch {
	x0 := flow.NewBatch(n, m.Dim())
	m.Source().Sample(x0, seed.Rand(seedValue, "sample", 0))
	return x0
}

// SampleFrom is Sample from given source points [N, D], in model units, which are not
// modified; o.N must be 0 or N. What flows out of bounds stays there.
func (m *Model) SampleFrom(ctx context.Context, x0 flow.Batch, o SampleOptions) (s Samples, err error) {
	if err := m.made(); err != nil {
		return s, err
	}
	if err := m.fits("source points", x0); err != nil {
		return s, err
	}
	switch {
	case absent.Is(o.Sampler): // also a nil pointer to one
		return s, errors.New("model: SampleOptions.Sampler is nil; set one, such as model.ODE{Solver: ...}")
	case o.N != 0 && o.N != x0.N:
		return s, fmt.Errorf("model: %d samples asked for from %d source points", o.N, x0.N)
	}
	if err := o.Sampler.check(m, x0.N); err != nil {
		return s, err
	}
	x := x0.Clone()
	size := m.perRank(o.Batch, x.N, commonSteps(o.Sampler))
	all, err := m.inBatches(x, size, o.Given, o.Progress, func(b *batch) (part solved, err error) {
		b.seed, b.before = o.Seed, o.before
		part.logp, part.stats, err = m.sampleApart(ctx, o.Sampler, b)
		return part, part.keep(err)
	})
	s.Stats = all.stats
	if err != nil {
		return s, err
	}
	if len(all.failed.Points) == x.N {
		return s, all.failed.Errs[0]
	}
	m.fromModelUnits(x, o.Given.Shown)
	if all.logp != nil {
		m.toDataUnits(all.logp, x)
	}
	s.X0, s.X, s.LogP = x0, x, all.logp
	return s, all.failed.Err()
}

// fromModelUnits brings points x, which a solve has moved, to data units, with what is shown of them.
func (m *Model) fromModelUnits(x, shown flow.Batch) {
	putShown(x, shown)
	if u := m.spec.Units(); u != nil {
		u.Invert(x)
	}
}

// putShown puts coordinates that are shown into the points x, which the solve did not move.
func putShown(x, shown flow.Batch) {
	for i := range x.N {
		if shown.N == 0 {
			return
		}
		for k, v := range shown.Row(min(i, shown.N-1)) {
			if !math.IsNaN(v) {
				x.Row(i)[k] = v
			}
		}
	}
}

// LikelihoodOptions says how to evaluate a log-density.
type LikelihoodOptions struct {
	Given      flow.Given            // as in SampleOptions: the density is log p(x | given)
	Solver     ode.Solver            // its Control must be set
	Divergence likelihood.Divergence // nil: exact
	// Within is where the points may be: outside their density is 0, inside it is divided by the
	// mass inside; nil: within [Spec.Bounds], if there are any.
	Within *Within
	// Batch and Progress are as in [SampleOptions].
	Batch    int
	Progress Progress
}

// LogProb returns log p(x | given) of each point, in nats and in data units; x [N, D]
// is in data units too and is not modified. The Stats and the end of ctx are as in
// Sample. With an error there are no log-densities, unless it is an [*ode.PointsError]:
// then those of the points that it names are NaN. With ode.Adaptive.Each a log-density
// does not depend on the other points. Without it the points of which a solve fails are
// found by halves, up to 100 of a batch.
func (m *Model) LogProb(ctx context.Context, x flow.Batch, o LikelihoodOptions) ([]float64, ode.Stats, error) {
	if err := m.made(); err != nil {
		return nil, ode.Stats{}, err
	}
	if err := m.fits("points", x); err != nil {
		return nil, ode.Stats{}, err
	}
	if err := m.HasDensity(); err != nil {
		return nil, ode.Stats{}, err
	}
	lo, hi := m.Span()
	logp, st, err := m.logProb(ctx, x, o, lo, hi, nil)
	if err != nil && !failedPoints(err) || m.within(o.Within) == nil {
		return logp, st, err
	}
	switch _, failed := m.Normalize(ctx, x, logp, o); {
	case failed != nil && !failedPoints(failed):
		return nil, st, failed
	case err == nil:
		err = failed
	}
	return logp, st, err
}

// logProb is LogProb over the times from lo to hi; rows are the numbers of the points for
// Hutchinson's probes, or nil.
func (m *Model) logProb(
	ctx context.Context, x flow.Batch, o LikelihoodOptions, lo, hi float64, rows []int,
) ([]float64, ode.Stats, error) {
	z := m.toModelUnits(x)
	out := m.outside(z)
	size := m.perRank(o.Batch, z.N, common(o.Solver))
	all, err := m.inBatches(z, size, o.Given, o.Progress, func(b *batch) (part solved, err error) {
		p, err := m.problem(b, o.Divergence, m.watched(o.Solver, hi, lo, b.step))
		if err != nil {
			return part, err
		}
		p.Lo, p.Hi = lo, hi
		if rows != nil {
			p.Rows = rows[b.first : b.first+b.x.N]
		}
		part.logp, _, part.stats, err = p.LogProb(ctx, b.x)
		if failedByItself(err) {
			part.logp, part.stats, err = m.apart(ctx, b, p, part.stats, err)
		}
		return part, part.keep(err)
	})
	if err != nil {
		return nil, all.stats, err
	}
	m.toDataUnits(all.logp, x)
	for _, i := range out {
		all.logp[i] = math.Inf(-1)
	}
	return all.logp, all.stats, all.failed.Err()
}

// ErrShownDensity is returned when a log-density is asked for of points of which coordinates are shown.
var ErrShownDensity = errors.New("model: a log-density is that of all coordinates: show none of them")

func (m *Model) problem(b *batch, div likelihood.Divergence, s ode.Solver) (likelihood.Problem, error) {
	if b.given.Shown.N > 0 {
		return likelihood.Problem{}, ErrShownDensity
	}
	f, err := m.Field(b.given)
	lo, hi := m.Span()
	p := likelihood.Problem{
		Field: f, Source: m.source, Lo: lo, Hi: hi, Divergence: div, Solver: s, First: b.before + b.first,
	}
	for _, row := range b.rows {
		p.Rows = append(p.Rows, b.before+row)
	}
	return p, err
}

// ErrNotDiscrete is returned when bits per dimension are asked of data that
// are not dequantised integers.
var ErrNotDiscrete = errors.New("model: bits per dimension are for dequantised images only")

// BitsPerDim turns a mean log-density in data units (nats) into bits per
// dimension; see [likelihood.BitsPerDim].
func (m *Model) BitsPerDim(logp float64) (float64, error) {
	if m.Spec().BinWidth <= 0 {
		return 0, ErrNotDiscrete
	}
	return likelihood.BitsPerDim(logp, m.Dim(), m.spec.BinWidth), nil
}
