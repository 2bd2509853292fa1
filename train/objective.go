package train

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"flowmatch/cluster"
	"flowmatch/data"
	"flowmatch/flow"
	"flowmatch/internal/absent"
	"flowmatch/internal/seed"
	"flowmatch/model"
	"flowmatch/nn"
)

// Objective is what a flow is trained to do. It takes schedule, prediction, source and
// context from the model that it trains. An objective is one of two things beside:
//
//   - a [Regression], which makes the examples of a step;
//   - a [Stepper], which takes the steps itself.
//
// That is two interfaces and not one with an adapter between them, for the sake of
// objectives that embed another: whoever embeds [CFM] and writes Examples has written all
// that is trained on, and there is no method that would still train on the examples of CFM.
// For the same reason one that has both Examples and Steps, of which one may have come in
// with an embedded field, is an error: name that field.
type Objective interface {
	// Check reports what the model, or a setting of the objective, is not fit for. It is
	// called once, before the first step.
	Check(m *model.Model) error
}

// Stepper is an objective that takes its steps itself, such as [ML].
type Stepper interface {
	Objective
	// Steps returns the function that takes the steps of a training, in order. What a
	// step does is a pure function of the objective, the model's Spec, the step's number
	// and the trainer's state, so that a training can be resumed at any step. ctx ends
	// when the training does, and with it whatever works ahead.
	Steps(ctx context.Context, t Training) (StepFunc, error)
}

// Training is what a Stepper works on.
type Training struct {
	Model   *model.Model   // what is trained; its weights are those at the start only
	Trainer *nn.NetTrainer // the state
	Batch   int            // examples a step
	From    int            // the first step to take, counted from 0
	To      int            // the last one is the one before
	Ranks   *cluster.Comm  // who shares the steps; nil: nobody
}

// Validator is the optional upgrade of an Objective that measures networks on held-out
// points.
type Validator interface {
	// Validation returns what measures a network of the model on the points of held, which
	// may be none or nil, in batches of the size trained with; nil where nothing can be
	// measured.
	Validation(m *model.Model, held data.Finite, batch int) (Validate, error)
}

// Validate measures a network on held-out points: less is better. When ctx ends it may
// return its error, and is called again when the training is resumed.
type Validate func(ctx context.Context, net *nn.Net) (float64, error)

// Limited is the optional upgrade of an Objective whose field lacks something that a
// flow is used for.
type Limited interface {
	// Limits says why a field trained so has no density, and why its score is not
	// known; empty: it has.
	Limits() (noDensity, noScore string)
}

// ErrObjective is wrapped by the errors of objectives that do not fit their model, their
// data or their teacher.
var ErrObjective = errors.New("train: the objective does not fit")

// misfit is an [ErrObjective].
func misfit(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrObjective, fmt.Errorf(format, args...))
}

// usable reports a model that was not made.
func usable(m *model.Model) error {
	if m == nil || m.Net() == nil {
		return errors.New("train: the model is nil or empty; make one by model.New")
	}
	return nil
}

// fits reports examples that are none, or have no room for points of the model.
func fits(m *model.Model, ex *nn.Examples) error {
	if err := usable(m); err != nil {
		return err
	}
	if ex == nil {
		return errors.New("train: there are no examples to fill: they are nil; make some by nn.NewExamples")
	}
	n, d := ex.X1.N, m.Dim()
	if ex.X1.D != d || ex.X0.N != n || ex.X0.D != d || len(ex.X0.X) != n*d || len(ex.X1.X) != n*d {
		return fmt.Errorf("train: examples of x0 [%d, %d] and x1 [%d, %d] for a model of dimension %d", ex.X0.N,
			ex.X0.D, n, ex.X1.D, d)
	}
	for _, c := range [][]float64{ex.T, ex.Alpha, ex.Sigma, ex.G1, ex.G0, ex.Weight} {
		if len(c) != n {
			return fmt.Errorf("train: a column of the examples has %d values for %d points", len(c), n)
		}
	}
	return nil
}

// checkData reports data that cannot be trained on.
func checkData(m *model.Model, s data.Stream) error {
	switch {
	case absent.Is(s):
		return misfit("it has no Data")
	case s.Dim() != m.Dim():
		return misfit("data of dimension %d for a network of dimension %d", s.Dim(), m.Dim())
	}
	return nil
}

// heldOut returns the points to validate on, none for nil, and reports a size of batches
// that no points can be in.
func heldOut(m *model.Model, held data.Finite, batch int) (data.Finite, error) {
	if err := usable(m); err != nil {
		return nil, err
	}
	if batch < 1 {
		return nil, fmt.Errorf("train: validation in batches of %d points; it must be at least 1", batch)
	}
	if absent.Is(held) {
		return data.Points{X: flow.NewBatch(0, m.Dim())}, nil
	}
	return held, nil
}

// heldPoints returns at most so many of the points to validate on, 0 for all of them, with
// what each is given, and the generator that goes on from there.
func heldPoints(m *model.Model, held data.Finite, batch, most int, key uint64) (
	x flow.Batch, given flow.Given, rng *rand.Rand, err error,
) {
	if held, err = heldOut(m, held, batch); err != nil {
		return x, given, nil, err
	}
	n := held.Len()
	if most > 0 {
		n = min(n, most)
	}
	// In a random order: examples have their times, and are paired, by their places, and
	// a sorted table would be judged at times of its own.
	rng = seed.Rand(key, "train/validation", 0)
	if n == 0 {
		return x, given, rng, nil
	}
	if x, given, err = data.RandomRows(held, n, key, "train/held", rng); err != nil {
		err = fmt.Errorf("train: held-out points: %w", err)
	}
	return x, given, rng, err
}

// oneOf lists the objectives of a property, as a sentence does.
func oneOf(property func(Kind) bool) string { return strings.Join(ObjectivesWhere(property), " or ") }
