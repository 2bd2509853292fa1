package train

import (
	"math/rand/v2"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/nn"
)

// showing returns o with columns of a table that are shown of a share of its rows.
func (o CFM) showing(share float64, set *data.Set) (Objective, error) {
	s := set.Schema
	switch {
	case s == nil:
		return nil, misfit("train.shown is for tables with data.schema: auto, and %s is none", set.Name)
	case len(s.Learnt()) < 2:
		return nil, misfit("train.shown is %g, and %s has one column to learn: leave it out, for it shows columns "+
			"while others are learnt", share, set.Name)
	}
	o.Show = func(shown, x1 flow.Batch, rng *rand.Rand) { s.Hide(shown, x1, share, rng) }
	return o, nil
}

// checkShown reports coordinates that are shown in vain, or to a network that looks at none.
func (o CFM) checkShown(m *model.Model) error {
	switch looks := m.Net().Config().Shown; {
	case o.Show != nil && !looks:
		return misfit("coordinates are shown (CFM.Show) to a network that does not look at them; set Shown of its " +
			"configuration")
	case o.Show == nil && looks:
		return misfit("the network looks at coordinates that are shown, and none are: set CFM.Show")
	case o.Show != nil && o.coupling() != nil:
		return misfit("coordinates that are shown (train.shown) need noise that is independent of them: the "+
			"independent coupling, not %v", o.Coupling)
	}
	return nil
}

// prepare says what the loss of examples of m is, and makes room for what is shown of them.
func (o CFM) prepare(m *model.Model, ex *nn.Examples) {
	ex.Loss = o.loss(m)
	if o.Show != nil && ex.Given.Shown.N != ex.X1.N {
		ex.Given.Shown = flow.NewBatch(ex.X1.N, ex.X1.D)
	}
}

// show shows coordinates of the points of a step.
func (o CFM) show(ex *nn.Examples, step uint64) {
	if o.Show != nil {
		o.Show(ex.Given.Shown, ex.X1, seed.Rand(o.Seed, "train/shown", step))
	}
}
