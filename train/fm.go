package train

import (
	"fmt"

	"flowmatch/data"
	"flowmatch/field"
	"flowmatch/flow"
	"flowmatch/internal/seed"
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

func fmKind() Kind {
	return Kind{
		Name: "fm", Doc: "the exact flow matching objective on a finite data set, equation 5",
		Score: true, Finite: true,
		unused: []unused{{"label_dropout", "the exact field is that of all points, whatever their label"}},
		build:  buildFM,
	}
}

func buildFM(c Config, in Inputs) (Objective, error) {
	o := FM{CFM: c.cfm(in)}
	all := in.Set.TrainSet
	if all == nil {
		return nil, misfit("%s needs a finite set of points to train on, and %s has none (Set.TrainSet)",
			fmKind().Name, in.Set.Name)
	}
	var err error
	o.X1, _, err = data.Rows(all, 0, all.Len(), seed.Rand(in.Seed, "run/fm", 0))
	return o, err
}

// errCoupled is that of a coupling, with which the marginal is another.
func errCoupled() error {
	return misfit("a coupling is for the objective %s, not for %s, whose marginal is that of independent pairs",
		oneOf(func(k Kind) bool { return k.Coupled }), fmKind().Name)
}

// Check is that of CFM, and reports what the marginal of all points does not know of.
func (o FM) Check(m *model.Model) error {
	if err := usable(m); err != nil {
		return err
	}
	net, kind := m.Net().Config(), fmKind()
	misfits := kind.takes(m)
	switch {
	case net.Context > 0 || net.Classes > 0:
		return misfit("%s is of all points alike: labels or a context are for the objective %s", kind.Name,
			oneOf(func(k Kind) bool { return k.Context }))
	case m.Spec().Source != nil:
		return misfit("%s is for paths from a Gaussian: a source is for the objective %s", kind.Name,
			oneOf(func(k Kind) bool { return k.Sourced }))
	case o.Show != nil:
		return misfit("%s is of points of which nothing is known: leave Show out", kind.Name)
	case misfits != nil:
		return misfits
	case o.coupling() != nil:
		return errCoupled()
	case o.X1.D != net.Dim || o.X1.N < 1 || len(o.X1.X) != o.X1.N*o.X1.D:
		return misfit("FM.X1 is [%d, %d] with %d numbers; it must be [N, %d], N at least 1", o.X1.N, o.X1.D,
			len(o.X1.X), net.Dim)
	}
	return o.CFM.Check(m)
}

// Examples implements [Regression] by [CFM.Examples] with the marginal velocity for the
// target. It looks at all of X1 first, which a training does once.
func (o FM) Examples(m *model.Model, ex *nn.Examples, step uint64) error {
	e, err := o.exact(m)
	if err != nil {
		return err
	}
	return e.Examples(m, ex, step)
}

// exact returns what makes the examples.
func (o FM) exact(m *model.Model) (exact, error) {
	if err := usable(m); err != nil {
		return exact{}, err
	}
	if o.coupling() != nil {
		return exact{}, errCoupled()
	}
	cfm, err := o.CFM.timed(m)
	if err != nil {
		return exact{}, err
	}
	marginal, err := field.NewMarginal(m.Scheduler(), o.X1, nil)
	return exact{cfm, marginal}, err
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
		x, x0 := xt.Row(i), u.Row(i)
		for d := range x {
			x[d] = c.Point(x[d], x0[d])
		}
	}
	// All at once: they share the passes over the data.
	marginal, err := o.marginal.AtTimes(nil, ex.T)
	if err == nil {
		err = marginal.Velocity(u.X, 0, xt.X)
	}
	if err != nil {
		return fmt.Errorf("train: marginal velocities at step %d: %w", step, err)
	}
	for i, t := range ex.T {
		x, target := xt.Row(i), u.Row(i)
		a, b := m.Scheduler().At(t).Convert(path.Velocity, m.Spec().Prediction)
		for d := range x {
			target[d] = a*x[d] + b*target[d]
		}
	}
	onPoints(ex)
	return nil
}
