package likelihood

import (
	"context"
	"errors"
	"fmt"
	"math"

	"flowmatch/flow"
	"flowmatch/ode"
)

// ErrInvalid is returned, wrapped with the reason, when a Problem or its arguments
// make no sense, before anything is solved.
var ErrInvalid = errors.New("invalid problem")

// Problem is a flow whose likelihood is asked for.
//
// The solver integrates one system of N(D+1) numbers, the points and then, per point,
// Δ = ∫ ∇·v dt; with [ode.Adaptive.Each] it is N systems of D+1 numbers, and the field must
// be [flow.Timed]. If Solver.Control is [ode.Adaptive] without a Norm, the error norm is
// the larger of the root mean squares over the points and over the Δ, so that the few
// Δ are not drowned by the many coordinates.
//
// With Solver.Space the points are in it, and the field must have the divergence of that space:
// see manifold.Field.
type Problem struct {
	Field  flow.Field  // a flow.Diverger or flow.Differentiable as well
	Source flow.Source // the law of x at time Lo

	// Lo and Hi bound the time: the source sits at Lo, the data at Hi. Both zero: 0
	// and 1. A schedule that is singular at an end needs a smaller interval, and a
	// Source that is the law of x there.
	Lo, Hi float64

	Divergence Divergence // nil: Exact{}
	Solver     ode.Solver

	// Regularizer is for Gradient only; the zero value is none, and costs nothing.
	Regularizer Regularizer

	// BatchSize is the number of points solved together; memory grows with it. 0: all.
	// With ode.Fixed, ode.Grid and Each it does not change the result; with ode.Adaptive
	// else each part has steps of its own, so results differ within the tolerance.
	BatchSize int

	// First is the number of the first point among those of which these are a part:
	// Hutchinson's probes of point i are those of point First+i.
	First int
	// Rows are the numbers of the points, one each, where they do not follow one another;
	// nil: First, First+1, ...
	Rows []int
}

// LogProb returns log p_Hi(x1) in nats for each of the N points, and the points x0 at
// time Lo that flow to them: it solves from Hi back to Lo and returns
// log p_Lo(x0) − ∫ ∇·v dt. x1 is not modified. Of several parts of
// BatchSize, Stats is that of the most expensive one. With an error, logp of the points
// that were not reached is NaN; where they have steps of their own and some of them cannot
// be solved for, these alone, and the error is an [*ode.PointsError].
func (p Problem) LogProb(ctx context.Context, x1 flow.Batch) (logp []float64, x0 flow.Batch, st ode.Stats, err error) {
	logp, x0, st, err = p.solve(ctx, x1, Regularizer{}, func(c *chunk, logp []float64) (ode.Stats, error) {
		st, err := c.solve(ctx, c.hi, c.lo)
		c.logProb(p.Source, logp)
		return st, err
	})
	return logp, x0, st, err
}

// Sample flows x0, points at time Lo, to x1 at time Hi and returns with them
// log p_Hi(x1) in nats, from the same solve. x0 is not modified. Stats and errors are
// those of LogProb.
func (p Problem) Sample(ctx context.Context, x0 flow.Batch) (x1 flow.Batch, logp []float64, st ode.Stats, err error) {
	logp, x1, st, err = p.solve(ctx, x0, Regularizer{}, func(c *chunk, logp []float64) (ode.Stats, error) {
		p.Source.LogProb(logp, c.points())
		st, err := c.solve(ctx, c.lo, c.hi)
		for i, d := range c.delta(c.z) {
			logp[i] -= d
		}
		return st, err
	})
	return x1, logp, st, err
}

// solve runs each over the batch, part by part, with the integrals of reg beside Δ.
func (p Problem) solve(ctx context.Context, x flow.Batch, reg Regularizer,
	each func(c *chunk, logp []float64) (ode.Stats, error)) ([]float64, flow.Batch, ode.Stats, error) {
	p, err := p.ready(x)
	if err != nil {
		return nil, flow.Batch{}, ode.Stats{}, err
	}
	logp := make([]float64, x.N)
	for i := range logp {
		logp[i] = math.NaN()
	}
	y := x.Clone()
	var st ode.Stats
	var failed ode.PointsError
	for from := 0; from < x.N; from += p.BatchSize {
		to := min(from+p.BatchSize, x.N)
		c, err := p.chunk(x, from, to, reg)
		if err != nil {
			return logp, y, st, err
		}
		part := logp[from:to]
		s, err := each(c, part)
		st = st.Max(s)
		copy(y.Slice(from, to).X, c.points().X)
		var some *ode.PointsError
		switch {
		case errors.As(err, &some):
			failed.Append(*some, from)
			for _, i := range some.Points {
				part[i] = math.NaN()
			}
		case err != nil:
			for i := range part {
				part[i] = math.NaN()
			}
			return logp, y, st, fmt.Errorf("likelihood: points %d to %d: %w", p.First+from, p.First+to-1, err)
		}
	}
	return logp, y, st, failed.Err()
}

// numbers returns the numbers of points from to to-1.
func (p Problem) numbers(from, to int) []int {
	if p.Rows != nil {
		return p.Rows[from:to]
	}
	rows := make([]int, to-from)
	for i := range rows {
		rows[i] = p.First + from + i
	}
	return rows
}

// ready checks p and fills in its defaults.
func (p Problem) ready(x flow.Batch) (Problem, error) {
	if p.Divergence == nil {
		p.Divergence = Exact{}
	}
	if p.Lo == 0 && p.Hi == 0 {
		p.Hi = 1
	}
	if p.BatchSize == 0 {
		p.BatchSize = max(x.N, 1)
	}
	switch {
	case p.Field == nil:
		return p, fmt.Errorf("likelihood: %w: Problem.Field is nil", ErrInvalid)
	case p.Source == nil:
		return p, fmt.Errorf(
			"likelihood: %w: Problem.Source is nil; set the law of x at time Lo, such as flow.Gaussian{}",
			ErrInvalid)
	case !(p.Lo < p.Hi):
		return p, fmt.Errorf("likelihood: %w: the source's time Lo=%g must be before the data's Hi=%g",
			ErrInvalid, p.Lo, p.Hi)
	case p.BatchSize < 0:
		return p, fmt.Errorf("likelihood: %w: BatchSize is %d; it must be positive, or 0 for all points at once",
			ErrInvalid, p.BatchSize)
	case x.D != p.Field.Dim():
		return p, fmt.Errorf("likelihood: %w: points of dimension %d for a field on R^%d", ErrInvalid, x.D,
			p.Field.Dim())
	case len(x.X) != x.N*x.D:
		return p, fmt.Errorf("likelihood: %w: a batch of %d points of R^%d with %d numbers", ErrInvalid, x.N,
			x.D, len(x.X))
	}
	if p.Rows != nil && len(p.Rows) != x.N {
		return p, fmt.Errorf("likelihood: %w: %d Rows for %d points; give each point its number, or none", ErrInvalid,
			len(p.Rows), x.N)
	}
	if err := p.Regularizer.validate(); err != nil {
		return p, err
	}
	return p, p.Divergence.validate()
}
