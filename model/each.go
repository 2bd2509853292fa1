package model

import (
	"context"
	"fmt"

	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/ode"
)

// CanEach says whether [Model.SampleEach] draws the samples of these options: not where they are to
// be within bounds, for what is outside is drawn again with all others, or where a sampler holds
// coordinates of each of them.
func (m *Model) CanEach(o SampleOptions) bool {
	if m.made() != nil || m.within(o.Within) != nil {
		return false
	}
	how, ok := o.Sampler.(ODE)
	return !ok || how.Hold == nil
}

// SampleEach is [Model.Sample] that hands the samples on in parts, in their order, so that there is
// memory for one part to be had: take is called with the number of the first of them, counted from 0.
// They are the samples of Sample, bit for bit. What take returns ends the sampling. Samples that cannot
// be solved for are NaN, and named by the error at the end; a part without any other is an error at
// once.
func (m *Model) SampleEach(
	ctx context.Context, o SampleOptions, take func(first int, s Samples) error,
) (dearest ode.Stats, err error) {
	switch err := m.made(); {
	case err != nil:
		return dearest, err
	case o.N < 1:
		return dearest, fmt.Errorf("model: %d samples asked for; it must be at least 1", o.N)
	case o.Batch < 0:
		return dearest, fmt.Errorf("model: batches of %d points; it must be at least 1, or 0 to choose", o.Batch)
	case !m.CanEach(o):
		return dearest, fmt.Errorf("%w: samples within bounds, or with coordinates that are held, are drawn at once",
			ErrSampler)
	}
	if err := m.spec.Net.CheckGiven(o.Given, o.N); err != nil {
		return dearest, fmt.Errorf("model: %w", err)
	}
	rng := seed.Rand(o.Seed, "sample", 0)
	size := m.batchOf(o.N, o.Batch)
	spent := 0
	var all solved
	for from := 0; from < o.N; from += size {
		to := min(from+size, o.N)
		x0 := flow.NewBatch(to-from, m.Dim())
		m.Source().Sample(x0, rng)
		part := o
		part.N, part.before, part.Batch, part.Given = 0, from, size, o.Given.Slice(from, to)
		if o.Progress != nil {
			part.Progress = func(done float64, nfe int) {
				o.Progress((float64(from)+done*float64(to-from))/float64(o.N), spent+nfe)
			}
		}
		s, err := m.SampleFrom(ctx, x0, part)
		done := solved{stats: s.Stats}
		if err = done.keep(err); err == nil {
			err = take(from, s)
		}
		if err != nil {
			return all.stats, err
		}
		spent += s.Stats.NFE
		all.add(done, from)
	}
	return all.stats, all.failed.Err()
}
