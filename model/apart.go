package model

import (
	"context"
	"errors"
	"math"

	"flowmatch/flow"
	"flowmatch/likelihood"
	"flowmatch/ode"
	"flowmatch/sde"
)

// maxFailed is of how many points of a batch a solve may fail before it fails as a whole. It
// bounds the time of one that fails everywhere.
const maxFailed = 100

// failedByItself says whether a solve failed as a whole for where its points are: without
// some of them it may succeed.
func failedByItself(err error) bool {
	var some *ode.PointsError
	return !errors.As(err, &some) && (errors.Is(err, ode.ErrStepTooSmall) || errors.Is(err, ode.ErrNonFinite) ||
		errors.Is(err, ode.ErrMaxNFE) || errors.Is(err, sde.ErrNonFinite))
}

// halves finds by halves those of a batch, points or kinds of them, of which a solve fails: solve is
// for a part of them, and alone is told of each that fails by itself. why is how the solve of all
// failed; any other failure than by itself ends it, as an error of alone does.
func halves[T any](all []T, why error, solve func(part []T) error, alone func(one T, why error) error) error {
	if len(all) == 1 {
		return alone(all[0], why)
	}
	for _, half := range [][]T{all[:len(all)/2], all[len(all)/2:]} {
		err := solve(half)
		if failedByItself(err) {
			err = halves(half, err, solve, alone)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// apart returns the log-densities of a batch of which the problem p failed as a whole with
// why, NaN of each point that it fails of alone, which an [*ode.PointsError] names. st are the
// Stats so far. Where it fails of all points, the error is why.
func (m *Model) apart(ctx context.Context, b *batch, p likelihood.Problem, st ode.Stats, why error) (
	[]float64, ode.Stats, error,
) {
	logp, numbers := make([]float64, b.x.N), p.Rows
	if numbers == nil {
		numbers = upTo(b.before+b.first, b.before+b.first+b.x.N)
	}
	var failed ode.PointsError
	err := halves(upTo(0, b.x.N), why, func(rows []int) error {
		part, s, err := m.someOf(ctx, b, p, rows, numbers)
		st = st.Max(s)
		for k, v := range part {
			logp[rows[k]] = v
		}
		return err
	}, func(row int, reason error) error {
		logp[row] = math.NaN()
		failed.Points = append(failed.Points, row)
		failed.Errs = append(failed.Errs, errors.Unwrap(reason)) // without the numbers of the points
		if n := len(failed.Points); n > maxFailed || n == b.x.N {
			return why
		}
		return nil
	})
	if err != nil {
		return nil, st, err
	}
	return logp, st, failed.Err()
}

// someOf solves p for some rows of a batch, whose points have these numbers.
func (m *Model) someOf(ctx context.Context, b *batch, p likelihood.Problem, rows, numbers []int) (
	[]float64, ode.Stats, error,
) {
	var err error
	p.Rows = make([]int, len(rows))
	for k, i := range rows {
		p.Rows[k] = numbers[i]
	}
	if p.Field, err = m.Field(b.given.Rows(rows)); err != nil {
		return nil, ode.Stats{}, err
	}
	logp, _, st, err := p.LogProb(ctx, b.x.Rows(rows))
	return logp, st, err
}

// sampleApart samples a batch. Where the solve fails as a whole, and not all points are given the same,
// it finds those whose label or context it fails of, by halves: they become NaN, and the error is an
// [*ode.PointsError]. Of points that are all given the same the error is that of the solve.
func (m *Model) sampleApart(ctx context.Context, how Sampler, b *batch) (logp []float64, st ode.Stats, err error) {
	from := b.x.Clone()
	logp, st, err = how.sample(ctx, m, b)
	var some *ode.PointsError
	switch {
	case errors.As(err, &some):
		for _, i := range some.Points {
			nan(b.x.Row(i))
		}
		return logp, st, err
	case !failedByItself(err):
		return logp, st, err
	}
	groups, _ := alikes(b.given, b.x.N)
	if o, ok := how.(ODE); len(groups) == 1 || ok && o.Hold != nil {
		return nil, st, err
	}
	if _, density := how.(Density); density {
		logp = make([]float64, b.x.N)
	}
	var failed ode.PointsError
	kinds := 0
	err = halves(groups, err, func(groups []*alike) error {
		var rows []int
		for _, g := range groups {
			rows = append(rows, g.rows...)
		}
		part := b.only(rows, from)
		densities, s, err := how.sample(ctx, m, part)
		if st = st.Max(s); err != nil {
			return err
		}
		for k, i := range rows {
			copy(b.x.Row(i), part.x.Row(k))
		}
		for k, v := range densities {
			logp[rows[k]] = v
		}
		return nil
	}, func(g *alike, why error) error {
		if kinds++; kinds > maxFailed {
			return why
		}
		for _, i := range g.rows {
			nan(b.x.Row(i))
			failed.Points, failed.Errs = append(failed.Points, i), append(failed.Errs, why)
			if logp != nil {
				logp[i] = math.NaN()
			}
		}
		return nil
	})
	if err != nil {
		return nil, st, err
	}
	return logp, st, failed.Err()
}

// only is the batch of some of its points, which begin at those of from.
func (b *batch) only(rows []int, from flow.Batch) *batch {
	part := *b
	part.x, part.given, part.rows = from.Rows(rows), b.given.Rows(rows), make([]int, len(rows))
	for k, i := range rows {
		part.rows[k] = b.row(i)
	}
	return &part
}

// nan makes numbers none.
func nan(x []float64) {
	for i := range x {
		x[i] = math.NaN()
	}
}

// upTo returns the numbers from lo to hi-1.
func upTo(lo, hi int) []int {
	out := make([]int, hi-lo)
	for i := range out {
		out[i] = lo + i
	}
	return out
}
