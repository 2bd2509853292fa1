package train

import (
	"context"
	"errors"

	"flowmatch/data"
	"flowmatch/model"
	"flowmatch/nn"
)

// Fit says how to train a model without a run's folder: see package run for one that
// saves and resumes. The zero value is usable.
type Fit struct {
	Loop      Loop
	Optimizer nn.Optimizer
	Step      nn.StepOptions
	Held      data.Finite // held-out points to validate on; nil: none
	Hooks     Hooks
}

// Train trains a model on an objective and returns the trained model, that of the
// averaged weights; m stays as it is. When ctx ends, the error is [ErrInterrupted], and
// what Hooks.Save had saved is all that is left.
func (f Fit) Train(ctx context.Context, m *model.Model, o Objective) (*model.Model, error) {
	if m == nil || o == nil {
		return nil, errors.New("train: Fit.Train needs a model and an objective")
	}
	tr, err := m.Net().NewTrainer(f.Optimizer, f.Step)
	if err != nil {
		return nil, err
	}
	task, stop, err := NewTask(ctx, f.Loop, Training{Model: m, Trainer: tr}, o, f.Held)
	if err != nil {
		return nil, err
	}
	defer stop()
	task.Hooks = f.Hooks
	if _, err := f.Loop.Run(ctx, task); err != nil {
		return nil, err
	}
	net, err := tr.Averaged()
	if err != nil {
		return nil, err
	}
	return model.New(Limit(m.Spec(), o), net)
}

// NewTask returns the task of training on an objective, from the state of t.Trainer
// (which may be one restored), to be run by l. Of t, Model and Trainer must be set; the
// rest is filled in. held are points to validate on; nil: none. stop ends what works
// ahead, and must be called when the task is done with.
func NewTask(
	ctx context.Context, l Loop, t Training, o Objective, held data.Finite,
) (task Task, stop context.CancelFunc, err error) {
	if err := l.Validate(); err != nil {
		return task, nil, err
	}
	l = l.Defaults()
	ctx, stop = context.WithCancel(ctx)
	t.Batch, t.From, t.To = l.Batch, int(t.Trainer.Steps()), l.Steps
	task.Trainer = t.Trainer.Trainer
	val, err := validation(t.Model, o, held, l.Batch)
	if err == nil {
		task.Step, err = o.Steps(ctx, t)
	}
	if err != nil {
		stop()
		return task, nil, err
	}
	if val != nil {
		task.Validate = func() (float64, error) {
			net, err := t.Trainer.Averaged()
			if err != nil {
				return 0, err
			}
			return val(net)
		}
	}
	return task, stop, nil
}
