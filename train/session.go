package train

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"flowmatch/cluster"
	"flowmatch/data"
	"flowmatch/internal/absent"
	"flowmatch/model"
	"flowmatch/nn"
)

// Session is a training of a model on an objective, from the state of a trainer, which may
// be one restored. [Fit] is a session from the start; package run keeps one in a folder.
type Session struct {
	Model     *model.Model   // what is trained; its weights are those at the start only
	Objective Objective      // a Regression or a Stepper
	Trainer   *nn.NetTrainer // the state, of the model's network
	Held      data.Finite    // held-out points to validate on; nil: none
	// Progress is what a checkpoint of the state had kept; the zero Progress at the start.
	Progress Progress
	Hooks    Hooks
	// Ranks share the examples of each step; nil: this process makes them all. Everything else must be
	// the same on all ranks. The hooks are called on rank 0 alone, but for Step.
	Ranks *cluster.Comm

	best *[]float32 // the averaged weights of the best validation, to be kept; nil: not
}

// Run takes the steps of l that are left. What is learnt is in the trainer. When ctx ends
// the error is [ErrInterrupted]. When Run returns, nothing that it began reads the data any
// more.
//
// A training that diverges in its first thousand steps begins again at a third of the learning
// rate, four times at most, where there is a Hooks.FellBack to tell.
func (s Session) Run(ctx context.Context, l Loop) (Progress, error) {
	if err := s.check(); err != nil {
		return s.Progress, err
	}
	if err := cmp.Or(l.Validate(), s.Progress.Validate(int(s.Trainer.Steps()))); err != nil {
		return s.Progress, err
	}
	l = l.Defaults()
	var all *together
	if s.Ranks.Size() > 1 {
		var err error
		if ctx, all, err = s.together(ctx); err != nil {
			return s.Progress, err
		}
		defer all.stop()
		s.Hooks = all.hooks(s.Hooks)
	}
	for {
		p, ended := s.attempt(ctx, l.slower(s.Progress.Slower), all)
		next, again, err := s.fallBack(l, p, ended)
		if err != nil {
			return p, err
		}
		if !again {
			return p, all.told(ended)
		}
		s.Progress = next
	}
}

// attempt is Run at one learning rate, by several ranks or (all is nil) one. l is complete.
func (s Session) attempt(ctx context.Context, l Loop, all *together) (Progress, error) {
	task := Task{Trainer: s.Trainer.Trainer, Model: s.averaged, Progress: s.Progress, Hooks: s.Hooks, best: s.best}
	_, task.squares = s.Objective.(Regression)
	val, err := s.validation(l.Batch)
	if err != nil {
		return s.Progress, err
	}
	if val != nil {
		task.Validate = func(ctx context.Context) (float64, error) {
			net, err := s.Trainer.ViewAveraged()
			if err != nil {
				return 0, err
			}
			return val(ctx, net)
		}
	}
	if err := l.check(task); err != nil { // before anything works ahead
		return s.Progress, err
	}
	working, stop := context.WithCancel(ctx)
	var wait func()
	t := Training{Model: s.Model, Trainer: s.Trainer, Batch: l.Batch, From: int(s.Trainer.Steps()), To: l.Steps,
		Ranks: s.Ranks}
	if task.Step, wait, err = s.steps(working, t); err != nil {
		stop()
		return s.Progress, err
	}
	defer wait()
	defer stop()
	if all != nil {
		all.wrap(&task)
	}
	return l.Run(ctx, task)
}

// check reports what the session lacks, and an objective that does not fit the model.
func (s Session) check() error {
	if err := usable(s.Model); err != nil {
		return err
	}
	switch {
	case s.Trainer == nil || s.Trainer.Trainer == nil:
		return errors.New("train: Session.Trainer is nil or empty; make one by NewTrainer of the model's network")
	case absent.Is(s.Objective):
		return errors.New("train: there is no objective: it is nil; give one, such as train.CFM{Data: ...}")
	}
	return s.Objective.Check(s.Model)
}

// averaged returns the model with the averaged weights.
func (s Session) averaged() (*model.Model, error) {
	net, err := s.Trainer.ViewAveraged()
	if err != nil {
		return nil, err
	}
	return s.trained(net)
}

// trained returns the model with a network of the training, and the limits of the objective.
func (s Session) trained(net *nn.Net) (*model.Model, error) {
	spec := s.Model.Spec()
	if l, ok := s.Objective.(Limited); ok {
		spec.NoDensity, spec.NoScore = l.Limits()
	}
	return model.New(spec, net)
}

// validation returns that of the objective; nil where it has none.
func (s Session) validation(batch int) (Validate, error) {
	v, ok := s.Objective.(Validator)
	if !ok {
		return nil, nil
	}
	held, err := heldOut(s.Model, s.Held, batch)
	if err != nil {
		return nil, err
	}
	return v.Validation(s.Model, held, batch)
}

// steps returns what takes the steps, and what waits for whatever works ahead, which the
// end of ctx ends.
func (s Session) steps(ctx context.Context, t Training) (take StepFunc, wait func(), err error) {
	r, makes := s.Objective.(Regression)
	o, steps := s.Objective.(Stepper)
	switch {
	case makes && steps:
		return nil, nil, misfit("%T has both Examples and Steps, and is trained by one of them: where one comes "+
			"from an embedded field, give the field a name", s.Objective)
	case makes:
		return regress(ctx, t, r)
	case steps:
		take, err = o.Steps(ctx, t)
		if err == nil && take == nil {
			err = misfit("%T.Steps returned nil, and no error", s.Objective)
		}
		return take, func() {}, err
	}
	return nil, nil, fmt.Errorf("train: %T is neither a Regression nor a Stepper: it needs the method Examples "+
		"or Steps", s.Objective)
}
