package train

import (
	"context"
	"errors"

	"flowmatch/cluster"
	"flowmatch/data"
	"flowmatch/internal/absent"
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
	Ranks     *cluster.Comm // who shares the steps, as in [Session]; nil: nobody
}

// Train trains a model on an objective and returns the trained model, that of the
// averaged weights; m stays as it is. With Loop.Patience the weights are those of the best
// validation, else the last.
//
// When ctx ends, the error is [ErrInterrupted], and the model that was trained so far is
// returned beside it. With every other error there is no model.
func (f Fit) Train(ctx context.Context, m *model.Model, o Objective) (*model.Model, error) {
	if m == nil || m.Net() == nil || absent.Is(o) {
		return nil, errors.New("train: Fit.Train needs a model, made by model.New, and an objective, such as CFM")
	}
	tr, err := m.Net().NewTrainer(f.Optimizer, f.Step)
	if err != nil {
		return nil, err
	}
	s := Session{Model: m, Objective: o, Trainer: tr, Held: f.Held, Hooks: f.Hooks, Ranks: f.Ranks}
	var best []float32
	if f.Loop.Patience > 0 {
		s.best = &best
	}
	_, ended := s.Run(ctx, f.Loop)
	if ended != nil && !errors.Is(ended, ErrInterrupted) {
		return nil, ended
	}
	var net *nn.Net
	if best == nil {
		net, err = tr.IntoAveraged()
	} else {
		net, err = m.Net().WithWeights(best)
	}
	if err != nil {
		return nil, err
	}
	trained, err := s.trained(net)
	if err != nil {
		return nil, err
	}
	return trained, ended
}
