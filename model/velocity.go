package model

import (
	"context"
	"errors"
	"fmt"

	"flowmatch/flow"
	"flowmatch/ode"
)

// ErrRows is returned where something is asked of points on their way between noise and data, of a model
// of rows of a table: there they are no rows yet, for their levels and grids are not reached.
var ErrRows = errors.New("model: points on their way to rows of a table have no levels and no grid yet")

// VelocityOptions says what velocity is asked for. The zero value is that of a model without labels.
type VelocityOptions struct {
	Given    flow.Given // as in SampleOptions
	Guidance *float64   // as in [ODE]
}

// Velocity returns dx/ds [N, D] at points x [N, D], both in data units, at share s of the time from noise (0)
// to data (1): the derivative of the states of [Model.SampleStates] by their shares. The error is [ErrRows]
// of a model of rows. The evaluations of the stats are those of a point: one, or two with guidance.
func (m *Model) Velocity(ctx context.Context, x flow.Batch, share float64, o VelocityOptions) (
	flow.Batch, ode.Stats, error) {
	if err := m.onTheWay("points", x, share); err != nil {
		return flow.Batch{}, ode.Stats{}, err
	}
	guided := guidance{scale: o.Guidance}
	if err := guided.check(m); err != nil {
		return flow.Batch{}, ode.Stats{}, err
	}
	v := m.toModelUnits(x)
	lo, hi := m.Span()
	all, err := m.inBatches(v, m.perRank(0, v.N, false), o.Given, nil, func(b *batch) (part solved, err error) {
		if err := context.Cause(ctx); err != nil {
			return part, err
		}
		f, cost, err := guided.field(b.given, lo, hi, m.Field)
		if err != nil {
			return part, err
		}
		t := lo + share*(hi-lo)
		if part.stats.NFE = 1; cost != nil {
			part.stats.NFE = cost(t)
		}
		return part, f.Velocity(b.x.X, t, b.x.Clone().X)
	})
	st := all.stats
	if err != nil {
		return flow.Batch{}, st, fmt.Errorf("model: a velocity: %w", err)
	}
	u := m.spec.Units()
	for i := range v.N {
		row := v.Row(i)
		for d := range row {
			row[d] *= hi - lo
			if u != nil {
				row[d] *= u.Slope(d, x.Row(i)[d])
			}
		}
	}
	return v, st, nil
}

// LogProbAt is [Model.LogProb] of what the points of the flow are at share s of the time from noise (0) to
// data (1), in nats and in data units; s = 1 is LogProb. Bounds are those of data, so that they count for
// s = 1 alone. The error is [ErrRows] of a model of rows.
func (m *Model) LogProbAt(ctx context.Context, x flow.Batch, share float64, o LikelihoodOptions) (
	[]float64, ode.Stats, error) {
	if share == 1 {
		return m.LogProb(ctx, x, o)
	}
	if err := m.onTheWay("points", x, share); err != nil {
		return nil, ode.Stats{}, err
	}
	if err := m.HasDensity(); err != nil {
		return nil, ode.Stats{}, err
	}
	lo, hi := m.Span()
	if share > 0 {
		return m.logProb(ctx, x, o, lo, lo+share*(hi-lo), nil)
	}
	if err := m.spec.Net.CheckGiven(o.Given, x.N); err != nil {
		return nil, ode.Stats{}, fmt.Errorf("model: %w", err)
	}
	logp := make([]float64, x.N)
	m.source.LogProb(logp, m.toModelUnits(x))
	m.toDataUnits(logp, x)
	return logp, ode.Stats{}, nil
}

// onTheWay reports points that nothing can be asked of at a share of the time.
func (m *Model) onTheWay(what string, x flow.Batch, share float64) error {
	if err := m.made(); err != nil {
		return err
	}
	if m.spec.Schema != nil {
		return ErrRows
	}
	if !(share >= 0 && share <= 1) {
		return fmt.Errorf("model: share %g of the time; it must be from 0 (noise) to 1 (data)", share)
	}
	return m.fits(what, x)
}
