package model

import (
	"fmt"

	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/ode"
)

// guidance is how a sampler guides by the labels.
type guidance struct {
	scale    *float64
	interval *[2]float64 // shares of the time
	rescale  float64
}

func (o ODE) guidance() guidance { return guidance{o.Guidance, o.GuidanceInterval, o.GuidanceRescale} }

func (o SDE) guidance() guidance { return guidance{o.Guidance, o.GuidanceInterval, o.GuidanceRescale} }

// check reports guidance that the model cannot do, or parts of it that have no effect.
func (g guidance) check(m *Model) error {
	plain := g.scale == nil || *g.scale == 1
	switch {
	case plain && g.interval != nil:
		return fmt.Errorf("%w: a guidance interval has no effect without guidance; set a scale, or leave it out",
			ErrSampler)
	case plain && g.rescale != 0:
		return fmt.Errorf("%w: a rescale of guidance has no effect without guidance; set a scale, or leave it out",
			ErrSampler)
	case g.scale == nil:
		return nil
	case m.spec.Net.Classes == 0:
		return fmt.Errorf("%w: guidance needs labels, and this model is unconditional", ErrSampler)
	case *g.scale-*g.scale != 0:
		return fmt.Errorf("%w: the guidance scale is %g; it must be a finite number, 1 for none", ErrSampler, *g.scale)
	case g.interval != nil && !(0 <= g.interval[0] && g.interval[0] < g.interval[1] && g.interval[1] <= 1):
		return fmt.Errorf("%w: the guidance interval is from %g to %g; it must rise, from 0 (noise) to 1 (data) at "+
			"most", ErrSampler, g.interval[0], g.interval[1])
	case !(g.rescale >= 0 && g.rescale <= 1):
		return fmt.Errorf("%w: the rescale of guidance is %g; it must be from 0 (none) to 1", ErrSampler, g.rescale)
	}
	return nil
}

// field returns the field (or prediction) of what is given over the times from lo to hi, guided, and how
// many evaluations of the network one at a time is; nil: 1. bind makes the field of what is given.
func (g guidance) field(given flow.Given, lo, hi float64, bind func(flow.Given) (flow.Field, error)) (
	f flow.Field, cost func(t float64) int, err error) {
	noLabel := given
	noLabel.Label = []int32{-1}
	switch {
	case g.scale == nil || *g.scale == 1:
		f, err = bind(given)
		return f, nil, err
	case *g.scale == 0 && g.interval == nil && g.rescale == 0:
		f, err = bind(noLabel)
		return f, nil, err
	}
	guided := field.Guided{Scale: *g.scale, Rescale: g.rescale}
	if g.interval != nil {
		guided.Interval = &[2]float64{lo + g.interval[0]*(hi-lo), lo + g.interval[1]*(hi-lo)}
	}
	if guided.Conditional, err = bind(given); err != nil {
		return nil, nil, err
	}
	guided.Unconditional, err = bind(noLabel)
	return guided, guided.Cost, err
}

// guided returns the field of a batch, and the solver that counts its evaluations of the network.
func (o ODE) guided(m *Model, b *batch) (flow.Field, ode.Solver, error) {
	lo, hi := m.Span()
	f, cost, err := o.guidance().field(b.given, lo, hi, m.Field)
	if cost != nil {
		o.Solver.Cost = cost
	}
	return f, o.Solver, err
}
