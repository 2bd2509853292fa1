package model

import (
	"context"
	"errors"
	"math"

	"flowmatch/flow"
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
	a := apartSampling{m: m, how: how, b: b, from: from, st: st}
	if _, density := how.(Density); density {
		a.logp = make([]float64, b.x.N)
	}
	if err := a.halves(ctx, groups, err); err != nil {
		return nil, a.st, err
	}
	return a.logp, a.st, a.failed.Err()
}

// apartSampling samples the points of a batch by what they are given.
type apartSampling struct {
	m      *Model
	how    Sampler
	b      *batch
	from   flow.Batch // where the points start
	logp   []float64  // nil: the sampler has none
	st     ode.Stats
	failed ode.PointsError
	kinds  int // of points that failed
}

// halves samples the points of some kinds, of which the solve failed together with why.
func (a *apartSampling) halves(ctx context.Context, groups []*alike, why error) error {
	if len(groups) == 1 {
		if a.kinds++; a.kinds > maxFailed {
			return why
		}
		for _, i := range groups[0].rows {
			nan(a.b.x.Row(i))
			a.failed.Points, a.failed.Errs = append(a.failed.Points, i), append(a.failed.Errs, why)
			if a.logp != nil {
				a.logp[i] = math.NaN()
			}
		}
		return nil
	}
	for _, half := range [][]*alike{groups[:len(groups)/2], groups[len(groups)/2:]} {
		var rows []int
		for _, g := range half {
			rows = append(rows, g.rows...)
		}
		part := *a.b
		part.x, part.given = a.from.Rows(rows), a.b.given.Rows(rows)
		logp, st, err := a.how.sample(ctx, a.m, &part)
		a.st = a.st.Max(st)
		switch {
		case failedByItself(err):
			if err := a.halves(ctx, half, err); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		for k, i := range rows {
			copy(a.b.x.Row(i), part.x.Row(k))
			if a.logp != nil {
				a.logp[i] = logp[k]
			}
		}
	}
	return nil
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
