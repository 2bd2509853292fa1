package model

import (
	"context"
	"errors"
	"math"

	"flowmatch/likelihood"
	"flowmatch/ode"
)

// maxFailed is of how many points of a batch a solve may fail before it fails as a whole. It
// bounds the time of one that fails everywhere.
const maxFailed = 100

// failedByItself says whether a solve failed as a whole for where its points are: without
// some of them it may succeed.
func failedByItself(err error) bool {
	var some *ode.PointsError
	return !errors.As(err, &some) && (errors.Is(err, ode.ErrStepTooSmall) || errors.Is(err, ode.ErrNonFinite) ||
		errors.Is(err, ode.ErrMaxNFE))
}

// apart returns the log-densities of a batch of which the problem p failed as a whole with
// why, NaN of each point that it fails of alone, which an [*ode.PointsError] names. It finds
// them by halves. st are the Stats so far. Where it fails of all points, the error is why.
func (m *Model) apart(ctx context.Context, b *batch, p likelihood.Problem, st ode.Stats, why error) (
	[]float64, ode.Stats, error,
) {
	logp, numbers := make([]float64, b.x.N), p.Rows
	if numbers == nil {
		numbers = upTo(b.first, b.first+b.x.N)
	}
	var failed ode.PointsError
	var split func(rows []int, why error) error
	split = func(rows []int, reason error) error {
		if len(rows) == 1 {
			logp[rows[0]] = math.NaN()
			failed.Points = append(failed.Points, rows[0])
			failed.Errs = append(failed.Errs, errors.Unwrap(reason)) // without the numbers of the points
			if n := len(failed.Points); n > maxFailed || n == b.x.N {
				return why
			}
			return nil
		}
		for _, half := range [][]int{rows[:len(rows)/2], rows[len(rows)/2:]} {
			part, s, err := m.someOf(ctx, b, p, half, numbers)
			st = st.Max(s)
			switch {
			case failedByItself(err):
				if err := split(half, err); err != nil {
					return err
				}
			case err != nil:
				return err
			default:
				for k, i := range half {
					logp[i] = part[k]
				}
			}
		}
		return nil
	}
	if err := split(upTo(0, b.x.N), why); err != nil {
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

// upTo returns the numbers from lo to hi-1.
func upTo(lo, hi int) []int {
	out := make([]int, hi-lo)
	for i := range out {
		out[i] = lo + i
	}
	return out
}
