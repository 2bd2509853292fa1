package train

import (
	"context"

	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/model"
	"flowmatch/nn"
)

// Objective is what a flow is trained to do, one optimizer step at a time. It takes
// schedule, prediction, source and context from the model that it trains.
type Objective interface {
	// Steps returns the function that takes the steps of a training, in order. What a
	// step does is a pure function of the objective, the model's Spec, the step's number
	// and the trainer's state, so that a training can be resumed at any step. ctx ends
	// whatever works ahead.
	Steps(ctx context.Context, t Training) (StepFunc, error)
}

// Training is what an Objective works on.
type Training struct {
	Model   *model.Model   // what is trained; its weights are those at the start only
	Trainer *nn.NetTrainer // the state
	Batch   int            // examples a step
	From    int            // the first step to take, counted from 0
	To      int            // the last one is the one before
}

// Validator is the optional upgrade of an Objective that measures networks on held-out
// points.
type Validator interface {
	// Validation returns what measures a network of the model on the points of held, which
	// may be none, in batches of the size trained with; nil where nothing can be measured.
	Validation(m *model.Model, held data.Finite, batch int) (Validate, error)
}

// Validate measures a network on held-out points: less is better.
type Validate func(net *nn.Net) (float64, error)

// Limited is the optional upgrade of an Objective whose field lacks something that a
// flow is used for.
type Limited interface {
	// Limits says why a field trained so has no density, and why its score is not
	// known; empty: it has.
	Limits() (noDensity, noScore string)
}

// Limit returns a Spec with the limits of an objective.
func Limit(s model.Spec, o Objective) model.Spec {
	if l, ok := o.(Limited); ok {
		s.NoDensity, s.NoScore = l.Limits()
	}
	return s
}

// validation returns that of an objective, where it has one. held may be nil.
func validation(m *model.Model, o Objective, held data.Finite, batch int) (Validate, error) {
	v, ok := o.(Validator)
	if !ok {
		return nil, nil
	}
	if held == nil {
		held = data.Points{X: flow.NewBatch(0, m.Dim())}
	}
	return v.Validation(m, held, batch)
}
