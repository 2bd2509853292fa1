package train

import (
	"context"
	"errors"
	"fmt"

	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/nn"
	"flowmatch/path"
)

// FM is the exact flow matching objective, equation 5, for a finite data set:
// x_t from the marginal path p_t, and the marginal velocity u_t(x_t) of
// equation 8 (turned into what the prediction asks for) as the target. It costs
// a pass over the whole data set for every example; its gradient equals, in
// expectation, that of [CFM], with less variance.
type FM struct {
	CFM            // without a Coupling
	X1  flow.Batch // the data set [N, D], in model units
}

// ErrCoupled is returned when the exact objective is given a coupling: its
// marginal is that of independent pairs.
var ErrCoupled = errors.New("train: the exact objective (fm) is for the independent coupling; " +
	"use cfm with a coupling")

// Steps implements [Objective].
func (o FM) Steps(ctx context.Context, t Training) (StepFunc, error) {
	if err := o.check(t.Model); err != nil {
		return nil, err
	}
	e, err := o.exact(t.Model)
	if err != nil {
		return nil, err
	}
	return Regress(ctx, t, e)
}

// check is that of CFM, and reports what the marginal of all points does not know of.
func (o FM) check(m *model.Model) error {
	net := m.Net().Config()
	switch {
	case net.Context > 0 || net.Classes > 0:
		return errors.New("train: the exact objective (fm) is of all points alike; use cfm with labels or a context")
	case m.Spec().Source != nil:
		return errors.New("train: the exact objective (fm) is for paths from a Gaussian; use cfm with a source")
	case isNoisy(m):
		return errNoisy("fm")
	}
	return o.CFM.check(m)
}

// Examples implements [Regression] by [CFM.Examples] with the marginal velocity for the
// target. Steps makes them faster, for it looks at X1 once.
func (o FM) Examples(m *model.Model, ex *nn.Examples, step uint64) error {
	e, err := o.exact(m)
	if err != nil {
		return err
	}
	return e.Examples(m, ex, step)
}

// exact returns what makes the examples.
func (o FM) exact(m *model.Model) (exact, error) {
	if o.coupling() != nil {
		return exact{}, ErrCoupled
	}
	marginal, err := field.NewMarginal(m.Scheduler(), o.X1, nil)
	return exact{o.CFM, marginal}, err
}

// exact makes the examples of FM.
type exact struct {
	CFM
	marginal *field.Marginal
}

// Examples implements [Regression].
func (o exact) Examples(m *model.Model, ex *nn.Examples, step uint64) error {
	if err := o.CFM.Examples(m, ex, step); err != nil {
		return err
	}
	xt, u := ex.X1, ex.X0
	for i, t := range ex.T {
		c := m.Scheduler().At(t)
		x, target := xt.Row(i), u.Row(i)
		for d := range x {
			x[d] = c.Point(x[d], target[d])
		}
		if err := o.marginal.Velocity(target, t, x); err != nil {
			return fmt.Errorf("train: marginal velocity at step %d, t=%g: %w", step, t, err)
		}
		a, b := c.Convert(path.Velocity, m.Spec().Prediction)
		for d := range x {
			target[d] = a*x[d] + b*target[d]
		}
	}
	onPoints(ex)
	return nil
}
