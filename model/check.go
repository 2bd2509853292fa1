package model

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"flowmatch/flow"
	"flowmatch/path"
)

// LikelihoodCheck says how much log-densities depend on how they were solved for. Its
// figures are means over some of the points, of absolute differences in nats.
type LikelihoodCheck struct {
	Points int // that were solved again
	// Difference is between the log-densities and those of a finer solve
	// ([flowmatch/ode.Solver.Finer]) with the same probes: the error of the solver.
	Difference *float64
	// CutDifference is between that finer solve and one that keeps twice as far from where
	// the velocity is singular ([path.Inner]); nil where it is singular nowhere.
	CutDifference *float64
	// Lo and Hi are the times that the solve went over, and InnerLo and InnerHi those of
	// CutDifference: the same where that is nil.
	Lo, Hi, InnerLo, InnerHi float64
}

// checkNumbers is how many numbers the points of a check hold, at least checkLeast and at
// most checkMost points: 64 points of up to 64 dimensions, 5 images of 28 x 28.
const (
	checkNumbers = 4096
	checkLeast   = 4
	checkMost    = 64
)

// CheckLogProb solves again for some of the points x [N, D], in data units, whose
// log-densities are logp [N], by LogProb with the same options; NaN is of none. The points are spread
// evenly over the ranks of the log-densities, so that the unlikely ones, which are hard to
// solve for, are there in their share. With an error, which says which of the two solves
// failed, the difference that came before it is there.
func (m *Model) CheckLogProb(
	ctx context.Context, x flow.Batch, logp []float64, o LikelihoodOptions,
) (c LikelihoodCheck, err error) {
	if err := m.made(); err != nil {
		return c, err
	}
	if err := m.fits("points", x); err != nil {
		return c, err
	}
	if len(logp) != x.N {
		return c, fmt.Errorf("model: %d log-densities of %d points to check", len(logp), x.N)
	}
	if err := m.spec.Net.CheckGiven(o.Given, x.N); err != nil {
		return c, fmt.Errorf("model: %w", err)
	}
	rows := ranked(logp, min(x.N, max(checkLeast, min(checkMost, checkNumbers/m.Dim()))))
	c.Points = len(rows)
	c.Lo, c.Hi = m.Span()
	c.InnerLo, c.InnerHi = path.Inner(m.scheduler, m.output(), m.scale())
	cut := c.InnerLo != c.Lo || c.InnerHi != c.Hi
	solve := m.again(ctx, x, o, rows, cut)
	fine, err := solve(c.Lo, c.Hi)
	if err != nil {
		return c, fmt.Errorf("model: the finer solve of the check: %w", err)
	}
	base := make([]float64, len(rows))
	for k, i := range rows {
		base[k] = logp[i]
	}
	if c.Difference = meanDifference(base, fine); !cut {
		return c, nil
	}
	inner, err := solve(c.InnerLo, c.InnerHi)
	if err != nil {
		return c, fmt.Errorf("model: the solve of the check from t = %g to %g: %w", c.InnerLo, c.InnerHi, err)
	}
	c.CutDifference = meanDifference(fine, inner)
	return c, nil
}

// again returns what solves for the points of these numbers, more finely; twice says that
// it will be called twice, for the progress.
func (m *Model) again(ctx context.Context, x flow.Batch, o LikelihoodOptions, rows []int,
	twice bool) func(lo, hi float64) ([]float64, error) {
	progress, points := o.Progress, x.Rows(rows)
	o.Given, o.Solver = o.Given.Rows(rows), o.Solver.Finer()
	o.Solver.Observe = nil
	from, part, spent := 0.0, 1.0, 0
	if twice {
		part = 0.5
	}
	return func(lo, hi float64) ([]float64, error) {
		before := spent
		o.Progress = func(done float64, nfe int) {
			if spent = before + nfe; progress != nil {
				progress(from+part*done, spent)
			}
		}
		logp, _, err := m.logProb(ctx, points, o, lo, hi, rows)
		from += part
		return logp, err
	}
}

// ranked returns n numbers of v, spread evenly over the ranks, in the order of the numbers;
// those of NaN are none, and of fewer others there are fewer.
func ranked(v []float64, n int) []int {
	order := slices.DeleteFunc(upTo(0, len(v)), func(i int) bool { return math.IsNaN(v[i]) })
	n = min(n, len(order))
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(v[a], v[b]) })
	rows := make([]int, n)
	for k := range rows {
		rows[k] = order[(2*k+1)*len(order)/(2*n)]
	}
	slices.Sort(rows)
	return rows
}

// meanDifference returns the mean of |a - b|; equal infinities do not differ.
func meanDifference(a, b []float64) *float64 {
	mean := 0.0
	for i := range a {
		if a[i] != b[i] {
			mean += math.Abs(a[i]-b[i]) / float64(len(a))
		}
	}
	return &mean
}
